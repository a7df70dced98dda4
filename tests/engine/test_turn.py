"""What a turn wants next, decided without a VM, a world or a clock."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import msgspec
import pytest

from torpor import codec, limits
from torpor.codec.crypto.keys import Keyring
from torpor.engine import moves, passes, recovery, turn
from torpor.engine.attempts import Attempt, TaskClaim
from torpor.engine.failpoints import Failpoint
from torpor.engine.moves import (
    Around,
    Begin,
    CancelSteps,
    Deliver,
    Delivered,
    Effect,
    End,
    Failed,
    HandOver,
    Happening,
    Heard,
    HostLacks,
    LeaveStep,
    Listen,
    Load,
    LogRead,
    Moves,
    Pause,
    Paused,
    PutBack,
    ReadLog,
    Release,
    Requests,
    Save,
    Saved,
    Snooze,
    Snoozed,
    Store,
    Tell,
    TooMuchAtOnceError,
    Wake,
    Woken,
)
from torpor.engine.observer import RunRebuilt, RunSnoozed, Stored
from torpor.engine.passes import Claim
from torpor.engine.settings import TurnOptions
from torpor.engine.turn import Turn
from torpor.errors import (
    BuildMissingError,
    DamagedError,
    DivergenceError,
    EntityConflictError,
    GuestTrapError,
    HostError,
    LeaseLostError,
    SnapshotError,
    VmInterruptedError,
    WorldError,
)
from torpor.model import (
    Committed,
    Entities,
    Event,
    Finished,
    LogEntry,
    NewTask,
    Run,
    RunState,
    Snapshot,
    Step,
    Task,
    Wait,
)
from torpor.vm.guest import Program

STEP = "step//./shop.py//charge"
PROGRAM = Program("quickjs", "build-1", {}, [], {}, steps={STEP: "charge(order)"})
CREATED = Event("run_created", 1_000, seq=1, payload=codec.dumps([]))
SNAPSHOT = Snapshot(cursor=1, ops=1, logs=0, image="image", at=1_000, data=b"delta")
TOLD = (Tell, PutBack, Release)


class Table:
    """A turn on a table: it is told things by hand, at times that a test sets."""

    def __init__(
        self, *, why_not: str = "", redeliveries: int = 1, is_apart: bool = False, options: TurnOptions | None = None
    ) -> None:
        self.now, self.room = 2_000, 10
        self.stopping = self.crowded = False
        self.running: tuple[str, ...] = ()
        self.asked_of: list[Attempt] = []
        self.why_not = why_not
        task = Task("turn", "wrun_1", 7, redeliveries, workflow="w")
        claim = Claim(task, "wrkr_1", Keyring(), options or TurnOptions(), self._why_not, is_apart=lambda _: is_apart)
        self.turn = Turn(claim, lambda: 0.5)
        self.moves: Moves = self.turn.begin()

    def _why_not(self, attempt: Attempt) -> str:
        self.asked_of.append(attempt)
        return self.why_not

    @property
    def around(self) -> Around:
        """What the turn sees."""
        return Around(self.now, self.now, self.stopping, self.crowded, self.room, self.running)

    def on(self, happening: Happening) -> object:
        """Tell the turn, and return what it asks."""
        self.moves = self.turn.on(happening, self.around)
        return self.moves.asked

    def fail(self, error: Exception) -> object:
        """Let the question have no answer."""
        return self.on(Failed(error))

    def effects(self, *but: type[Effect]) -> list[Effect]:
        """Return the effects of the last moves, but for these kinds."""
        return [effect for effect in self.moves.effects if type(effect) not in but]


def state_of(status: str = "running", *, snapshot: Snapshot | None = None, base: int = 0, **held: object) -> RunState:
    """Return a run as it is loaded."""
    run = Run("wrun_1", "w", "p", "quickjs", "snapshot", status, bytes(32), 1_000, head=1, base=base)  # type: ignore[arg-type]
    return RunState(Entities(run, **held), snapshot, [] if snapshot else [CREATED])  # type: ignore[arg-type]


def asks(*outputs: Event, **changes: object) -> Requests:
    """Return what a VM asks for."""
    what = {"ops": len(outputs), "logs": 0, "log_entries": (), "ended": False, "awaits_ack": False, **changes}
    return Requests(outputs, **what)  # type: ignore[arg-type]


def step_created(op: int = 1) -> Event:
    """Return the record of a step that a VM asks for."""
    return Event("step_created", 2_000, f"step_{op}", op=op, name=STEP, payload=codec.dumps({"args": []}))


def open_step(op: int, attempt: int = 1) -> Step:
    """Return a step that is no task."""
    return Step("wrun_1", f"step_{op}", op, 2, STEP, "running", 1_500, attempt=attempt, input=b"")


def stored(table: Table, *, head: int = 3, parked: bool = False, foreign: tuple[Event, ...] = ()) -> Committed:
    """Return the answer of a world that has stored what the turn asked."""
    asked = table.moves.asked
    assert isinstance(asked, Store)
    run = state_of().run
    waits = {
        event.id: Wait(event.id, event.op, event.due) for event in asked.commit.outputs if event.type == "wait_created"
    }
    return Committed(True, head, foreign=foreign, parked=parked, held=Entities(run, waits=waits))


def woken(table: Table, requests: Requests, snapshot: Snapshot | None = None) -> object:
    """Let the run be loaded and its VM be woken."""
    if isinstance(table.moves.asked, Load):
        table.on(state_of())
    assert isinstance(table.moves.asked, Wake)
    return table.on(Woken(PROGRAM, "build-1", requests, snapshot))


def test_a_run_from_its_claim_to_its_end() -> None:
    """It is loaded, woken, and stored; its step runs here; what the step returned is consumed before it is stored."""
    table = Table()
    assert table.moves.asked == Load()
    asked = table.on(state_of("pending"))
    assert isinstance(asked, Wake)
    assert (asked.at, asked.installed, asked.events_per_call) == (2_000, False, limits.EVENTS_PER_CALL)

    asked = woken(table, asks(step_created()))
    assert isinstance(asked, Store)
    assert [(event.type, event.attempt, event.ref) for event in asked.commit.outputs] == [
        ("run_started", 0, ""),
        ("step_created", 1, "wrkr_1"),
    ]
    assert (asked.commit.epoch, asked.commit.expected_head, asked.commit.park, asked.commit.build) == (
        7,
        1,
        False,
        "build-1",
    )

    assert table.on(stored(table)) == Listen(TurnOptions().inline_ms, TurnOptions().hurried_ms)
    told, begin = table.effects(PutBack)
    assert isinstance(told, Tell)
    assert isinstance(told.observation, Stored)
    assert isinstance(begin, Begin)
    assert (begin.attempt.step_id, begin.attempt.signature) == ("step_1", "charge(order)")

    outcome = Event("step_completed", 2_010, "step_1", op=1, payload=b"")
    assert table.on(Heard([outcome])) == Deliver((outcome,))
    ending = Event("run_completed", 2_011, payload=b"")
    asked = table.on(Delivered(asks(ending, ended=True), None))
    assert isinstance(asked, Store)
    assert (asked.commit.inputs, asked.commit.outputs) == ((outcome,), (ending,))

    assert table.on(stored(table, parked=True)) == End("ended")
    assert Tell(Failpoint.AFTER_ENDING) in table.effects()


def test_a_run_that_waits_parks_with_a_snapshot() -> None:
    """Whether the snapshot was taken while the VM was at hand or has to be asked for."""
    wait = Event("wait_created", 2_000, "wait_1", op=1, due=60_000)
    for snapshot in (SNAPSHOT, None):
        table = Table()
        table.on(state_of())
        assert table.turn.wants_snapshot(asks(wait), table.around)
        asked = woken(table, asks(wait), snapshot)
        if snapshot is None:
            assert asked == Save()
            asked = table.on(Saved(SNAPSHOT))
        assert isinstance(asked, Store)
        assert asked.commit.park
        assert asked.commit.snapshot == SNAPSHOT
        assert table.on(stored(table, parked=True)) == End("parked")


def test_what_came_from_outside_comes_before_what_the_turn_listens_for() -> None:
    """Foreign inputs are delivered at once; a commit that was refused is forgotten, its outcomes are not."""
    table = Table()
    woken(table, asks(step_created()))
    payload = Event("hook_received", 2_000, "hook_1", seq=4)
    assert table.on(stored(table, foreign=(payload,))) == Deliver((payload,))
    table.running = ("step_1",)
    assert isinstance(table.on(Delivered(asks(), None)), Listen)
    outcome = Event("step_completed", 2_010, "step_1", op=1)
    table.on(Heard([outcome]))
    assert isinstance(table.on(Delivered(asks(), None)), Store)
    assert table.on(Committed(False, 9)) == Load()
    assert table.effects() == [PutBack((outcome,)), Release()]


def finished(head: int, *, waits: tuple[str, ...] = ()) -> Finished:
    """Return how step 1 ended, as it was stored up to an event, behind waits that were due."""
    run = state_of().run
    ended = [Event("wait_completed", 2_010, wait) for wait in waits]
    ended.append(Event("step_completed", 2_010, "step_1", seq=head, op=1))
    return Finished(msgspec.structs.replace(run, head=head), tuple(ended))


def test_a_step_that_stores_its_outcome_leaves_the_run_hot() -> None:
    """It is a task that is claimed from the beginning; what it has stored is delivered, and known."""
    table = Table(is_apart=True)
    asked = woken(table, asks(step_created()))
    assert isinstance(asked, Store)
    assert asked.commit.tasks == (NewTask("step_1", claimed=True, signature="charge(order)"),)
    assert (asked.commit.outputs[-1].attempt, asked.commit.park) == (1, False)
    assert isinstance(table.on(stored(table)), Listen)
    [begin] = table.effects(Tell)
    assert isinstance(begin, Begin)
    assert begin.attempt.claim == TaskClaim("wrkr_1", 7, "")
    done = finished(3, waits=("wait_1",))
    assert table.on(Heard([], (done,))) == Deliver(done.events)
    ending = Event("run_completed", 2_011, payload=b"")
    asked = table.on(Delivered(asks(ending, ended=True), None))
    assert isinstance(asked, Store)
    assert (asked.commit.expected_head, asked.commit.inputs, asked.held.run.head) == (3, (), 3)


def test_what_was_stored_is_heard_once_and_in_the_order_of_the_log() -> None:
    """What the world has told of already is no news; what it has not is asked for; outcomes of others come behind."""
    table = Table(is_apart=True)
    woken(table, asks(step_created()))
    table.on(stored(table))
    table.running = ("step_9",)
    assert isinstance(table.on(Heard([], (finished(1),))), Listen)
    asked = table.on(Heard([], (finished(5),)))
    assert isinstance(asked, Store)
    assert (asked.commit.expected_head, asked.commit.park, asked.commit.outputs) == (1, False, ())
    events = (Event("hook_received", 2_000, "hook_1", seq=4), *finished(5).events)
    assert table.on(stored(table, foreign=events)) == Deliver(events)
    table.on(Delivered(asks(), None))
    other = Event("step_completed", 2_020, "step_9", op=9)
    assert table.on(Heard([other], (finished(2),))) == Deliver(finished(2).events)
    assert table.effects() == [PutBack((other,))]


def test_a_timer_that_was_due_before_a_step_ended_wins() -> None:
    """And times do not go back, although the step ended before the newest event of the log."""
    table = Table()
    waits = {"wait_1": Wait("wait_1", 1, 2_005)}
    steps = {"step_2": open_step(2)}
    table.running = ("step_2",)
    table.on(state_of(waits=waits, steps=steps))
    assert woken(table, asks()) == Listen(5, 5)
    table.now = 2_020
    asked = table.on(Heard([Event("step_completed", 2_010, "step_2", op=2)]))
    assert isinstance(asked, Deliver)
    assert [(event.type, event.at) for event in asked.events] == [("wait_completed", 2_020), ("step_completed", 2_020)]


def test_inputs_that_the_vm_had_no_room_for_come_again() -> None:
    """What was left is no input of this commit; an outcome among it is put back."""
    table = Table()
    woken(table, asks(step_created(1), step_created(2)))
    table.on(stored(table))
    first, second = (Event("step_completed", 2_010, f"step_{op}", op=op) for op in (1, 2))
    table.on(Heard([first, second]))
    asked = table.on(Delivered(asks(left=(second,)), None))
    assert isinstance(asked, Store)
    assert asked.commit.inputs == (first,)
    assert not asked.commit.park, "an outcome is still to come"
    assert isinstance(table.on(stored(table)), Listen)
    assert PutBack((second,)) in table.effects()


def test_inputs_that_were_put_off_are_not_lost_when_the_world_fails() -> None:
    """All outcomes that were taken are put back, whether the VM has got them or not."""
    table = Table()
    woken(table, asks(step_created(1), step_created(2)))
    table.on(stored(table))
    outcomes = tuple(Event("step_completed", 2_010, f"step_{op}", op=op) for op in (1, 2))
    table.on(Heard(outcomes))
    table.on(Delivered(asks(left=outcomes[1:]), None))
    table.fail(WorldError("away"))
    assert PutBack(outcomes) in table.effects()


def test_steps_that_take_long_are_handed_over() -> None:
    """The turn goes to sleep; each becomes a task that this worker holds."""
    table = Table()
    woken(table, asks(step_created()))
    answer = stored(table)
    steps = {"step_1": open_step(1)}
    table.on(Committed(True, 3, held=Entities(state_of().run, steps=steps)))
    table.running = ("step_1",)
    assert answer.stored
    assert table.on(Heard([])) == Save()
    asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert [(task.step_id, task.claimed) for task in asked.commit.tasks] == [("step_1", True)]
    assert table.on(stored(table, parked=True)) == End("parked")
    assert HandOver(("step_1",)) in table.effects()


def test_a_worker_that_stops_begins_no_steps() -> None:
    """They become tasks, and the run sleeps."""
    table = Table()
    table.stopping = True
    assert woken(table, asks(step_created())) == Save()
    asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert [(task.step_id, task.claimed) for task in asked.commit.tasks] == [("step_1", False)]


@pytest.mark.parametrize("by", ["time", "events"])
def test_a_hot_run_goes_to_sleep_when_others_wait(by: str) -> None:
    """After a while and its share, or after many events, and only while others wait: its next step becomes a task."""
    options = TurnOptions()
    table = Table()
    woken(table, asks(step_created(1)))
    op = 1
    while True:
        table.running = ()
        table.on(stored(table))
        table.on(Heard([Event("step_completed", table.now, f"step_{op}", op=op)]))
        op += 1
        table.now += options.hot_ms if by == "time" else 0
        table.crowded = by == "time" or op > options.hot_events
        asked = table.on(Delivered(asks(step_created(op)), None))
        if isinstance(asked, Save):
            break
    assert op == (options.share_events if by == "time" else options.hot_events) + 1
    asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert [(task.step_id, task.claimed) for task in asked.commit.tasks] == [(f"step_{op}", False)]


def test_slow_steps_are_waited_for_briefly_while_others_wait() -> None:
    """However few events the run has got."""
    table = Table()
    options = TurnOptions()
    for op, crowded in enumerate((False, True), start=1):
        (woken(table, asks(step_created(1))) if op == 1 else table.on(Delivered(asks(step_created(op)), None)))
        table.running, table.crowded = (), crowded
        asked = table.on(stored(table))
        assert asked == Listen(options.hurried_ms if crowded else options.inline_ms, options.hurried_ms)
        table.on(Heard([Event("step_completed", table.now, f"step_{op}", op=op)]))


def test_timers_do_not_keep_a_run_awake_when_others_wait() -> None:
    """A timer that is due wakes it again, in its turn."""
    for crowded in (False, True):
        table = Table(options=TurnOptions(share_events=1))
        woken(table, asks(step_created()))
        table.on(stored(table))
        table.crowded, table.now = crowded, table.now + TurnOptions().hot_ms
        table.on(Heard([Event("step_completed", table.now, "step_1", op=1)]))
        due = Event("wait_created", table.now, "wait_2", op=2, due=table.now)
        assert isinstance(table.on(Delivered(asks(due), None)), Save if crowded else Store)


def timer(op: int, due: int) -> Event:
    """Return the record of a timer that a VM asks for."""
    return Event("wait_created", 2_000, f"wait_{op}", op=op, due=due)


def woken_by_its_timer() -> Table:
    """Return a run whose timer has woken it; the VM is to get that."""
    table = Table()
    table.on(state_of(snapshot=SNAPSHOT, waits={"wait_1": Wait("wait_1", 1, 1_990)}))
    assert woken(table, asks()) == Listen(0, 0)
    asked = table.on(Heard([]))
    assert isinstance(asked, Deliver)
    assert [(event.type, event.id) for event in asked.events] == [("wait_completed", "wait_1")]
    return table


def test_a_run_that_its_timer_woke_sleeps_again_with_its_first_commit() -> None:
    """The timer is no reason to stay awake any more, though the world still has it."""
    table = woken_by_its_timer()
    next_one = timer(2, 60_000)
    assert table.turn.wants_snapshot(asks(next_one), table.around)
    asked = table.on(Delivered(asks(next_one), SNAPSHOT))
    assert isinstance(asked, Store)
    assert [event.type for event in asked.commit.inputs] == ["wait_completed"]
    assert asked.commit.park


@pytest.mark.parametrize("others_wait", [False, True])
def test_a_nap_is_waited_for_with_the_vm_hot(others_wait: bool) -> None:
    """To sleep and to be restored would take as long; not while others wait for the place."""
    table = woken_by_its_timer()
    table.crowded = others_wait
    nap = timer(2, table.now + TurnOptions().nap_ms)
    assert table.turn.wants_snapshot(asks(nap), table.around) is others_wait
    asked = table.on(Delivered(asks(nap), SNAPSHOT if others_wait else None))
    assert isinstance(asked, Store)
    assert asked.commit.park is others_wait
    if others_wait:
        return
    assert table.on(stored(table)) == Listen(TurnOptions().nap_ms, TurnOptions().nap_ms)
    table.now += TurnOptions().nap_ms
    asked = table.on(Heard([]))
    assert isinstance(asked, Deliver)
    assert [event.id for event in asked.events] == ["wait_2"]


def test_a_nap_that_others_end_is_slept() -> None:
    """Whoever wants the turn to go to sleep does not wait for its timer."""
    table = woken_by_its_timer()
    table.on(Delivered(asks(timer(2, table.now + 10)), None))
    table.on(stored(table))
    assert table.on(Heard([])) == Save()
    asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert asked.commit.park


def test_a_timer_that_the_vm_did_not_get_stays_due() -> None:
    """It comes again when the rest is stored."""
    table = woken_by_its_timer()
    assert isinstance(table.moves.asked, Deliver)
    asked = table.on(Delivered(asks(timer(2, 60_000), left=table.moves.asked.events), None))
    assert isinstance(asked, Store)
    assert (asked.commit.inputs, asked.commit.park) == ((), False)


def test_a_step_that_is_for_another_worker_leaves() -> None:
    """It says why, and this worker does not claim it for a while."""
    table = Table(why_not="no such step here")
    assert woken(table, asks(step_created())) == Save()
    assert LeaveStep("step_1") in table.effects()
    asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert [task.snoozed for task in asked.commit.tasks] == ["no such step here"]


def test_a_step_that_nobody_carries_out_begins_anew() -> None:
    """Its worker died; the next attempt is recorded before it begins."""
    table = Table()
    table.on(state_of(steps={"step_1": open_step(1, attempt=2)}))
    asked = woken(table, asks())
    assert isinstance(asked, Store)
    assert [(event.type, event.attempt) for event in asked.commit.outputs] == [("step_started", 3)]
    table.on(stored(table))
    assert [effect.attempt.attempt for effect in table.effects() if isinstance(effect, Begin)] == [3]


@pytest.mark.parametrize(
    ("error", "asked", "effect"),
    [
        (SnapshotError("a flipped bit"), Load(forget_snapshot=True), RunRebuilt),
        (LeaseLostError("another's"), End("left"), CancelSteps),
        (VmInterruptedError("it stops"), End("left"), CancelSteps),
        (WorldError("away"), Pause(75, Load()), None),
        (RuntimeError("a bug"), Pause(75, Load()), None),
        (HostError("no memory"), Snooze(750, "no memory"), HostLacks),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_is_not_the_runs_doing_fails_no_run(
    error: Exception, asked: object, effect: type[Effect] | None
) -> None:
    """Whatever the turn was asking."""
    for ask in ("load", "wake", "store", "listen"):
        table = Table()
        if ask == "wake":
            table.on(state_of())
        elif ask != "load":
            woken(table, asks(step_created()))
            if ask == "listen":
                table.on(stored(table))
        assert table.fail(error) == asked
        kinds = [type(effect.observation if isinstance(effect, Tell) else effect) for effect in table.effects()]
        assert kinds[:2] == [PutBack, Release]
        assert effect is None or effect in kinds


def test_the_world_is_asked_again_and_then_the_run_is_given_back() -> None:
    """For longer each time, and anew after a pass that went well."""
    table = Table()
    pauses = []
    while isinstance(asked := table.fail(WorldError("away")), Pause):
        pauses.append(asked.ms)
        assert table.on(Paused()) == Load()
    assert pauses == [int(75 * 2**n) for n in range(8)]
    assert isinstance(asked, Snooze)
    assert any(isinstance(effect, Tell) and isinstance(effect.observation, RunSnoozed) for effect in table.effects())
    pause = table.fail(WorldError("away"))
    assert pause == Pause(75, asked)
    assert table.on(Paused()) == asked
    assert table.on(Snoozed()) == End("snoozed")


def test_a_claim_that_was_lost_needs_no_giving_back() -> None:
    """Nor is there one for a damaged row. What explains nothing is raised: the claim stays while this worker lives."""
    for error in (LeaseLostError("lost"), EntityConflictError("ended"), DamagedError("row 1", "nonsense")):
        table = Table()
        table.fail(HostError("no memory"))
        assert table.fail(error) == End("left")
    table = Table()
    table.fail(HostError("no memory"))
    with pytest.raises(RuntimeError, match="a bug"):
        table.fail(RuntimeError("a bug"))


def test_what_the_run_did_itself_fails_it() -> None:
    """A trap at a delivery; a trap after a restore may be the snapshot's doing, and is tried from the log first."""
    table = Table()
    woken(table, asks(step_created()))
    table.on(stored(table))
    table.on(Heard([Event("step_completed", 2_010, "step_1", op=1)]))
    asked = table.fail(GuestTrapError("unreachable"))
    assert isinstance(asked, Store)
    assert [(event.type, event.name) for event in asked.commit.outputs] == [("run_failed", "RUNTIME_ERROR")]
    assert asked.commit.inputs

    table = Table()
    table.on(state_of(snapshot=SNAPSHOT))
    assert table.fail(GuestTrapError("unreachable")) == Load(forget_snapshot=True)
    table.on(state_of())
    asked = table.fail(GuestTrapError("unreachable"))
    assert isinstance(asked, Store)
    assert asked.commit.outputs[-1].type == "run_failed"
    assert [entry.n for entry in asked.commit.log_entries] == [-7]


