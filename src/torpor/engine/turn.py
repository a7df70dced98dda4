"""
The turn: the only place where a world, a VM and the codec meet. Read it from top to bottom.

::

    claim task(run)                 the worker did it; the claim's epoch fences every commit
    load                            the run, its newest snapshot, the log after the snapshot's cursor
    wake                            restore the snapshot, replay the log after it
    loop
        commit                      what the VM consumed and asked for, in one transaction
        park, or go on with what came meanwhile: others' events, results of inline steps, ended waits

A result of an inline step is consumed by the VM *before* it is stored, so that a sequential step costs one commit:
``step_completed(k), step_created(k+1)``, the first attempt included. Should the log have got an input from elsewhere
in the meantime, the commit is refused, because a replay would consume the two in the other order; the turn then
rewinds: it loads the run again and consumes both in the log's order. The same way leads back from every failure of the
world.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import msgspec

from torpor.engine.attempts import Attempt, begun, first_attempt, next_attempt
from torpor.engine.environment import Environment
from torpor.engine.failpoints import Failpoint
from torpor.engine.inline import InlineSteps
from torpor.engine.observer import Stored, TurnBegan, TurnEnd, TurnEnded
from torpor.engine.recovery import Answer, Recovery, answer_to
from torpor.engine.session import Requests, Session, failed
from torpor.errors import BuildMissingError, DivergenceError, GuestTrapError, ProgramError, SnapshotError
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL
from torpor.model import (
    Commit,
    Committed,
    Entities,
    Event,
    LogEntry,
    NewTask,
    Run,
    RunState,
    Snapshot,
    Task,
    Wait,
)
from torpor.vm.guest import Guest, Image


async def run_turn(env: Environment, task: Task) -> None:
    """
    Carry a claimed run forward until it parks, ends, or belongs to somebody else.

    Never raises for what a run, its VM or the world does; a lost claim is dropped silently, because its new owner
    goes on from the same log.
    """

    env.observe(TurnBegan(env.worker_id, task.run_id, task.workflow, task.epoch, task.redeliveries))
    how: TurnEnd = "left"
    try:
        how = await _carried_forward(env, task)
    finally:
        env.observe(TurnEnded(env.worker_id, task.run_id, task.epoch, how))


async def _carried_forward(env: Environment, task: Task) -> TurnEnd:
    inline = InlineSteps(env.runner, lambda event: env.report(env.worker_id, task, event), env.options.inline_steps)
    recovery = Recovery(env, task, inline)
    try:
        while True:
            this = _Pass(env, task, inline, recovery)
            try:
                end = await this.run()
                recovery.went_well()
            except Exception as error:  # noqa: BLE001  # whose doing it is, is decided in one place
                end = await recovery.end_of(error, this.found)
            if end is not None:
                return end
    finally:
        inline.close()


class _Pass:
    """
    One pass over a claimed run, from loading it to parking it; a rewind starts another one.

    Attributes:
        found: the run as it was loaded, None before.
    """

    def __init__(self, env: Environment, task: Task, inline: InlineSteps, recovery: Recovery) -> None:
        self._env = env
        self._task = task
        self._inline = inline
        self._recovery = recovery
        self._taken: list[Event] = []  # outcomes of inline steps that are not stored yet
        self._session: Session | None = None
        self.found: Run | None = None
        self._carried_over = ""  # from another guest build, and why
        self._checkpoint: Snapshot | None = None  # of that build, until there is one of this
        self._delivered = 0  # since the last snapshot
        self._snapshot_at = env.clock.steady()

    async def run(self) -> TurnEnd | None:
        """Return how the claim was given up, None when the run must be loaded again."""
        env = self._env
        if self._recovery.forget_snapshot:
            await env.world.delete_snapshot(self._task.run_id)
            self._recovery.forget_snapshot = False
        self._state = state = await env.world.load(self._task.run_id)
        self.found = state.run
        if state.run.status in RUN_TERMINAL:
            return "ended"
        self._run_codec = env.keyring.run(state.run.id, state.run.key_id)
        self._hold(state.held)
        mine = [step for step in state.held.steps.values() if not step.task]
        self._inline.hand_over(self._handed_over(state))
        self._inline.forget_all_but({step.id for step in mine})
        running = set(self._inline.running)
        self._orphans = [step for step in mine if step.id not in running]
        self._started = state.run.status != "pending"
        try:
            requests, snapshot = await self._wake(state)
            return await self._loop(requests, snapshot)
        finally:
            self._inline.put_back(self._taken)
            if self._session is not None:
                env.threads.submit(self._session.release)

    async def _loop(self, requests: Requests, snapshot: Snapshot | None) -> TurnEnd | None:
        inputs: list[Event] = []
        retries: list[Event] = []
        handing_over = False
        while True:
            commit, attempts = self._plan(requests, inputs, retries, snapshot, handing_over)
            if commit.park and snapshot is None and self._snapshots:
                snapshot = await self._threaded_snapshot()
                build = self._build(snapshot, commit.outputs)
                commit = msgspec.structs.replace(commit, snapshot=snapshot, build=build)
            events: Sequence[Event] = requests.left
            if _says_something(commit):
                committed = await self._commit(commit)
                if not committed.stored:
                    return None
                if requests.ended:
                    self._env.observe(Failpoint.AFTER_ENDING)
                    return "ended"
                if committed.parked:
                    return "parked"
                events = (*requests.left, *committed.foreign, *committed.answers)
                for attempt in attempts:
                    self._inline.start(attempt)
            inputs, retries, handing_over = [], [], False
            if not events:
                inputs, retries, handing_over = await self._arrivals()
                events = inputs
            self._env.observe(Failpoint.BEFORE_DELIVER)
            requests, snapshot = await self._advance(requests, events)
            if inputs and requests.left:
                inputs, requests = self._put_off(inputs, requests)
            self._env.observe(Failpoint.AFTER_DELIVER)

    def _put_off(self, inputs: list[Event], requests: Requests) -> tuple[list[Event], Requests]:
        """Return the inputs that the VM has got; outcomes among the others are taken again when these are stored."""
        left = {event.id for event in requests.left}
        self._inline.put_back([event for event in self._taken if event.id in left])
        self._taken = [event for event in self._taken if event.id not in left]
        return inputs[: -len(requests.left)], msgspec.structs.replace(requests, left=())

    def _handed_over(self, state: RunState) -> list[str]:
        """Return the steps that this claim has handed over: a commit that seemed to fail may have been stored."""
        claim = (self._env.worker_id, self._task.epoch)
        return [step.id for step in state.held.steps.values() if step.task and (step.worker, step.epoch) == claim]

    def _hold(self, held: Entities) -> None:
        """Take note of what the world has of the run now."""
        self._held = held
        self._waits = dict(held.waits)

    # What goes into the VM

    async def _wake(self, state: RunState) -> tuple[Requests, Snapshot | None]:
        env = self._env
        now = self._woken_at = env.clock.now()
        if self._recovery.fatal is not None:
            return failed(self._recovery.fatal, None, now, self._run_codec), None
        try:
            try:
                guest, image = await env.images.of(state)
            except BuildMissingError as error:
                guest, image = await self._carry_over(error)
            return await env.threads.run(self._in_thread_wake, guest, image, now)
        except Exception as error:  # noqa: BLE001  # what is not the run's doing is raised again
            return self._not_woken(error)

    def _not_woken(self, error: Exception) -> tuple[Requests, None]:
        """Return the end of the run if the error is its own doing, and nothing else can have done it; else raise."""
        state = self._state
        if self._carried_over and answer_to(error) is Answer.FAIL:
            if state.run.status != "pending" or isinstance(error, ProgramError):  # the other build would do better
                raise BuildMissingError(f"{self._carried_over}; the one installed here does not do: {error}") from error
        elif isinstance(error, (GuestTrapError, DivergenceError)) and state.snapshot is not None and not state.run.base:
            raise SnapshotError(f"the VM failed after it was restored: {error}") from error
        return self._failed(error)

    async def _carry_over(self, missing: BuildMissingError) -> tuple[Guest, Image]:
        """
        Let the run go on with the guest build that is installed here, from its log.

        What the replay asks for must be what the log says, and at the last snapshot it must stand where the run stood.
        Else the run waits as it is for a worker that has its build.

        Raises:
            BuildMissingError: its log is not whole.
        """
        state, run = self._state, self._state.run
        if run.base:
            raise BuildMissingError(f"{missing}; its log begins after event {run.base}, so nothing else will do")
        self._carried_over, self._checkpoint = str(missing), state.snapshot
        events = await self._env.world.events(run.id)
        self._state = msgspec.structs.replace(
            state, snapshot=None, events=[event for event in events if event.seq <= run.head]
        )
        guest, image = await self._env.images.installed(run)
        if run.status != "pending":
            self._recovery.note_level = "info"
            self._recovery.note = f"carried over to guest build {guest.build} by a replay that agreed: {missing}"
        return guest, image

    async def _advance(self, before: Requests, events: Sequence[Event]) -> tuple[Requests, Snapshot | None]:
        """Deliver events; without any, what the VM asked for stays as it was and nothing new is asked."""
        if not events:
            return Requests((), before.ops, before.logs, (), ended=False, awaits_ack=before.awaits_ack), None
        assert self._session is not None
        now = self._env.clock.now()
        try:
            return await self._env.threads.run(self._in_thread_advance, self._session, events, now)
        except Exception as error:  # noqa: BLE001  # as above
            return self._failed(error)

    def _failed(self, error: Exception) -> tuple[Requests, None]:
        """Return the end of the run in place of what it asks for, if the error is its own doing; else raise it."""
        if answer_to(error) is not Answer.FAIL:
            raise error
        return failed(error, self._session, self._env.clock.now(), self._run_codec), None

    def _in_thread_wake(self, guest: Guest, image: Image, now: int) -> tuple[Requests, Snapshot | None]:
        session = Session(
            guest,
            image,
            self._state,
            self._run_codec,
            url=self._env.url,
            events_per_call=self._recovery.events_per_call,
            allows=self._env.allows,
            checkpoint=self._checkpoint,
        )
        self._session = session
        requests = session.wake(now)
        self._delivered = len(self._state.events)
        return requests, self._snapshot_if_wanted(session, requests, now)

    def _in_thread_advance(
        self, session: Session, events: Sequence[Event], now: int
    ) -> tuple[Requests, Snapshot | None]:
        requests = session.advance(events, now)
        self._delivered += len(events)
        return requests, self._snapshot_if_wanted(session, requests, now)

    def _snapshot_if_wanted(self, session: Session, requests: Requests, now: int) -> Snapshot | None:
        """Take a snapshot here, where the VM is at hand, when the run will park or has not had one for long."""
        if requests.ended or requests.left or not self._snapshots:
            return None
        options = self._env.options
        parks = self._inline.idle and not requests.awaits_ack and not self._due(now)
        parks = parks and not any(event.type == "step_created" for event in requests.outputs)
        steady = self._env.clock.steady()
        overdue = self._delivered and steady - self._snapshot_at >= options.snapshot_ms
        overdue = overdue or self._checkpoint is not None
        if not (parks or overdue or self._delivered >= options.snapshot_events):
            return None
        self._delivered, self._snapshot_at = 0, steady
        return session.snapshot(now)

    async def _threaded_snapshot(self) -> Snapshot:
        assert self._session is not None
        return await self._env.threads.run(self._session.snapshot, self._env.clock.now())

    @property
    def _snapshots(self) -> bool:
        return self._state.run.runtime == "snapshot"

    # What is stored

    def _plan(
        self,
        requests: Requests,
        inputs: Sequence[Event],
        retries: Sequence[Event],
        snapshot: Snapshot | None,
        handing_over: bool,
    ) -> tuple[Commit, list[Attempt]]:
        """Return what to store, and the attempts to begin once it is."""
        env, task = self._env, self._task
        now = env.clock.now()
        outputs: list[Event] = []
        attempts: list[Attempt] = []
        tasks = [NewTask(event.id, event.due, signature=self._signature(event.name)) for event in retries]
        if not self._started:
            outputs.append(Event("run_started", self._woken_at))
            self._started = True
        outputs += retries
        if requests.ended:
            outputs += requests.outputs
        else:
            begun, attempts, left = self._begin_steps(requests.outputs, now)
            outputs += begun
            tasks += left
        for event in requests.outputs:
            if event.type == "wait_created":
                self._waits[event.id] = Wait(event.id, event.op, event.due)
            elif event.type == "wait_disposed":
                self._waits.pop(event.id, None)
        park = not (requests.ended or requests.awaits_ack or requests.left or attempts or self._due(now))
        park = park and (self._inline.idle or handing_over)
        if park:
            for step_id in self._inline.running:
                signature = self._signature(self._held.steps[step_id].name)
                tasks.append(NewTask(step_id, claimed=True, signature=signature))
        entries = requests.log_entries
        if self._recovery.note:
            note = self._run_codec.pack_text(self._recovery.note)
            entries = (LogEntry(-task.epoch, now, self._recovery.note_level, note), *entries)
        commit = Commit(
            run_id=task.run_id,
            worker_id=env.worker_id,
            epoch=task.epoch,
            expected_head=self._held.run.head,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            ops=max(requests.ops, self._held.run.ops),
            logs=max(requests.logs, self._held.run.logs),
            log_entries=entries,
            tasks=tuple(tasks),
            snapshot=snapshot,
            build=self._build(snapshot, outputs),
            park=park,
        )
        return commit, attempts

    def _build(self, snapshot: Snapshot | None, outputs: Sequence[Event]) -> str:
        """Return the guest build to be noted: it changes together with the snapshot, which is of use in it only."""
        had_none = self._state.snapshot is None and self._checkpoint is None
        completed = bool(outputs) and outputs[-1].type == "run_completed"
        if self._session is not None and (snapshot is not None or had_none or completed):
            return self._session.guest.build
        return ""

    def _begin_steps(self, asked: Sequence[Event], now: int) -> tuple[list[Event], list[Attempt], list[NewTask]]:
        """
        Return the events to store for what the VM asked for, the attempts to begin once they are, and the steps that
        leave the turn because there is no room for them or because they are for another worker.

        A first attempt is part of its ``step_created``.
        """
        env, run = self._env, self._held.run
        orphans, self._orphans = self._orphans, []
        room = 0 if env.stopping() else self._inline.room
        events: list[Event] = []
        attempts: list[Attempt] = []
        tasks: list[NewTask] = []

        def may_begin(attempt: Attempt) -> bool:
            why_not = env.why_not(attempt)
            if why_not or len(attempts) >= room:
                tasks.append(NewTask(attempt.step_id, signature=attempt.signature, snoozed=why_not))
                return False
            attempts.append(attempt)
            return True

        for step in orphans:
            attempt = next_attempt(self._run_codec, run, step, self._signature(step.name))
            if may_begin(attempt):
                events.append(begun(attempt, now, env.worker_id))
        for event in asked:
            if event.type == "step_created":
                attempt = first_attempt(self._run_codec, run, event, self._signature(event.name))
                if may_begin(attempt):
                    event = msgspec.structs.replace(event, attempt=1, ref=env.worker_id)  # noqa: PLW2901  # as stored
            events.append(event)
        return events, attempts, tasks

    def _signature(self, step: str) -> str:
        """Return what the run's program takes a step's signature for."""
        assert self._session is not None, "only what a VM asked for has steps"
        return self._session.image.program.signature(step)

    async def _commit(self, commit: Commit) -> Committed:
        env = self._env
        if commit.snapshot is not None and self._session is not None:
            await env.images.store(self._session.guest, self._session.image, self._state.run)
        env.observe(Failpoint.WHILE_PARKING if commit.park else Failpoint.BEFORE_COMMIT)
        committed = await env.world.commit(commit, self._held)
        env.observe(Failpoint.AFTER_COMMIT)
        if committed.held is not None:
            run = self._state.run
            env.observe(Stored(run.id, run.key_id, run.workflow, _as_stored(commit, committed), commit.log_entries))
            self._taken, self._recovery.note = [], ""
            if commit.snapshot is not None:
                self._checkpoint = None
            self._hold(committed.held)
            if commit.park:
                self._inline.hand_over(self._inline.running)
        return committed

    # What comes meanwhile

    async def _arrivals(self) -> tuple[list[Event], list[Event], bool]:
        """
        Wait for what a hot run waits for: results of its inline steps, and its next timer.

        Returns inputs for the VM, retries to be recorded, and whether the steps should be handed over because
        nothing came for long.
        """
        clock = self._env.clock
        now = clock.now()
        patience = 0 if self._env.stopping() else self._env.options.inline_ms
        nearest = min((wait.due for wait in self._waits.values()), default=now + patience)
        outcomes = self._taken = await self._inline.outcomes(max(0, min(patience, nearest - now)) / 1000)
        now = clock.now()
        retries = [event for event in outcomes if event.type == "step_retrying"]
        timed = [(event.at, event) for event in outcomes if event.type != "step_retrying"]
        timed += [(wait.due, Event("wait_completed", now, wait.id, op=wait.op)) for wait in self._due(now)]
        timed.sort(key=operator.itemgetter(0))  # a timer that was due before a step ended wins over it
        return self._in_log_order([event for _, event in timed]), retries, not outcomes and not timed

    def _in_log_order(self, events: list[Event]) -> list[Event]:
        """Return what happens next with times that do not go back: an outcome may have had to wait for a rewind."""
        latest = self._held.run.latest_at
        ordered = []
        for event in events:
            latest = max(latest, event.at)
            ordered.append(event if event.at == latest else msgspec.structs.replace(event, at=latest))
        return ordered

    def _due(self, now: int) -> list[Wait]:
        return sorted((wait for wait in self._waits.values() if wait.due <= now), key=lambda wait: (wait.due, wait.op))


def _as_stored(commit: Commit, committed: Committed) -> tuple[Event, ...]:
    """Return the events of a commit; only its answer tells whether a token was free."""
    if not committed.answers:  # then no token was asked for
        return commit.inputs + commit.outputs
    outputs = [event for event in commit.outputs if event.type != "hook_created"]
    # An answer is not the last word: an ending, if there is one, is.
    ending = [outputs.pop()] if outputs and outputs[-1].type in RUN_ENDINGS else []
    return (*commit.inputs, *outputs, *committed.answers, *ending)


def _says_something(commit: Commit) -> bool:
    return bool(commit.inputs or commit.outputs or commit.tasks or commit.log_entries or commit.snapshot or commit.park)
