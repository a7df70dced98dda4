"""
What holds of a run, whatever happens to it in whatever order.

One run lives in :class:`Life`: its turn commits, steps end, payloads come, workers die, clocks jump. Each change that a
rule returns is checked by itself, and the run after it against a fold of its log that knows nothing of the rules.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError, RunEndedError
from torpor.lifecycle import INPUTS, RUN_ENDINGS, RUN_TERMINAL, EventType
from torpor.model import (
    NOW,
    ClaimRequest,
    Commit,
    Entities,
    Event,
    Hook,
    NewRun,
    NewTask,
    Run,
    Runtime,
    Snapshot,
    Step,
    StepOutcome,
)
from torpor.worlds import cancelling, claims, mailbox, rules
from torpor.worlds.draft import Changes, after, fence

T: Final = 1_000_000
WORKERS: Final = ("wrkr_1", "wrkr_2")
TOKENS: Final = ("red", "green", "blue")
THEIRS: Final = {"red": "wrun_other"}
"""Tokens that another run has."""

OVER: Final = frozenset(("wrun_over",))


ASKED: Final = ("step", "step", "wait", "hook", "watch", "go", "dispose", "leave", "give_up")
"""What a turn may ask for."""


class Life(RuleBasedStateMachine):
    """A run, and what is checked of it after every change."""

    @initialize(runtime=st.sampled_from(("snapshot", "replay")))
    def begin(self, runtime: Runtime) -> None:
        """Store a new run."""
        self.now = T
        self.made = 0  # entities, so that each has a number of its own
        self.known = 0  # head that the claimed turn knows of
        self.log: list[Event] = []
        self.snapshot: Snapshot | None = None
        self.consumed = 0  # seq of the last input that the VM behind the snapshot has seen
        new = NewRun("wrun_1", "order", "p", "g", runtime, b"seed", b"in", build="b1", cleanup_ms=200, cleanup_steps=2)
        changes = rules.begin(new, self.now)
        assert changes.before is None
        self.entities = Entities(replace(changes.run, head=0, latest_at=0))
        self._store(replace(changes, before=self.entities.run))
        self.claim(WORKERS[0])
        hooks = [Event("hook_created", T, f"hook_{n}", op=n, name=token) for n, token in enumerate(TOKENS) if n]
        waits = [Event("wait_created", T, f"wait_{n}", op=n, due=T + due) for n, due in ((3, 90), (4, 60), (5, 60))]
        steps = [Event("step_created", T, f"step_{n}", op=n, name="pay", payload=b"%d" % n) for n in (6, 7)]
        outputs = (Event("run_started", T), *hooks, *waits, *steps)
        tasks = (NewTask("step_6"), NewTask("step_7"))
        commit = Commit("wrun_1", self.run.worker, self.run.epoch, 1, outputs=outputs, tasks=tasks)
        self._store(rules.turn(self.entities, commit)[0])
        self.known, self.made = self.run.head, len(outputs)

    # What happens

    @rule(ms=st.integers(-5, 20))
    def pass_time(self, ms: int) -> None:
        """Let time pass, or somebody put the clock back; coarsely, so that much happens at one moment."""
        self.now += ms * 10

    @precondition(lambda self: self._free())
    @rule(worker=st.sampled_from(WORKERS))
    def claim(self, worker: str) -> None:
        """Claim the turn."""
        before = self.run
        self._put_run(claims.claim(before, worker))
        assert self.run.epoch > before.epoch
        self.known = self.run.head

    @precondition(lambda self: self._claimed())
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """Let the turn commit what the lifecycle allows."""
        foreign = [event for event in self.log[self.known :] if event.type in INPUTS]
        inputs = [] if foreign else self._consume(data.draw(st.lists(st.integers(0, 99), max_size=2)))
        outputs = self._outputs(data, [event.id for event in inputs])
        mine = [step for step in self.entities.steps.values() if not step.task]
        named = {event.id for event in (*inputs, *outputs)}
        tasks = [
            NewTask(
                step.id,
                data.draw(st.sampled_from((NOW, self.now + 9))),
                claimed=step.status == "running" and data.draw(st.booleans()),
            )
            for step in mine
            if step.id not in named and data.draw(st.booleans())
        ]
        commit = Commit(
            "wrun_1", self.run.worker, self.run.epoch, self.known, tuple(inputs), tuple(outputs), tasks=tuple(tasks),
            snapshot=Snapshot(0, 0, 0, "i", self.now, b"") if data.draw(st.booleans()) else None,
            park=data.draw(st.booleans()),
        )  # fmt: skip
        tokens = {hook.token: "wrun_1" for hook in self.entities.hooks.values() if hook.status == "live"}
        taken = THEIRS | tokens
        changes, committed = rules.turn(self.entities, commit, foreign=foreign, taken=taken, over=OVER)
        self._check_turn(commit, changes, committed.answers, foreign, taken)
        assert committed.parked == (changes.run.worker == "")
        self._store(changes)
        assert committed.held == self.entities
        self.known = self.run.head

    @precondition(lambda self: self._any_hook())
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        """Let something come for a live hook: a payload, or the end of the run that it watches."""
        live = [hook for hook in self.entities.hooks.values() if hook.status == "live"]
        hook = data.draw(st.sampled_from(live))
        if hook.watch:
            self._from_outside(rules.watched(self.entities, hook.id, hook.watch, self.now), hook.id, wakes=True)
        else:
            self._from_outside(rules.receive(self.entities, hook.id, b"payload", "r1", self.now), hook.id, wakes=True)

    @precondition(lambda self: not self._ended())
    @rule()
    def send(self) -> None:
        """Let a message come."""
        sent = self.run.sent
        changes = mailbox.send(self.entities, "work", b"payload", f"m{sent}", self.now)
        assert changes.resumed == ("", f"m{sent}")
        self._from_outside(changes, "", wakes=True)

    @precondition(lambda self: self._tasks(free=True))
    @rule(data=st.data(), worker=st.sampled_from(WORKERS))
    def claim_step(self, data: st.DataObject, worker: str) -> None:
        """Claim a task."""
        step = data.draw(st.sampled_from(self._tasks(free=True)))
        claimed = claims.claim_step(step, ClaimRequest(worker), self.now)
        assert (claimed.epoch, claimed.attempt) == (step.epoch + 1, step.attempt + 1)
        self._put_step(claimed)

    @precondition(lambda self: self._tasks(free=False))
    @rule(data=st.data(), kind=st.sampled_from(("step_completed", "step_failed", "step_retrying")))
    def finish(self, data: st.DataObject, kind: EventType) -> None:
        """End an attempt of a task."""
        step = data.draw(st.sampled_from(self._tasks(free=False)))
        event = Event(kind, self.now, attempt=step.attempt, due=self.now + 7)
        outcome = StepOutcome("wrun_1", step.id, step.worker, step.epoch, event)
        changes = rules.finish(self.entities, outcome, self.now)
        self._from_outside(changes, step.id, wakes=kind != "step_retrying")
        if kind == "step_retrying":
            again = self.entities.steps[step.id]
            assert (again.worker, again.ready_at, again.failures) == ("", self.now + 7, step.failures + 1)

    @precondition(lambda self: self._tasks(free=False))
    @rule(data=st.data(), snoozed=st.booleans())
    def give_step_back(self, data: st.DataObject, snoozed: bool) -> None:
        """Take a task from its worker, which died, or which cannot carry it out."""
        step = data.draw(st.sampled_from(self._tasks(free=False)))
        given = (
            claims.snooze_step(self.entities.run, step, self.now, "ill")
            if snoozed
            else claims.release_step(self.entities.run, step, self.now)
        )
        assert (given.worker, given.attempt) == ("", step.attempt - snoozed)
        self._put_step(given)

    @precondition(lambda self: self._claimed())
    @rule(snoozed=st.booleans())
    def give_turn_back(self, snoozed: bool) -> None:
        """Take the turn from its worker, which died, or which cannot go on."""
        worker, epoch = self.run.worker, self.run.epoch
        self._put_run(claims.snooze(self.run, self.now, "ill") if snoozed else claims.release(self.run, self.now))
        assert self.run.ready_at is not None
        with pytest.raises(LeaseLostError):
            rules.check_claim(self.run, worker, epoch)

    @precondition(lambda self: not self._ended() and self.made > 9)
    @rule()
    def ask_to_end(self) -> None:
        """Let the run clean up and end; asking again changes nothing."""
        before = self.run
        changes = cancelling.cancel(self.entities, "enough", self.now)
        assert (changes is None) == bool(before.cancel_by)
        if changes is not None:
            self._from_outside(changes, "", wakes=True)
            assert (self.run.cancel_by, self.run.cancel_reason) == (self.now + 200, "enough")

    @precondition(lambda self: not self._ended() and self.made > 12)
    @rule()
    def cancel(self) -> None:
        """End the run from outside."""
        worker, epoch = self.run.worker, self.run.epoch
        changes = cancelling.cancel(self.entities, "enough", self.now, force=True)
        assert changes is not None
        self._store(changes)
        with pytest.raises(LeaseLostError):
            rules.check_claim(self.run, worker, epoch)

    @precondition(lambda self: self.snapshot)
    @rule(data=st.data())
    def archive(self, data: st.DataObject) -> None:
        """Drop the beginning of the log."""
        assert self.snapshot is not None
        through = data.draw(st.integers(0, self.snapshot.cursor))
        inputs = {event.seq: event.payload or b"" for event in self.log}
        before = self.entities
        if self.run.runtime == "replay" and not self._ended():
            with pytest.raises(EntityConflictError, match="replay"):
                rules.archive(self.entities, self.snapshot, through, inputs)
            return
        changes = rules.archive(self.entities, self.snapshot, through, inputs)
        self._store(changes)
        assert (self.entities.waits, self.entities.hooks) == (before.waits, before.hooks)
        for step in self.entities.steps.values():
            assert replace(step, input=None) == replace(before.steps[step.id], input=None)
            assert step.input == (inputs[step.seq] if step.seq <= self.run.base else None)

    @precondition(lambda self: self._ended())
    @rule()
    def disturb_the_dead(self) -> None:
        """Nothing follows an end."""
        for hook in self.entities.hooks.values():
            with pytest.raises(EntityConflictError, match="final"):
                rules.receive(self.entities, hook.id, b"", "", self.now)
        for step in self.entities.steps.values():
            outcome = StepOutcome("wrun_1", step.id, step.worker, step.epoch, Event("step_completed", self.now))
            with pytest.raises((EntityConflictError, LeaseLostError)):
                rules.finish(self.entities, outcome, self.now)
        with pytest.raises(EntityConflictError):
            cancelling.cancel(self.entities, "again", self.now)
        with pytest.raises(RunEndedError):
            mailbox.send(self.entities, "work", b"", "m", self.now)
        commit = Commit("wrun_1", self.run.worker, self.run.epoch, self.run.head)
        with pytest.raises(EntityConflictError, match="final"):
            rules.turn(self.entities, commit)

    # What holds at all times

    @invariant()
    def rows_are_what_the_log_made_of_them(self) -> None:
        """Every row tells what a fold of the whole log tells, but for attempts that have no outcome yet."""
        steps = _steps_of(self.log)
        assert self.entities.waits.keys() == _waits_of(self.log)
        assert {hook.id: hook.status for hook in self.entities.hooks.values()} == _hooks_of(self.log)
        assert self.entities.steps.keys() == steps.keys()
        for step in self.entities.steps.values():
            status, attempt, failures = steps[step.id]
            assert step.failures == failures
            if not step.task:
                assert (step.status, step.attempt) == (status, attempt)

    @invariant()
    def every_message_is_counted(self) -> None:
        """The run knows how many its log tells of."""
        assert self.run.sent == sum(event.type == "message_sent" for event in self.log)

    @invariant()
    def what_an_ended_run_leaves_is_nobodys(self) -> None:
        """Nothing of it is ready, claimed or live."""
        if not self._ended():
            return
        assert (self.run.worker, self.run.ready_at) == ("", None)
        assert not [step for step in self.entities.steps.values() if step.worker or step.ready_at is not None]
        assert not [hook for hook in self.entities.hooks.values() if hook.status == "live"]
        if self.run.status == "completed":
            assert self.entities == Entities(self.run)

    @invariant()
    def a_snapshot_has_every_input_behind_it(self) -> None:
        """What its VM had not seen stands after its cursor, and what it had seen before."""
        if self.snapshot is not None:
            unseen = [event.seq for event in self.log[self.consumed :] if event.type in INPUTS]
            assert self.consumed <= self.snapshot.cursor < min(unseen, default=self.run.head + 1)
            assert self.run.base <= self.snapshot.cursor or self._ended()

    # Within

    @property
    def run(self) -> Run:
        return self.entities.run

    def _ended(self) -> bool:
        return self.run.status in RUN_TERMINAL

    def _claimed(self) -> bool:
        return self.run.worker != ""

    def _free(self) -> bool:
        return not self._claimed() and self.run.ready_at is not None and self.run.ready_at <= self.now

    def _any_hook(self) -> bool:
        return any(hook.status == "live" for hook in self.entities.hooks.values())

    def _tasks(self, *, free: bool) -> list[Step]:
        if self._ended():
            return []
        tasks = [step for step in self.entities.steps.values() if step.task]
        if free:
            return [
                step for step in tasks if not step.worker and step.ready_at is not None and step.ready_at <= self.now
            ]
        return [step for step in tasks if step.worker]

    def _consume(self, choices: list[int]) -> list[Event]:
        """Return results that the VM has seen: of steps that run in the turn, and of its waits."""
        running = [step for step in self.entities.steps.values() if step.status == "running" and not step.task]
        seen = [Event("step_completed", self.now - 1, step.id, op=step.op, attempt=step.attempt) for step in running]
        seen += [Event("wait_completed", wait.due, wait.id, op=wait.op) for wait in self.entities.waits.values()]
        return [seen[n] for n in dict.fromkeys(choice % len(seen) for choice in choices)] if seen else []

    def _outputs(self, data: st.DataObject, over: list[str]) -> list[Event]:
        outputs = [Event("run_started", self.now)] if self.run.status == "pending" else []
        for kind in data.draw(st.lists(st.sampled_from(ASKED))):
            outputs += self._output(data, kind, [*over, *(event.id for event in outputs)])
        if data.draw(st.integers(0, 19)) == 0:
            outputs.append(Event(data.draw(st.sampled_from(("run_completed", "run_failed"))), self.now, name="CODE"))
        return outputs

    def _output(self, data: st.DataObject, kind: str, named: list[str]) -> list[Event]:
        if kind == "go":
            mine = [step for step in self.entities.steps.values() if step.id not in named and not step.task]
            return [Event("step_started", self.now, step.id, op=step.op, attempt=step.attempt + 1) for step in mine[:1]]
        if kind == "leave":
            waits = [wait for wait in self.entities.waits.values() if wait.id not in named]
            return [Event("wait_disposed", self.now, wait.id, op=wait.op) for wait in waits[:1]]
        if kind == "give_up":
            steps = [step for step in self.entities.steps.values() if step.id not in named]
            return [Event("step_cancelled", self.now, step.id, op=step.op) for step in steps[:1]]
        if kind == "dispose":
            hooks = [hook for hook in self.entities.hooks.values() if hook.id not in named]
            return [Event("hook_disposed", self.now, hook.id, op=hook.op) for hook in hooks[:1]]
        self.made += 1
        about: dict[str, Any] = {
            "at": self.now,
            "id": f"{kind}_{self.made}",
            "op": self.made,
            "payload": b"%d" % self.made,
        }
        match kind:
            case "step":
                return [Event("step_created", name="pay", attempt=data.draw(st.integers(0, 1)), **about)]
            case "wait":
                return [Event("wait_created", due=self.now + data.draw(st.integers(-1, 30)) * 10, **about)]
            case "hook":
                retention_ms = data.draw(st.sampled_from((0, 70)))
                return [Event("hook_created", name=data.draw(st.sampled_from(TOKENS)), due=retention_ms, **about)]
            case _:
                return [Event("hook_created", name="red", ref=data.draw(st.sampled_from(("wrun_over", "w"))), **about)]

    def _check_turn(
        self, commit: Commit, changes: Changes, answers: tuple[Event, ...], foreign: list[Event], taken: dict[str, str]
    ) -> None:
        stored = changes.events
        assert [event.at for event in stored[: len(commit.inputs)]] == [event.at for event in commit.inputs]
        owners = dict(taken)
        for event in stored:
            if event.type == "hook_disposed":
                hook = self.entities.hooks[event.id]
                if hook.status == "live" and not hook.watch:
                    del owners[hook.token]
            elif event.type == "hook_conflict":
                assert event.ref == owners[event.name]
            elif event.type == "hook_created" and not event.ref:
                assert event.name not in owners
                owners[event.name] = "wrun_1"
        if changes.run.worker == "" and changes.run.status not in RUN_TERMINAL:
            assert commit.park
            assert not foreign
            assert {event.type for event in answers} <= {"hook_created"}
            dues = [wait.due for wait in after(self.entities, changes).waits.values()]
            dues += [self.run.cancel_by] if self.run.cancel_by else []
            assert changes.run.ready_at == min(dues, default=None)
        if changes.run.status in RUN_TERMINAL and self.run.cancel_by:
            assert (changes.run.status, stored[-1].ref) == ("cancelled", "enough")
        if changes.snapshot is not None:
            self.consumed = commit.expected_head if foreign else self.run.head + len(commit.inputs)

    def _from_outside(self, changes: Changes, about: str, *, wakes: bool) -> None:
        """Check and store what came from outside: what was due stands before it, and nothing due is left."""
        *before, last = changes.events
        assert last.id == about
        assert {event.type for event in before} <= {"wait_completed"}
        places = [(self.entities.waits[event.id].due, event.op) for event in before]
        assert places == sorted(places)
        new = changes.run
        asked = {"cancel_by": new.cancel_by, "cancel_reason": new.cancel_reason} if not about else {}
        woken = replace(self.run, ready_at=new.ready_at, queued_at=new.queued_at, **asked)
        self._store(changes)
        assert all(wait.due > self.now for wait in self.entities.waits.values())
        if wakes:
            assert self.run.ready_at == NOW
        assert replace(self.run, head=woken.head, latest_at=woken.latest_at, sent=woken.sent) == woken

    def _check_reserved(self, changes: Changes) -> None:
        """Every live hook that goes leaves its token reserved, as long as it wants, and no other does."""
        reserved = {}
        live = {hook.id: hook for hook in self.entities.hooks.values()}
        for event in changes.events:
            if event.type == "hook_created" and not event.ref:
                live[event.id] = Hook("wrun_1", event.id, event.op, event.name, "live", 0, retention_ms=event.due)
            gone = [event.id] if event.type == "hook_disposed" else list(live) if event.type in RUN_ENDINGS else []
            for hook in [live.pop(about) for about in gone if about in live]:
                if hook.status == "live" and not hook.watch and hook.retention_ms:
                    reserved[hook.token] = event.at + hook.retention_ms
        assert changes.reserved == reserved

    def _put_run(self, run: Run) -> None:
        self.entities = replace(self.entities, run=run)

    def _put_step(self, step: Step) -> None:
        self.entities = replace(self.entities, steps={**self.entities.steps, step.id: step})

    def _store(self, changes: Changes) -> None:
        """Store changes, as any world would, once what holds of all of them is checked."""
        before = self.entities.run
        self._check_reserved(changes)
        assert changes.before is not None
        assert fence(changes.before) == fence(before)
        assert [event.seq for event in changes.events] == list(range(before.head + 1, changes.run.head + 1))
        latest = before.latest_at
        for event in changes.events:
            assert event.at >= latest or event.type in {"step_completed", "wait_completed"}
            latest = max(latest, event.at)
        assert changes.run.latest_at == latest
        assert changes.run.epoch >= before.epoch
        self.log += changes.events
        self.entities = after(self.entities, changes)
        if changes.snapshot is not None or changes.drop_snapshot:
            self.snapshot = changes.snapshot


def _steps_of(log: list[Event]) -> dict[str, tuple[str, int, int]]:
    """Return what a log leaves of steps: status, attempt and failures."""
    steps: dict[str, tuple[str, int, int]] = {}
    for event in log:
        match event.type:
            case "step_created":
                steps[event.id] = ("running" if event.attempt else "pending", event.attempt, 0)
            case "step_started":
                steps[event.id] = ("running", event.attempt, steps[event.id][2])
            case "step_retrying":
                steps[event.id] = ("retrying", event.attempt, steps[event.id][2] + 1)
            case "step_completed" | "step_failed" | "step_cancelled":
                del steps[event.id]
            case "run_completed":
                steps = {}
    return steps


def _waits_of(log: list[Event]) -> set[str]:
    """Return what a log leaves of waits."""
    waits: set[str] = set()
    for event in log:
        match event.type:
            case "wait_created":
                waits.add(event.id)
            case "wait_completed" | "wait_disposed":
                waits.remove(event.id)
            case "run_completed":
                waits = set()
    return waits


def _hooks_of(log: list[Event]) -> dict[str, str]:
    """Return what a log leaves of hooks: their status."""
    hooks: dict[str, str] = {}
    watching = {event.id for event in log if event.type == "hook_created" and event.ref}
    for event in log:
        match event.type:
            case "hook_created":
                hooks[event.id] = "live"
            case "hook_conflict":
                hooks[event.id] = "conflict"
            case "hook_received" if event.id in watching:
                hooks[event.id] = "told"
            case "hook_disposed":
                del hooks[event.id]
            case "run_completed":
                hooks = {}
            case "run_failed" | "run_cancelled":
                hooks = dict.fromkeys(hooks, "ended")
    return hooks


Life.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
