"""What a turn knows in one pass over its run, from loading it to parking it, and what it stores next."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.attempts import Attempt, TaskClaim, begun, first_attempt, next_attempt
from torpor.engine.moves import Around, Requests
from torpor.engine.settings import TurnOptions
from torpor.lifecycle import RUN_ENDINGS
from torpor.model import (
    Commit,
    Committed,
    Entities,
    Event,
    Finished,
    LogEntry,
    NewTask,
    RunState,
    Snapshot,
    Step,
    Task,
    Wait,
)
from torpor.model.flow import Place
from torpor.vm.guest import Program


class Claim(msgspec.Struct, frozen=True):
    """
    A run that a worker has claimed, and how that worker turns runs.

    Attributes:
        task: what was claimed.
        worker_id: who has the claim.
        keyring: gives the codec of its payloads.
        options: how turns behave.
        why_not: says why an attempt is for another worker, ``""`` when it may be made here.
        is_once: says of a step whether its attempts must not be made again when nobody knows how they ended.
        place_of: says in which queue of its own an attempt waits, None when it may be made at once.
        is_apart: says of a step whether it is always a task of its own, because its attempts store their outcomes.
        url: address of the HTTP front door, which a run that begins notes.
    """

    task: Task
    worker_id: str
    keyring: Keyring
    options: TurnOptions
    why_not: Callable[[Attempt], str]
    is_once: Callable[[str], bool] = lambda _: False
    place_of: Callable[[Attempt], Place | None] = lambda _: None
    is_apart: Callable[[str], bool] = lambda _: False
    url: str = ""


class Arrivals(msgspec.Struct, frozen=True):
    """
    What came while the turn listened.

    Attributes:
        inputs: for the VM, which consumes them before they are stored.
        retries: attempts that failed and will be made again, and those of which nobody knows how they ended.
        handing_over: nothing came for so long that the turn goes to sleep without its inline steps.
    """

    inputs: tuple[Event, ...] = ()
    retries: tuple[Event, ...] = ()
    handing_over: bool = False


NOTHING: Final = Arrivals()

_NO_INPUTS: Final = frozenset(("step_retrying", "step_blocked"))
"""Outcomes of attempts that the VM does not get."""


class Plan(msgspec.Struct, frozen=True):
    """
    What is to be stored, and what follows.

    Attributes:
        commit: for the world.
        attempts: begin once it is stored.
        left: steps that are for another worker.
        given_up: steps whose attempts end once it is stored.
    """

    commit: Commit
    attempts: tuple[Attempt, ...]
    left: tuple[str, ...]
    given_up: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether there is anything to store."""
        commit = self.commit
        said = commit.inputs or commit.outputs or commit.tasks or commit.log_entries
        return bool(said or commit.snapshot or commit.park)


