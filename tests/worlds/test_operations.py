"""Operations as conversations: what they ask of a store, and how they go on when somebody was quicker."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.model import NOW, Commit, Entities, Event, Hook, NewRun, Notice, Run, Step, StepOutcome, Wait
from torpor.worlds import operations
from torpor.worlds.draft import Changes
from torpor.worlds.requests import (
    Apply,
    Children,
    First,
    Inputs,
    Load,
    Moved,
    Owner,
    Part,
    PutStep,
    Request,
    Reserved,
    Resumed,
    Since,
    StaleError,
    TokenTakenError,
    Watchers,
    converse,
)

T: Final = 1_000_000
URL: Final = "memory://"
RUN: Final = Run(
    "wrun_1", "order", "p", "g", "snapshot", "running", b"seed", T, head=9, epoch=3, latest_at=T, ready_at=NOW,
    worker="wrkr_1",
)  # fmt: skip
HELD: Final = Entities(RUN)
COMMIT: Final = Commit("wrun_1", "wrkr_1", 3, 9)
LATE: Final = Event("hook_received", T, "hook_1", seq=10, op=4)


class Script:
    """A store that answers as it was told, and remembers what it was asked."""

    def __init__(self, *answers: tuple[type[Request], Any]) -> None:
        self.asked: list[Request] = []
        self._answers = list(answers)

    def __call__(self, request: Request) -> Any:
        self.asked.append(request)
        kind, answer = self._answers.pop(0)
        assert type(request) is kind
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, operation: Generator[Request, Any, Any]) -> Any:
        """Carry the operation on until its end, where nothing is left to be asked."""
        result = converse(operation, self)
        assert self._answers == []
        return result

    @property
    def stored(self) -> Changes:
        """What the last request stored."""
        last = self.asked[-1]
        assert isinstance(last, Apply)
        return last.changes


def test_the_usual_commit_reads_nothing() -> None:
    """Who holds the claim and knows what is open has its commit stored with a single request."""
    store = Script((Apply, None))
    events = (Event("step_created", T, "step_2", op=2, name="pay"), Event("wait_created", T, "wait_3", op=3, due=T))
    committed, notice = store.run(operations.commit(replace(COMMIT, outputs=events), HELD, T, URL))
    assert (committed.stored, committed.head) == (True, 11)
    assert notice == Notice("wrun_1")


def test_a_commit_that_was_overtaken_looks_again() -> None:
    """It learns of what came first, and is stored behind it."""
    newer = Entities(replace(RUN, head=10))
    store = Script((Apply, StaleError()), (Moved, Since(newer, frozenset())), (Inputs, (LATE,)), (Apply, None))
    committed, _ = store.run(operations.commit(replace(COMMIT, park=True), HELD, T, URL))
    assert (committed.foreign, committed.parked) == ((LATE,), False)
    assert store.stored.before == newer.run


def test_a_commit_that_was_overtaken_reads_what_has_changed() -> None:
    """And nothing else of all that is open: a step that has ended is gone, one that is tried again is as it is now."""
    steps = {f"step_{n}": Step("wrun_1", f"step_{n}", n, n, "pay", "running", T, task=True) for n in range(9)}
    again = replace(steps["step_2"], status="retrying", ready_at=NOW)
    since = Since(Entities(replace(RUN, head=11), {"step_2": again}), frozenset(("step_1", "step_2", "step_0")))
    cancelled = Event("step_cancelled", T, "step_0", op=0)
    store = Script((Moved, since), (Inputs, (LATE,)), (Apply, None))
    held = replace(HELD, steps=steps)
    with pytest.raises(EntityConflictError, match="step_0"):  # it is over by now
        store.run(operations.commit(replace(COMMIT, outputs=(cancelled,)), held, T, URL))
    assert store.asked[0] == Moved("wrun_1", 9, ("step_0",))
    store = Script((Apply, StaleError()), (Moved, since), (Inputs, (LATE,)), (Apply, None))
    committed, _ = store.run(operations.commit(COMMIT, held, T, URL))
    assert committed.held is not None
    assert committed.held.steps == {"step_2": again, **{f"step_{n}": steps[f"step_{n}"] for n in range(3, 9)}}


def test_a_log_that_was_shortened_meanwhile_is_read_whole() -> None:
    """Rows have got inputs then, which no event tells."""
    newer = Entities(replace(RUN, head=10, base=4))
    store = Script(
        (Apply, StaleError()), (Moved, Since(newer, frozenset())), (Load, newer), (Inputs, (LATE,)), (Apply, None)
    )
    store.run(operations.commit(replace(COMMIT, park=True), HELD, T, URL))


def test_a_commit_with_inputs_that_was_overtaken_is_not_stored() -> None:
    """The answer says what came first."""
    since = Since(Entities(replace(RUN, head=10)), frozenset())
    store = Script((Apply, StaleError()), (Moved, since), (Inputs, (LATE,)))
    events = (Event("wait_completed", T, "wait_1", op=1),)
    held = replace(HELD, waits={"wait_1": Wait("wait_1", 1, T)})
    committed, notice = store.run(operations.commit(replace(COMMIT, inputs=events), held, T, URL))
    assert (committed.stored, committed.foreign, notice) == (False, (LATE,), None)


def test_nobody_is_refused_for_what_may_not_be_so_any_more() -> None:
    """What the turn knows does not allow the event; what is stored says that the claim is lost."""
    lost = Entities(replace(RUN, epoch=4, worker="wrkr_2"))
    store = Script((Moved, Since(lost, frozenset())), (Load, lost))
    with pytest.raises(LeaseLostError, match="wrkr_2"):
        store.run(operations.commit(replace(COMMIT, outputs=(Event("run_started", T),)), HELD, T, URL))


def test_a_claim_that_was_lost_meanwhile_is_noticed() -> None:
    """After the second look."""
    lost = Entities(replace(RUN, epoch=4, worker="wrkr_2"))
    store = Script((Apply, StaleError()), (Moved, Since(lost, frozenset())), (Load, lost))
    with pytest.raises(LeaseLostError, match="wrkr_2"):
        store.run(operations.commit(COMMIT, HELD, T, URL))


def test_a_token_that_was_taken_meanwhile_is_a_conflict() -> None:
    """The store says whose it is, and the commit is decided again."""
    store = Script((Owner, None), (Reserved, ""), (Apply, TokenTakenError("red", "wrun_2")), (Apply, None))
    events = (Event("hook_created", T, "hook_2", op=2, name="red"),)
    committed, _ = store.run(operations.commit(replace(COMMIT, outputs=events), HELD, T, URL))
    assert [(event.type, event.ref) for event in committed.answers] == [("hook_conflict", "wrun_2")]


@pytest.mark.parametrize("event", [Event("step_failed", T, "step_1"), Event("run_failed", T)])
def test_a_commit_that_touches_tasks_looks_at_them(event: Event) -> None:
    """They may have been claimed since the turn saw them last."""
    task = Step("wrun_1", "step_1", 1, 3, "pay", "pending", T, task=True, ready_at=NOW)
    now = Entities(RUN, {"step_1": replace(task, worker="wrkr_2", epoch=1, status="running", ready_at=None)})
    asked: list[tuple[type[Request], Any]] = [(Moved, Since(now, frozenset(("step_1",)))), (Apply, None)]
    store = Script(*asked, *([(Watchers, ())] if event.type == "run_failed" else []))
    store.run(operations.commit(replace(COMMIT, outputs=(event,)), Entities(RUN, {"step_1": task}), T, URL))
    assert isinstance(store.asked[1], Apply)
    assert [row and row.epoch for row in store.asked[1].changes.steps.values()] in ([None], [2])


def test_of_two_that_create_a_run_the_second_gets_the_firsts() -> None:
    """Without looking first."""
    new = NewRun("wrun_1", "order", "p", "g", "snapshot", b"other", b"in")
    first = Event("run_created", T, seq=1, payload=b"in")
    store = Script((Apply, StaleError()), (Part, HELD), (First, first))
    assert store.run(operations.create(new, T, URL)) == (RUN, None)


def test_a_payload_follows_its_hook_to_what_it_is_now() -> None:
    """The run moved on twice while the payload was on its way: once only its head, once the hook was another run's."""
    mine, theirs = (Hook(run_id, "hook_1", 4, "red", "live", T) for run_id in ("wrun_1", "wrun_2"))
    other = Entities(replace(RUN, id="wrun_2"), hooks={"hook_1": theirs})
    store = Script(
        (Resumed, ""), (Owner, mine), (Part, replace(HELD, hooks={"hook_1": mine})), (Apply, StaleError()),
        (Resumed, ""), (Owner, mine), (Part, HELD),
        (Resumed, ""), (Owner, theirs), (Part, other), (Apply, None),
    )  # fmt: skip
    assert store.run(operations.resume("red", b"in", "r1", T, URL)) == ("wrun_2", Notice("wrun_2", work=True))