def test_too_many_deaths_fail_a_run_that_is_not_even_woken() -> None:
    """It would kill this worker too."""
    table = Table(redeliveries=limits.REDELIVERIES_MAX + 1)
    asked = table.on(state_of())
    assert isinstance(asked, Store)
    assert [event.name for event in asked.commit.outputs] == ["MAX_DELIVERIES_EXCEEDED"]


def test_too_much_at_once_is_delivered_one_by_one() -> None:
    """What was within the limits when it came must be so again."""
    table = Table()
    table.on(state_of())
    assert table.fail(TooMuchAtOnceError("512 events")) == Load()
    asked = table.on(state_of())
    assert isinstance(asked, Wake)
    assert asked.events_per_call == 1


def test_a_run_is_carried_over_to_the_build_that_is_here() -> None:
    """From its log, up to the event that the run was at, and it must agree at the snapshot; the log tells of it."""
    table = Table()
    table.on(state_of(snapshot=SNAPSHOT))
    assert table.fail(BuildMissingError("no such build")) == ReadLog()
    asked = table.on(LogRead([CREATED, Event("hook_received", 3_000, seq=2)]))
    assert isinstance(asked, Wake)
    assert asked.installed
    assert (asked.checkpoint, asked.state.snapshot, asked.state.events) == (SNAPSHOT, None, [CREATED])
    assert table.turn.wants_snapshot(asks(), table.around)
    asked = woken(table, asks(), SNAPSHOT)
    assert isinstance(asked, Store)
    assert asked.commit.build == "build-1"
    assert [entry.level for entry in asked.commit.log_entries] == ["info"]

    table = Table()
    table.on(state_of(snapshot=SNAPSHOT))
    table.fail(BuildMissingError("no such build"))
    table.on(LogRead([CREATED]))
    assert isinstance(table.fail(DivergenceError("another op")), Snooze)

    table = Table()
    table.on(state_of(snapshot=SNAPSHOT, base=1))
    assert isinstance(table.fail(BuildMissingError("no such build")), Snooze)


