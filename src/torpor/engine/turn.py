"""
The turn: what becomes of a claimed run from one happening to the next. Read this file from top to bottom.

::

    claim task(run)                 the worker did it; the claim's epoch fences every commit
    load                            the run, its newest snapshot, the log after the snapshot's cursor
    wake                            restore the snapshot, replay the log after it
    loop
        store                       what the VM consumed and asked for, in one transaction
        park, or deliver what came meanwhile: others' events, results of inline steps, ended waits

A result of an inline step is consumed by the VM *before* it is stored, so that a sequential step costs one commit:
``step_completed(k), step_created(k+1)``, the first attempt included. Should the log have got an input from elsewhere
in the meantime, the commit is refused, because a replay would consume the two in the other order; the turn then
rewinds: it loads the run again and consumes both in the log's order. The same way leads back from every failure of the
world.

A turn decides and does nothing: it knows no VM and no world, and nothing here waits. It asks one question at a time,
and ``TRANSITIONS`` says what follows from which answer. :mod:`torpor.engine.driver` does what it wants.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from torpor.attributes import PARENT, TRACE
from torpor.engine import health_runs
from torpor.engine.failpoints import Failpoint
from torpor.engine.moves import (
    NOTHING_ASKED,
    Around,
    Begin,
    Deliver,
    Delivered,
    Effect,
    End,
    Failed,
    ForgetAllBut,
    GiveUp,
    HandOver,
    Happening,
    Heard,
    LeaveStep,
    Listen,
    Load,
    LogRead,
    Moves,
    Pause,
    Paused,
    PutBack,
    Question,
    ReadLog,
    Release,
    Requests,
    Save,
    Saved,
    Snooze,
    Snoozed,
    Store,
    Tell,
    Wake,
    Woken,
)
from torpor.engine.observer import Stored
from torpor.engine.passes import Claim, Pass, Plan, as_stored
from torpor.engine.recovery import Answer, Recovery, answer_to, failed
from torpor.errors import BuildMissingError, DivergenceError, GuestTrapError, ProgramError, SnapshotError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Committed, LogEntry, RunState, Snapshot


class Turn:
    """
    A claimed run on its way until it parks, ends, or belongs to somebody else.

    Args:
        claim: of the run.
        draw: returns a number in [0, 1), by which pauses are spread.
    """

    def __init__(self, claim: Claim, draw: Callable[[], float] = random.random) -> None:
        self._claim = claim
        self._recovery = Recovery(claim.task, claim.worker_id, draw)
        self._asked: Question
        self._pass: Pass | None = None
        self._plan: Plan
        self._hot_since: int | None = None
        self._events = 0  # that its VMs have got
        self._never_begun: dict[str, int] = {}  # attempts that may have been recorded, by step

    def begin(self) -> Moves:
        """Return what the turn wants first."""
        return self._next(self._loads())

    def on(self, happening: Happening, around: Around) -> Moves:
        """
        Return what the turn wants next.

        Args:
            happening: the answer to its question, or why there is none.
            around: its surroundings as they are now.

        Raises:
            Exception: the run could not even be given back; whoever drives the turn tries that again.
        """
        transition = self.TRANSITIONS.get((type(self._asked), type(happening)), Turn._recovers)
        try:
            return self._next(transition(self, happening, around))
        except Exception as error:
            if isinstance(self._asked, Snooze):
                raise
            return self._next(self._recovers(Failed(error), around))

    def wants_snapshot(self, requests: Requests, around: Around) -> bool:
        """Say whether to take a snapshot with what the VM has just asked for; may be called in the VM's thread."""
        return self._pass is not None and self._pass.wants_snapshot(requests, around)

    def _next(self, moves: Moves) -> Moves:
        self._asked = moves.asked
        return moves

    # Loading and waking

    def _loads(self, *effects: Effect) -> Moves:
        self._pass = None
        return Moves(Load(self._recovery.forget_snapshot), effects)

    def _loaded(self, state: RunState, around: Around) -> Moves:
        self._recovery.forget_snapshot = False
        run = state.run
        if run.status in RUN_TERMINAL:
            return Moves(End("ended"))
        mine = [step for step in state.held.steps.values() if not step.task]
        self._pass = this = Pass(
            self._claim,
            state,
            self._claim.keyring.run(run.id, run.key_id),
            orphans=[step for step in mine if step.id not in around.running and step.status != "blocked"],
            snapshot_at=around.steady,
            never_begun=self._never_begun,
            woken_at=around.now,
        )
        effects = (HandOver(self._handed_over(state)), ForgetAllBut(frozenset(step.id for step in mine)))
        if run.cancel_by and around.now >= run.cancel_by:
            this.activated(NOTHING_ASKED)
            return self._stores(around, None, *effects)
        if run.paused:
            this.rests()
            self._plan = this.resting(around)
            return Moves(Store(self._plan.commit, this.held), effects)
        if (fatal := self._recovery.fatal) is not None:
            self._fails(fatal, around)
            return self._stores(around, None, *effects)
        if run.guest == health_runs.GUEST:
            this.activated(health_runs.answer(self._claim.worker_id, around.now, this.run_codec))
            return self._stores(around, None, *effects)
        return self._wakes(state, *effects)

    def _handed_over(self, state: RunState) -> tuple[str, ...]:
        """Return the steps that this claim has handed over: a commit that seemed to fail may have been stored."""
        claim = (self._claim.worker_id, self._claim.task.epoch)
        return tuple(step.id for step in state.held.steps.values() if step.task and (step.worker, step.epoch) == claim)

    def _wakes(self, state: RunState, *effects: Effect) -> Moves:
        this = self._at_hand
        this.delivered = len(state.events)
        asked = Wake(
            state,
            this.woken_at,
            installed=bool(this.carried_over),
            checkpoint=this.checkpoint,
            events_per_call=self._recovery.events_per_call,
        )
        return Moves(asked, effects)

    def _not_woken(self, answer: Failed, around: Around) -> Moves:
        """Fail the run if the error is its own doing, and nothing else can have done it."""
        this, error = self._at_hand, answer.error
        run = this.state.run
        if isinstance(error, BuildMissingError) and not this.carried_over:
            return self._carries_over(error)
        if this.carried_over and (answer_to(error) is Answer.FAIL or isinstance(error, DivergenceError)):
            if run.status != "pending" or isinstance(error, ProgramError):  # the other build would do better
                told = f"{this.carried_over}; the one installed here does not do: {error}"
                return self._recovers(Failed(BuildMissingError(told)), around)
        elif isinstance(error, (GuestTrapError, DivergenceError)) and this.state.snapshot is not None and not run.base:
            told = f"the VM failed after it was restored: {error}"
            return self._recovers(Failed(SnapshotError(told)), around)
        this.build = answer.build
        return self._fails_of_itself(answer, around)

    def _carries_over(self, missing: BuildMissingError) -> Moves:
        """
        Let the run go on with the guest build that is installed here, from its log.

        What the replay asks for must be what the log says, and at the last snapshot it must stand where the run stood.
        Else the run waits as it is for a worker that has its build.

        Raises:
            BuildMissingError: its log is not whole.
        """
        this = self._at_hand
        if base := this.state.run.base:
            raise BuildMissingError(f"{missing}; its log begins after event {base}, so nothing else will do")
        this.carried_over, this.checkpoint = str(missing), this.state.snapshot
        return Moves(ReadLog())

    def _log_read(self, answer: LogRead, around: Around) -> Moves:
        this = self._at_hand
        events = [event for event in answer.events if event.seq <= this.state.run.head]
        this.state = msgspec.structs.replace(this.state, snapshot=None, events=events)
        return self._wakes(this.state)

    def _woken(self, answer: Woken, around: Around) -> Moves:
        this = self._at_hand
        if self._hot_since is None:
            self._hot_since = around.steady
        this.program, this.build, this.deaf = answer.program, answer.build, answer.deaf
        if this.carried_over and this.state.run.status != "pending":
            told = f"carried over to guest build {answer.build} by a replay that agreed: {this.carried_over}"
            self._recovery.note, self._recovery.note_level = told, "info"
        return self._activated(answer, around)

    # Storing

    def _activated(self, answer: Woken | Delivered, around: Around) -> Moves:
        """Store what the VM consumed and asked for."""
        this = self._at_hand
        if answer.snapshot is not None:
            this.delivered, this.snapshot_at = 0, around.steady
        this.activated(answer.requests)
        return self._stores(around, answer.snapshot)

    def _stores(self, around: Around, snapshot: Snapshot | None, *effects: Effect) -> Moves:
        this = self._at_hand
        if this.must_end(around.now):
            self._ends_cancelled(around)
            snapshot = None
        plan = this.plan(around, self._note(around.now), leaves=self._leaves(around))
        effects += tuple(LeaveStep(step_id) for step_id in plan.left)
        self._plan = this.with_snapshot(plan, snapshot)
        if plan.commit.park and snapshot is None and this.takes_snapshots:
            return Moves(Save(), effects)
        if self._plan.says_something or this.is_behind:
            return Moves(Store(self._plan.commit, this.held), effects)
        return self._goes_on(around, this.requests.left, *effects)

    def _note(self, now: int) -> LogEntry | None:
        """Return what the engine has to say in the run's own log."""
        recovery = self._recovery
        if not recovery.note:
            return None
        text = self._at_hand.run_codec.pack_text(recovery.note)
        return LogEntry(-self._claim.task.epoch, now, recovery.note_level, text)

    def _saved(self, answer: Saved, around: Around) -> Moves:
        self._plan = self._at_hand.with_snapshot(self._plan, answer.snapshot)
        return Moves(Store(self._plan.commit, self._at_hand.held))

    def _stored(self, answer: Committed, around: Around) -> Moves:
        this, plan = self._at_hand, self._plan
        if answer.held is None:
            self._recovery.went_well()
            return self._loads(*self._leaving())
        run = this.state.run
        snapshot = plan.commit.snapshot
        told = Stored(
            run.id,
            run.key_id,
            run.workflow,
            as_stored(plan.commit, answer),
            plan.commit.log_entries,
            created_at=run.created_at,
            parent=run.attributes.get(PARENT, ""),
            trace=run.attributes.get(TRACE, ""),
            snapshot_bytes=0 if snapshot is None else len(snapshot.data),
            late_ms=this.late_ms,
        )
        this.late_ms = ()
        effects: list[Effect] = [Tell(told)]
        if this.put_off:
            effects.append(PutBack(this.put_off))
        if plan.given_up:
            effects.append(GiveUp(plan.given_up))
        this.stored(plan.commit, answer.held)
        self._recovery.note = ""
        if plan.commit.park:
            effects.append(HandOver(around.running))
        if this.requests.ended:
            return Moves(End("ended"), (*effects, Tell(Failpoint.AFTER_ENDING)))
        if answer.parked:
            return Moves(End("parked"), tuple(effects))
        effects += [Begin(attempt) for attempt in plan.attempts]
        return self._goes_on(around, (*this.requests.left, *answer.foreign, *answer.answers), *effects)

    # Going on

    def _goes_on(self, around: Around, events: tuple[Any, ...], *effects: Effect) -> Moves:
        """Deliver what came, or listen for what a hot run waits for: its inline steps, and its next timer."""
        if events:
            return self._delivers(events, *effects)
        options = self._claim.options
        waits_for_steps = bool(around.running or self._plan.attempts)
        patience = options.inline_ms if waits_for_steps and not around.crowded else options.hurried_ms
        patience = 0 if self._leaves(around) else patience
        nearest = min((wait.due for wait in self._at_hand.waits.values()), default=around.now + patience)
        if cancel_by := self._at_hand.held.run.cancel_by:
            nearest = min(nearest, cancel_by)
        patience = max(0, min(patience, nearest - around.now))
        return Moves(Listen(patience, min(patience, options.hurried_ms)), effects)

    def _delivers(self, events: tuple[Any, ...], *effects: Effect) -> Moves:
        self._at_hand.delivered += len(events)
        self._events += len(events)
        return Moves(Deliver(events), effects)

    def _leaves(self, around: Around) -> bool:
        """Say whether the run is to go to sleep as soon as it can: the worker stops, or it is the turn of others."""
        options = self._claim.options
        hot = self._hot_since is not None and around.steady - self._hot_since >= options.hot_ms
        hot = hot and self._events >= options.share_events
        return around.stopping or (around.crowded and (hot or self._events >= options.hot_events))

    def _heard(self, answer: Heard, around: Around) -> Moves:
        this = self._at_hand
        if answer.stored:
            return self._learns(answer, around)
        this.hear(answer.outcomes, around.now)
        if this.arrived.inputs:
            return self._delivers(this.arrived.inputs)
        this.quiet()
        return self._stores(around, None)

    def _learns(self, answer: Heard, around: Around) -> Moves:
        """
        Deliver what steps have stored themselves, and the outcomes of others behind that.

        If something else was stored meanwhile, nothing is to be stored but the question for it.
        """
        this = self._at_hand
        effects = (PutBack(tuple(answer.outcomes)),) if answer.outcomes else ()
        events = this.learn(answer.stored)
        if events or not this.is_behind:
            return self._goes_on(around, events, *effects)
        this.quiet()
        return self._stores(around, None, *effects)

    # Failing and ending

    def _fails_of_itself(self, answer: Failed, around: Around) -> Moves:
        """Fail the run if the error is its own doing."""
        if answer_to(answer.error) is not Answer.FAIL:
            return self._recovers(answer, around)
        self._fails(answer.error, around)
        return self._stores(around, None)

    def _fails(self, error: Exception, around: Around) -> None:
        """Fail the run; one that is being cancelled ends so, and its log says what happened."""
        this = self._at_hand
        if this.held.run.cancel_by:
            self._recovery.note = f"the run failed while it cleaned up: {error}"
            self._recovery.note_level = "error"
        this.activated(failed(error, around.now, this.run_codec))

    def _ends_cancelled(self, around: Around) -> None:
        """End a run as cancelled whose cleanup has taken what it may take."""
        this = self._at_hand
        run = this.held.run
        what = "its time was over" if around.now >= run.cancel_by else "it asked for more steps than it may have"
        self._recovery.note = f"the run was ended while it cleaned up: {what}; see cleanup= of the application or run"
        self._recovery.note_level = "warn"
        this.end_cancelled(around.now)

    def _recovers(self, answer: Any, around: Around) -> Moves:
        """Do what follows from an error that is not the run's own doing."""
        if not isinstance(answer, Failed):
            raise TypeError(f"{type(answer).__name__} is no answer to {type(self._asked).__name__}")
        if isinstance(self._asked, Store):  # it may have been stored all the same
            self._never_begun |= {attempt.step_id: attempt.attempt for attempt in self._plan.attempts}
        leaving, run = self._leaving(), self._pass.state.run if self._pass else None
        self._pass = None
        moves = self._recovery.after(answer.error, run)
        return Moves(moves.asked, (*leaving, *moves.effects))

    def _paused(self, answer: Paused, around: Around) -> Moves:
        assert isinstance(self._asked, Pause)
        return Moves(self._asked.then)

    def _snoozed(self, answer: Snoozed, around: Around) -> Moves:
        return Moves(End("snoozed"))

    def _not_snoozed(self, answer: Failed, around: Around) -> Moves:
        assert isinstance(self._asked, Snooze)
        return self._recovery.not_snoozed(answer.error, self._asked)

    def _leaving(self) -> tuple[Effect, ...]:
        """Return what happens whenever a pass is given up."""
        return (PutBack(tuple(self._pass.taken) if self._pass else ()), Release())

    @property
    def _at_hand(self) -> Pass:
        assert self._pass is not None, "the run is loaded"
        return self._pass

    TRANSITIONS: ClassVar[Mapping[tuple[type[Any], type[Any]], Callable[[Turn, Any, Around], Moves]]] = {
        (Load, RunState): _loaded,
        (Wake, Woken): _woken,
        (Wake, Failed): _not_woken,
        (ReadLog, LogRead): _log_read,
        (Deliver, Delivered): _activated,
        (Deliver, Failed): _fails_of_itself,
        (Save, Saved): _saved,
        (Store, Committed): _stored,
        (Listen, Heard): _heard,
        (Snooze, Snoozed): _snoozed,
        (Snooze, Failed): _not_snoozed,
        (Pause, Paused): _paused,
    }
    """Question and answer → what follows. What follows from every other failure is :mod:`recovery`'s to say."""