@dataclass
class Pass:
    """
    One pass over a claimed run; a rewind starts another one.

    Attributes:
        claim: whose it is.
        state: the run as it was loaded.
        run_codec: packs and unpacks its payloads.
        orphans: open steps that nobody carries out: a worker died, or a turn was rewound.
        never_begun: attempts, by step, that this turn has recorded and not begun.
        snapshot_at: when the newest snapshot was taken or loaded, by the steady clock.
        held: what the world has of the run now.
        waits: those that are open, with what the VM has asked for since.
        late_ms: how late the timers are that were heard last.
        started: whether the log will say that the run has begun.
        woken_at: when the VM was woken.
        carried_over: why the run is brought to another guest build, ``""`` when it is not.
        checkpoint: its snapshot of the former build, until there is one of the new build.
        delivered: events that the VM got since the last snapshot.
        program, build: of the VM, once there is one.
        deaf: its build cannot tell workflow code of a cancellation.
        requests: what the VM asked for last.
        arrived: what came before that, not stored yet.
        taken: those outcomes among it that are inline steps'.
        put_off: those outcomes among these that the VM has not got.
        is_behind: the world has more of the run than *held* says.
    """

    claim: Claim
    state: RunState
    run_codec: RunCodec
    orphans: list[Step]
    snapshot_at: int
    never_begun: Mapping[str, int]
    held: Entities = field(init=False)
    waits: dict[str, Wait] = field(init=False)
    late_ms: tuple[int, ...] = field(init=False, default=())
    started: bool = field(init=False)
    woken_at: int = 0
    carried_over: str = ""
    checkpoint: Snapshot | None = None
    delivered: int = 0
    program: Program | None = None
    build: str = ""
    deaf: bool = False
    requests: Requests = field(init=False)
    arrived: Arrivals = NOTHING
    taken: list[Event] = field(default_factory=list)
    put_off: tuple[Event, ...] = ()
    is_behind: bool = False

    def __post_init__(self) -> None:
        self.hold(self.state.held)
        self.started = self.state.run.status != "pending"

    def hold(self, held: Entities) -> None:
        """Take note of what the world has of the run now."""
        self.is_behind = False
        self.held = held
        self.waits = dict(held.waits)

    @property
    def takes_snapshots(self) -> bool:
        """Whether the run sleeps in snapshots, not in its log alone."""
        return self.state.run.runtime == "snapshot"

    def due(self, now: int) -> list[Wait]:
        """Return the timers that are due, in the order in which they end."""
        if not self.waits:
            return []
        return sorted((wait for wait in self.waits.values() if wait.due <= now), key=lambda wait: (wait.due, wait.op))

    def naps(self, around: Around, asked: Sequence[Event] = ()) -> bool:
        """
        Say whether a timer is due, or so soon that the VM stays hot for it.

        Args:
            around: as it is now.
            asked: what the VM asked for last, if that is not noted yet.
        """
        until = around.now + (0 if around.crowded or around.stopping else self.claim.options.nap_ms)
        given_up = {event.id for event in asked if event.type == "wait_disposed"}
        if any(wait.due <= until and wait.id not in given_up for wait in self.waits.values()):
            return True
        return any(event.type == "wait_created" and event.due <= until and event.id not in given_up for event in asked)

    def wants_snapshot(self, requests: Requests, around: Around) -> bool:
        """Say whether to take a snapshot while the VM is at hand: the run will park, or has had none for long."""
        if requests.ended or requests.left or not self.takes_snapshots:
            return False
        options = self.claim.options
        parks = not (around.running or requests.awaits_ack)
        parks = parks and not any(event.type == "step_created" for event in requests.outputs)
        parks = parks and not self.naps(around, requests.outputs)
        overdue = self.delivered and around.steady - self.snapshot_at >= options.snapshot_ms
        return bool(parks or overdue or self.checkpoint is not None or self.delivered >= options.snapshot_events)

    def activated(self, requests: Requests) -> None:
        """
        Take note of what the VM asks for.

        Inputs that it has not got come again when the rest is stored: outcomes are put off until then, timers stay due.
        """
        if requests.left and self.arrived.inputs:
            left = {event.id for event in requests.left}
            self.waits |= {wait_id: wait for wait_id, wait in self.held.waits.items() if wait_id in left}
            self.put_off = tuple(event for event in self.taken if event.id in left)
            inputs = self.arrived.inputs[: -len(requests.left)]
            self.arrived = msgspec.structs.replace(self.arrived, inputs=inputs)
            requests = msgspec.structs.replace(requests, left=())
        self.requests = requests

    def quiet(self) -> None:
        """Take note that the VM asks for nothing new."""
        self.requests = msgspec.structs.replace(
            self.requests, outputs=(), log_entries=(), ended=False, left=(), given_up=()
        )

    def must_end(self, now: int) -> bool:
        """Whether a run that is being cancelled has had its time, or wants more steps than it may have."""
        run = self.held.run
        if not run.cancel_by or self.requests.ended:
            return False
        asked = sum(event.type == "step_created" for event in self.requests.outputs)
        return now >= run.cancel_by or asked > run.cleanup_steps

    def end_cancelled(self, now: int) -> None:
        """Let the run end as cancelled, whatever its VM asks for."""
        ending = (Event("run_cancelled", now),)
        self.requests = msgspec.structs.replace(
            self.requests, outputs=ending, ops=0, ended=True, awaits_ack=False, left=(), given_up=()
        )

    def rests(self) -> None:
        """Take note that no VM is woken, because the run is paused."""
        self.requests = Requests((), self.held.run.ops, self.held.run.logs, (), ended=False, awaits_ack=False)

    def resting(self, around: Around) -> Plan:
        """Return what to store of a paused run: the steps that run here are handed over, and it parks."""
        run, steps = self.held.run, self.held.steps
        mine = [steps[step_id] for step_id in around.running if step_id in steps]
        tasks = [NewTask(step.id, claimed=True) for step in mine if step.status == "running" and not step.task]
        commit = Commit(
            run_id=run.id,
            worker_id=self.claim.worker_id,
            epoch=self.claim.task.epoch,
            expected_head=run.head,
            ops=run.ops,
            logs=run.logs,
            tasks=tuple(tasks),
            park=True,
            received=run.received,
            receiving=run.receiving,
        )
        return Plan(commit, (), ())

    def learn(self, stored: Sequence[Finished]) -> tuple[Event, ...]:
        """
        Take note of what steps have stored themselves, in the order of the log, and return it for the VM.

        What came from elsewhere in between is not known: then nobody knows what the world has (:attr:`is_behind`).
        """
        self.arrived, self.taken = NOTHING, []
        events: list[Event] = []
        for each in stored:
            held = self.held
            if each.run.head <= held.run.head:
                continue  # the world has told of it
            if each.run.head - len(each.events) != held.run.head or each.run.epoch != held.run.epoch:
                self.is_behind = True
                break
            gone = {event.id for event in each.events}
            steps = {step_id: step for step_id, step in held.steps.items() if step_id not in gone}
            waits = {wait_id: wait for wait_id, wait in held.waits.items() if wait_id not in gone}
            self.hold(Entities(each.run, steps, waits, held.hooks))
            events += each.events
        return tuple(events)

    def hear(self, outcomes: Sequence[Event], now: int) -> None:
        """Take outcomes of inline steps, and timers that are due; a timer that was due before a step ended wins."""
        self.taken = list(outcomes)
        retries = tuple(event for event in outcomes if event.type in _NO_INPUTS)
        timed = [(event.at, event) for event in outcomes if event.type not in _NO_INPUTS]
        timers = self.due(now)
        for wait in timers:
            del self.waits[wait.id]
        self.late_ms = tuple(now - wait.due for wait in timers)
        timed += [(wait.due, Event("wait_completed", now, wait.id, op=wait.op)) for wait in timers]
        timed.sort(key=operator.itemgetter(0))
        inputs = self._in_log_order([event for _, event in timed])
        self.arrived = Arrivals(inputs, retries, handing_over=not outcomes and not timed)

    def plan(self, around: Around, epitaph: LogEntry | None, *, leaves: bool) -> Plan:
        """
        Return what to store.

        Args:
            around: as it is now.
            leaves: the run is to park as soon as it can: no step begins inline, and timers that are due wake it again.
            epitaph: a line of the engine's own for the run's log.
        """
        claim, requests, arrived = self.claim, self.requests, self.arrived
        outputs: list[Event] = []
        attempts: list[Attempt] = []
        left: list[str] = []
        tasks = [
            NewTask(event.id, event.due, signature=self._signature(event.name))
            for event in arrived.retries
            if event.type == "step_retrying"
        ]
        if not self.started:
            outputs.append(Event("run_started", self.woken_at, ref=self.claim.url))
            self.started = True
        outputs += arrived.retries
        given_up = self._given_up(requests, around.now) if requests.given_up else []
        if requests.ended:
            outputs += (*requests.outputs[:-1], *given_up, requests.outputs[-1])
        else:
            room = 0 if leaves else around.room
            asked, attempts, leaving, left = self._steps(requests, around.now, room)
            outputs += asked
            outputs += given_up
            tasks += leaving
        self._note_waits(requests.outputs)
        ending = {event.id for event in given_up}
        running = [step_id for step_id in around.running if step_id not in ending] if ending else around.running
        park = not (requests.ended or requests.awaits_ack or requests.left or attempts)
        park = park and (leaves or not (self.due(around.now) if arrived.handing_over else self.naps(around)))
        park = park and (not (running or self.put_off) or arrived.handing_over)
        if park:
            mine = [self.held.steps[step_id] for step_id in running if step_id in self.held.steps]
            tasks += [
                NewTask(step.id, claimed=True, signature=self._signature(step.name)) for step in mine if not step.task
            ]
        commit = Commit(
            run_id=claim.task.run_id,
            worker_id=claim.worker_id,
            epoch=claim.task.epoch,
            expected_head=self.held.run.head,
            inputs=arrived.inputs,
            outputs=tuple(outputs),
            ops=max(requests.ops, self.held.run.ops),
            logs=max(requests.logs, self.held.run.logs),
            received=max(requests.received, self.held.run.received),
            receiving=requests.receiving,
            log_entries=requests.log_entries if epitaph is None else (epitaph, *requests.log_entries),
            tasks=tuple(tasks),
            once=tuple(attempt.step_id for attempt in attempts if claim.is_once(attempt.name)),
            deaf=self.deaf,
            park=park,
        )
        return Plan(commit, tuple(attempts), tuple(left), tuple(ending))

    def with_snapshot(self, plan: Plan, snapshot: Snapshot | None) -> Plan:
        """
        Return a plan with the snapshot that is stored along, and the guest build.

        The build changes together with the snapshot, which is of use in it only.
        """
        outputs = plan.commit.outputs
        had_none = self.state.snapshot is None and self.checkpoint is None
        completed = bool(outputs) and outputs[-1].type == "run_completed"
        build = self.build if snapshot is not None or had_none or completed else ""
        if snapshot is None and build in ("", self.held.run.build):
            return plan
        return msgspec.structs.replace(
            plan, commit=msgspec.structs.replace(plan.commit, snapshot=snapshot, build=build)
        )

    def stored(self, commit: Commit, held: Entities) -> None:
        """Take note that a commit was stored, and of what the world has now."""
        self.taken, self.put_off, self.arrived = [], (), NOTHING
        if commit.snapshot is not None:
            self.checkpoint = None
        self.hold(held)

    def _given_up(self, requests: Requests, now: int) -> list[Event]:
        """Return the events that close the steps which the VM does not wait for any more and which are open."""
        ops = set(requests.given_up)
        open_now = [(step.id, step.op, step.name) for step in self.held.steps.values()]
        open_now += [(event.id, event.op, event.name) for event in requests.outputs if event.type == "step_created"]
        return [Event("step_cancelled", now, about, op=op, name=name) for about, op, name in open_now if op in ops]

    def _steps(
        self, requests: Requests, now: int, room: int
    ) -> tuple[list[Event], list[Attempt], list[NewTask], list[str]]:
        """
        Return the events to store for what the VM asked for, the attempts to begin once they are, the steps that leave
        the turn because there is no room for them or because they are for another worker, and the latter by their ids.

        A first attempt is part of its ``step_created``.
        """
        run = self.held.run
        orphans, self.orphans = self.orphans, []
        events: list[Event] = []
        attempts: list[Attempt] = []
        tasks: list[NewTask] = []
        left: list[str] = []

        def may_begin(attempt: Attempt) -> bool:
            why_not = self.claim.why_not(attempt)
            if why_not:
                left.append(attempt.step_id)
            place = None if why_not else self.claim.place_of(attempt)
            if why_not or place is not None or len(attempts) >= room:
                tasks.append(NewTask(attempt.step_id, signature=attempt.signature, snoozed=why_not, place=place))
                return False
            attempts.append(self._as_claimed(attempt, tasks))
            return True

        for step in orphans:
            if step.op in requests.given_up:
                continue
            if step.once and step.status == "running" and self.never_begun.get(step.id) != step.attempt:
                events.append(_lost(step, now))
                continue
            attempt = next_attempt(self.run_codec, run, step, self._signature(step.name))
            if may_begin(attempt):
                events.append(begun(attempt, now, self.claim.worker_id))
        for event in requests.outputs:
            if event.type == "step_created" and event.op not in requests.given_up:
                attempt = first_attempt(self.run_codec, run, event, self._signature(event.name))
                if may_begin(attempt):
                    event = msgspec.structs.replace(event, attempt=1, ref=self.claim.worker_id)  # noqa: PLW2901
            events.append(event)
        return events, attempts, tasks, left

    def _as_claimed(self, attempt: Attempt, tasks: list[NewTask]) -> Attempt:
        """Return an attempt as it begins: if it stores its own outcome, as a task that this worker has claimed."""
        if not self.claim.is_apart(attempt.name):
            return attempt
        tasks.append(NewTask(attempt.step_id, claimed=True, signature=attempt.signature))
        return msgspec.structs.replace(attempt, claim=TaskClaim(self.claim.worker_id, self.claim.task.epoch, ""))

    def _note_waits(self, asked: Sequence[Event]) -> None:
        for event in asked:
            if event.type == "wait_created":
                self.waits[event.id] = Wait(event.id, event.op, event.due)
            elif event.type == "wait_disposed":
                self.waits.pop(event.id, None)

    def _signature(self, step: str) -> str:
        """Return what the run's program takes a step's signature for."""
        assert self.program is not None, "only what a VM asked for has steps"
        return self.program.signature(step)

    def _in_log_order(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Return what happens next with times that do not go back: an outcome may have had to wait for a rewind."""
        latest = self.held.run.latest_at
        ordered = []
        for event in events:
            latest = max(latest, event.at)
            ordered.append(event if event.at == latest else msgspec.structs.replace(event, at=latest))
        return tuple(ordered)


def _lost(step: Step, now: int) -> Event:
    """Return the event that nobody knows how a step's newest attempt ended."""
    why = f"its worker died in attempt {step.attempt}, and nobody knows how that ended"
    return Event("step_blocked", now, step.id, op=step.op, name=step.name, attempt=step.attempt, ref=why)


def as_stored(commit: Commit, committed: Committed) -> tuple[Event, ...]:
    """
    Return the events of a commit; only its answer tells whether a token was free, and whether a run that ended was
    being cancelled.
    """
    if committed.held is not None and (run := committed.held.run).cancel_by and run.status == "cancelled":
        ended, why = commit.outputs[-1], commit.outputs[-1].ref or run.cancel_reason
        last = msgspec.structs.replace(ended, type="run_cancelled", name="", ref=why, payload=None)
        commit = msgspec.structs.replace(commit, outputs=(*commit.outputs[:-1], last))
    if not committed.answers:  # then no token was asked for
        return commit.inputs + commit.outputs
    outputs = [event for event in commit.outputs if event.type != "hook_created"]
    # An answer is not the last word: an ending, if there is one, is.
    ending = [outputs.pop()] if outputs and outputs[-1].type in RUN_ENDINGS else []
    return (*commit.inputs, *outputs, *committed.answers, *ending)