def test_a_decision_that_fails_is_no_doing_of_the_run() -> None:
    """The turn tries again, from what is stored."""

    class Broken(Table):
        def _why_not(self, attempt: Attempt) -> str:
            raise GuestTrapError(f"{attempt.name}: an error of ours that looks like the run's")

    table: Table = Broken()
    woken(table, asks(step_created()))
    assert table.moves.asked == Load()
    asked = table.on(state_of("pending"))
    assert isinstance(asked, Store), "as for every error that says that the run did it"

    table = Table()
    assert table.on(Saved(SNAPSHOT)) == Pause(75, Load()), "no answer to what was asked"


def test_a_note_is_stored_once() -> None:
    """What the engine says in a run's log is not said again with the next commit."""
    table = Table()
    table.on(state_of(snapshot=SNAPSHOT))
    table.fail(SnapshotError("a flipped bit"))
    table.on(state_of())
    asked = woken(table, asks(step_created(), log_entries=(LogEntry(1, 2_000, "info", "hello"),)))
    assert isinstance(asked, Store)
    assert [entry.n for entry in asked.commit.log_entries] == [-7, 1]
    table.on(stored(table))
    table.on(Heard([Event("step_completed", 2_010, "step_1", op=1)]))
    asked = table.on(Delivered(asks(), None))
    assert isinstance(asked, Save | Store)
    if isinstance(asked, Save):
        asked = table.on(Saved(SNAPSHOT))
    assert isinstance(asked, Store)
    assert not asked.commit.log_entries


@pytest.mark.parametrize("module", [turn, passes, recovery, moves], ids=lambda module: module.__name__)
def test_turns_are_pure(module: ModuleType) -> None:
    """They wait for nothing, and have nothing at hand that does something."""
    tree = ast.parse(inspect.getsource(module))
    awaits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(tree) if isinstance(node, awaits)]
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    doers = {"asyncio", "threading", "time", "torpor.world", "torpor.clock", "torpor.engine.environment"}
    doers |= {"torpor.engine.inline", "torpor.engine.images", "torpor.engine.session", "torpor.engine.driver"}
    assert not doers & set(names)