def test_who_watches_is_told_although_it_moves() -> None:
    """Each watcher until it has been told, or is gone."""
    watchers = tuple(Hook(f"wrun_{n}", "hook_1", 4, "$end", "live", T, watch="wrun_1") for n in (2, 3, 4))
    two, three, _ = (Entities(replace(RUN, id=row.run_id), hooks={"hook_1": row}) for row in watchers)
    store = Script(
        (Load, HELD), (Apply, StaleError()), (Load, HELD), (Apply, None), (Watchers, watchers),
        (Part, two), (Apply, StaleError()), (Part, two), (Apply, None),
        (Part, replace(three, hooks={})),
        (Part, None),
        (Children, ()),
    )  # fmt: skip
    _, notice = store.run(operations.cancel("wrun_1", "enough", T, URL))
    assert notice == Notice("wrun_1", work=True, ended=True, cancelling=True)


def test_an_outcome_that_was_overtaken_is_stored_behind() -> None:
    """What is due at its time is looked for with it."""
    task = Step("wrun_1", "step_1", 1, 3, "pay", "running", T, attempt=1, task=True, worker="wrkr_2", epoch=5)
    part = Entities(RUN, {"step_1": task})
    store = Script((Part, part), (Apply, StaleError()), (Part, part), (Apply, None))
    store.run(
        operations.finish_step(
            StepOutcome("wrun_1", "step_1", "wrkr_2", 5, Event("step_completed", T, attempt=1)), T, URL
        )
    )
    assert store.asked[2] == Part("wrun_1", due=T, step="step_1")


def test_a_task_that_is_anothers_meanwhile_is_not_snoozed() -> None:
    """The row is compared once more where it is stored."""
    task = Step("wrun_1", "step_1", 1, 3, "pay", "running", T, attempt=1, task=True, worker="wrkr_2", epoch=5)
    store = Script((Part, Entities(RUN, {"step_1": task})), (PutStep, StaleError()))
    with pytest.raises(LeaseLostError, match="step_1"):
        store.run(operations.snooze_step("wrun_1", "step_1", "wrkr_2", 5, T, "ill", None, URL))


def test_what_the_store_fails_with_comes_out() -> None:
    """A conversation answers only for what it can do something about."""
    with pytest.raises(OSError, match="disk"):
        Script((Apply, OSError("disk"))).run(operations.commit(COMMIT, HELD, T, URL))
