"""
A worker: claims turns and steps, runs them, shows that it lives, and takes over from workers that died.

::

    claim loop      claim what there is room for; otherwise wait for a notice or the next ready time
    heartbeat       every five seconds: tell the world that we live, look for dead workers, take their claims away;
                    every two where the world sees whether others are connected, and at once when the process of
                    one on this machine is gone, which is looked for every second
    schedules       when the next is due, and when the world has changed: start runs by the clock
    deployment      every second: tell the world what we bring if that has changed, and people what runs wait for
    upkeep          every ten seconds: store what sleeping runs need of this installation, drop what none needs
    turns, steps    tasks of the event loop, bounded by the settings
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from torpor import ids
from torpor.codec.crypto.keys import Keyring
from torpor.engine import health_runs
from torpor.engine.attempts import Attempt, task_attempt
from torpor.engine.complaints import Complaints
from torpor.engine.driver import run_turn
from torpor.engine.environment import Environment
from torpor.engine.failpoints import Failpoint
from torpor.engine.health import Health
from torpor.engine.images import Images, Kept
from torpor.engine.impatience import Impatience
from torpor.engine.left import LeftSteps
from torpor.engine.liveness import gone, look_after_ms, silent, worker_row
from torpor.engine.logbook import LOG
from torpor.engine.observer import (
    Observer,
    Remark,
    Stored,
    TookOver,
    WorkerBegan,
    WorkerPresumedDead,
    WorkerStopped,
    all_of,
)
from torpor.engine.pruning import Pruner
from torpor.engine.reports import Reports
from torpor.engine.retry import Retrying
from torpor.engine.runner import CANCEL_SECONDS, Runner
from torpor.engine.settings import WorkerSettings
from torpor.engine.steps import StepLookup, Steps
from torpor.engine.streams import Streams
from torpor.engine.tenancy import Tenancy
from torpor.engine.threads import VmThreads
from torpor.engine.timekeeping import Timekeeper, Timekeeping, first_of
from torpor.engine.transactional import check_transactions
from torpor.engine.upkeep import Upkeep
from torpor.engine.verifying import Verifier
from torpor.errors import ConfigurationError, DamagedError, NotFoundError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import ClaimRequest, Deployment, Event, Notice, Task, WorkerRow
from torpor.model.flow import Place
from torpor.retention import Policies
from torpor.retries import Backoff
from torpor.vm.guest import MakeGuest, Program
from torpor.vm.host import lacking_descriptors
from torpor.world import World

_WORLD_BACKOFF = Backoff(first=0.1, most=5.0)
_LOOK_MS = 1_000
_GIVEN_UP_MS = 5_000
"""How long others leave alone what an error of ours has ended here."""

_COMPLAIN_EVERY_LOOKS = 30


class Worker:
    """
    Runs what the world has to run. Start it once; stopping twice is harmless.

    Args:
        world: an open world.
        guests: gives the installed guests, and makes others.
        registry: where steps are found.
        settings: how much it does at once.
        keyring: keys of the runs that it takes; others it leaves alone.
        guest_names: of which guests it takes runs; runs of others wait for a worker that has theirs.
        deployment: returns what it brings now, once the programs are in the world; it takes runs of that application.
        programs: returns the program of a content address, if the application has it.
        scheduler: makes what starts runs by the clock, which tells its observer; None for a worker that starts none.
        policies: what of its application's runs is kept, None for everything.
        url: address of the HTTP front door, for workflow metadata.
        observers: are told what it does, besides its log; see :mod:`torpor.engine.observer`.
        kept: images that are at hand already.
    """

    def __init__(
        self,
        world: World,
        guests: MakeGuest,
        registry: StepLookup,
        settings: WorkerSettings = WorkerSettings(),  # noqa: B008  # frozen
        *,
        keyring: Keyring,
        guest_names: Collection[str],
        deployment: Callable[[], Awaitable[Deployment]],
        programs: Callable[[str], Program | None] = lambda _: None,
        scheduler: Callable[[Observer], Timekeeper] | None = None,
        policies: Policies | None = None,
        url: str = "",
        observers: Sequence[Observer] = (),
        kept: Kept | None = None,
    ) -> None:
        self._clock = clock = world.clock
        self.id = ids.fresh("wrkr", clock.now())
        self._world = world
        self._registry = registry
        self._read_deployment = deployment
        self._deployment = Deployment("", "")  # stored when it starts
        self._keyring = keyring
        self._settings = settings
        self._guest_names = (*guest_names, health_runs.GUEST)
        self._observe = observe = all_of((LOG, *observers))
        self._timekeeping = Timekeeping(scheduler(observe), clock) if scheduler is not None else None
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()  # a turn, a step or a report has ended, or there was nothing left to claim
        self._on_change: list[Callable[[], None]] = []
        self._waits_for_work = False
        self._unwanted = asyncio.Event()  # steps may be, which this worker carries out
        self._beginning_anew = asyncio.Lock()
        self._stopping = False
        self._stop: asyncio.Task[None] | None = None
        self._room = 1, 1  # for turns and for steps, at the last claim
        self._ready_at: int | None = None  # when the next task will be, by the last claim
        self._runs_wait = False  # as far as is known
        self._health = Health(clock, self._wake.set, observe)
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._look_ms = min(settings.heartbeat_ms, _LOOK_MS)
        self._looks = 0
        self._heard_of = clock.steady()  # when the world last was told that we live
        self._others: Sequence[WorkerRow] = ()  # who lived then
        self._undeployed = ""  # why what it brings now could not be stored
        self._complaints = Complaints(world, keyring, observe)
        self._left = LeftSteps(clock)
        self._lacks_step = False  # a turn has met a step that is not here
        self._tenancy = Tenancy(world, clock)
        streams = Streams(world, keyring, registry.references, observe, self._tenancy)
        self._steps = Steps(
            registry,
            clock,
            streams,
            world.keep_progress,
            threads=settings.step_threads,
            url=url,
            observe=observe,
            world=world,
        )
        self._threads = VmThreads(settings.vm_threads)
        self._runner = Runner(self._steps, settings.steps, self._step_ended)
        self._impatience = Impatience()
        self._reports = Reports(world, clock, self._runner.holding, observe, self._note_change)
        images = Images(world, guests, self._threads, keyring, programs, observe=observe, kept=kept)
        verify = Verifier(world, images, self._threads, keyring, observe)
        pruner = None if policies is None else Pruner(world, lambda: self._deployment.app, policies, verify, observe)
        self._builds = images.builds
        self._upkeep = Upkeep(world, images, observe, prune=None if pruner is None else pruner.round)
        self._env = Environment(
            world=world,
            clock=clock,
            keyring=keyring,
            worker_id=self.id,
            images=images,
            runner=self._runner,
            threads=self._threads,
            options=settings.turn,
            report=self._reports.report,
            allows=registry.allows,
            deadlines=self._steps.deadlines_of,
            why_not=self._why_not,
            is_once=self._steps.is_once,
            place_of=self._place_of,
            is_apart=self._steps.is_apart,
            finished=self._steps.finished,
            tenancy=self._tenancy,
            leave=self._leave,
            observe=observe,
            host_failed=self._health.failed,
            url=url,
            stopping=lambda: self._stopping,
            crowded=self._is_crowded,
            impatience=self._impatience,
        )
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def deployment_id(self) -> str:
        """The id of what it brings now; ``""`` before it starts."""
        return self._deployment.id

    async def wait_idle(self, *, timeout: float | None = None) -> None:
        """
        Return once no run is awake and no step runs here.

        Raises:
            TimeoutError: that took longer than *timeout* seconds.
        """
        async with asyncio.timeout(timeout):
            while self._turns or self._runner.busy:
                self._changed.clear()
                await self._changed.wait()

    def is_quiet(self, *, resting: int = 0) -> bool:
        """
        Return whether only the clock or the outside can make it go on: nothing runs, all outcomes are stored, and what
        is ready is claimed.

        Args:
            resting: of the steps that run, how many do nothing but wait for either.
        """
        at_rest = not (self._turns or self._reports.pending) and self._runner.busy <= resting
        return at_rest and self._waits_for_work and not self._wake.is_set()

    @property
    def is_well(self) -> bool:
        """Whether it claims runs: its host lacks nothing, as far as it knows."""
        return self._health.is_well

    @property
    def next_at(self) -> int | None:
        """
        When the clock alone may make something go on, as its last looks have it; None when only the outside can.

        That is when a task becomes ready, and when the lease of another worker has passed that may be dead.
        """
        now = self._clock.now()
        heard_ms = self._clock.steady() - self._heard_of
        leases = (max(other.lease_ms - other.silent_ms - heard_ms, 0) or other.lease_ms for other in self._others)
        later = [now + lease for lease in leases]
        if (delay := self._left.due_in()) is not None:
            later.append(now + delay)
        if self._ready_at is not None:
            later.append(self._ready_at)
        return min(later, default=None)

    def look(self) -> None:
        """Look for work at once; there may be some that no notice has told of yet."""
        self._wake.set()

    def on_change(self, call: Callable[[], None]) -> None:
        """Call *call* each time that something has ended here, or there was nothing left to claim."""
        self._on_change.append(call)

    def _note_change(self) -> None:
        self._changed.set()
        for call in self._on_change:
            call()

    async def start(self) -> None:
        """
        Say what it brings, register, take over from dead workers, and begin to claim.

        Raises:
            TransactionError: it has a step with a transaction, and the world has none.
        """
        if (problem := lacking_descriptors(self._settings.descriptors)) is not None:
            self._observe(Remark(logging.WARNING, f"{problem}, or lower WorkerSettings(steps=…)"))
        check_transactions(self._registry, self._world)
        self._deployment = await self._read_deployment()
        await self._register(self.id)
        await self._beat()
        await self._complaints.tell(self.id, self._deployment.app)
        if self._timekeeping is not None:
            await self._timekeeping.begin()
        self._unsubscribe = self._world.subscribe(self._notice)
        self._observe(WorkerBegan(self.id, self._deployment.app))
        loop = asyncio.get_running_loop()
        self._loops = [
            loop.create_task(self._repeat("claiming", self._claim_or_wait, lambda: not self._stopping)),
            loop.create_task(self._repeat("heartbeat", self._beat_and_wait, lambda: True)),  # it lives while it stops
            loop.create_task(self._repeat("deployment", self._deploy_and_wait, lambda: not self._stopping)),
            loop.create_task(self._repeat("upkeep", self._wait_and_keep_up, lambda: not self._stopping)),
        ]
        if self._timekeeping is not None:
            rounds = self._repeat("schedules", self._timekeeping.round_and_wait, lambda: not self._stopping)
            self._loops.append(loop.create_task(rounds))

    async def stop(self) -> None:
        """
        Claim nothing more, park what is awake, wait for running steps, and give all claims back.

        May be called twice, and by several; who is cancelled while waiting does not stop the stopping.
        """
        if self._stop is None:
            self._stop = asyncio.get_running_loop().create_task(self._end())
        await asyncio.shield(self._stop)

    async def _end(self) -> None:
        self._stopping = True
        self._wake.set()
        self._unsubscribe()
        self._impatience.hurry_all()
        grace = self._settings.grace_seconds
        try:
            if self._loops:
                await asyncio.wait(self._loops[:1], timeout=grace)
            await _ended(self._turns.values(), grace)
            await self._runner.drain(grace)
            await _ended(self._reports.pending, grace)
        finally:
            await self._let_go(max(grace, CANCEL_SECONDS))
            if self._loops:
                await self._world.release([self.id])
                self._observe(WorkerStopped(self.id))

    async def give_up(self) -> None:
        """Stop without waiting for steps: what runs is cancelled, and given back for others to begin anew."""
        self._stopping = True
        self._runner.cancel_all()
        await self.stop()

    async def abandon(self) -> None:
        """
        End at once, as in a process that dies: nothing more is stored, and nothing is given back; for tests.

        Its claims stay until another worker takes over. Stopping it afterwards is harmless.
        """
        if self._stop is None:
            self._stop = asyncio.get_running_loop().create_task(self._vanish())
        await asyncio.shield(self._stop)

    async def _vanish(self) -> None:
        self._stopping = True
        self._unsubscribe()
        self._runner.cancel_all()
        await self._let_go(CANCEL_SECONDS)

    async def _let_go(self, seconds: float) -> None:
        """End all that still goes on; wait for it at most so long."""
        left = [*self._loops, *self._turns.values(), *self._reports.pending]
        for task in left:
            task.cancel()
        self._health.close()
        self._builds.close()
        await _ended(left, seconds)
        self._steps.shutdown()
        self._threads.shutdown()

    async def _repeat(self, what: str, work: Callable[[], Awaitable[None]], goes_on: Callable[[], bool]) -> None:
        """Repeat *work*; whatever goes wrong, go on after a pause."""
        retrying = Retrying(self._clock, _WORLD_BACKOFF, f"{what} of a worker", self._observe)
        while goes_on():
            try:
                await work()
                retrying.succeeded()
            except Exception as error:  # noqa: BLE001  # a worker that stops claiming or beating loses its runs
                await retrying.pause(error)

    # Claiming

    async def _claim_or_wait(self) -> None:
        """Claim what there is room for; then wait for a notice, for room, or until the next task becomes ready."""
        self._wake.clear()
        turns = max(0, self._settings.turns - len(self._turns)) if self._health.is_well else 0
        steps = self._runner.free
        self._room = turns, steps
        if not turns:
            self._impatience.hurry_all()
        next_at = None
        if turns or steps:
            asked = self._request(turns, steps)
            claims = await self._world.claim(asked)
            if not claims.known:
                await self._presumed_dead(asked.worker_id)
                return
            for task in claims.tasks:
                self._begin(task)
            claimed_turns = sum(task.kind == "turn" for task in claims.tasks)
            if turns:
                self._runs_wait = claimed_turns == turns
            if 0 < turns == claimed_turns or 0 < steps == len(claims.tasks) - claimed_turns:
                return  # there may be more, for which there may be room too
            next_at = self._ready_at = claims.next_at
        if not self._stopping:
            await self._wait_for_work(next_at)

    def _request(self, turns: int, steps: int) -> ClaimRequest:
        names = self._registry.claimable_steps()
        return ClaimRequest(
            self.id,
            apps=(self._deployment.app, "") if self._deployment.app else ("",),
            queues=self._settings.queues,
            guests=self._guest_names,
            key_ids=tuple(self._keyring.readable),
            steps=tuple(names),
            once=tuple(filter(self._steps.is_once, names)),
            left=self._left.ids(),
            turns_max=turns,
            steps_max=steps,
        )

    async def _wait_for_work(self, ready_at: int | None) -> None:
        waits: list[Awaitable[Any]] = [self._wake.wait()]
        if ready_at is not None:
            waits.append(self._clock.wait_until(ready_at))
        if (delay := self._left.due_in()) is not None:
            waits.append(self._clock.sleep(delay))
        self._waits_for_work = True
        self._note_change()
        try:
            await first_of(waits)
        finally:
            self._waits_for_work = False

    def _begin(self, task: Task) -> None:
        """Begin what was claimed, or give it back: what is neither begun nor given back is nobody's."""
        try:
            self._observe(Failpoint.AFTER_CLAIM)
            if task.kind == "turn":
                self._begin_turn(task)
            else:
                self._begin_step(task)
        except Exception as error:  # noqa: BLE001  # of ours: the others that were claimed must begin
            self._give_up(self.id, task, f"the {task.kind} of run {task.run_id} could not be begun", error)

    def _give_up(self, worker_id: str, task: Task, told: str, error: BaseException) -> None:
        """Give back for a while what an error of ours has ended; it would stay claimed while this one lives."""
        self._observe(Remark(logging.ERROR, told, error))
        why = f"worker {worker_id}: {type(error).__name__}, an error of torpor's; see its log"
        self._reports.give_back(worker_id, task, why, delay_ms=_GIVEN_UP_MS)

    def _begin_turn(self, task: Task) -> None:
        worker_id = self.id
        turn = asyncio.get_running_loop().create_task(run_turn(self._env, task))
        self._turns[task.run_id] = turn
        turn.add_done_callback(lambda done: self._turn_ended(worker_id, task, done))

    def _turn_ended(self, worker_id: str, task: Task, turn: asyncio.Task[None]) -> None:
        if self._turns.get(task.run_id) is turn:
            del self._turns[task.run_id]
        self._room_was_made(self._room[0])
        self._health.turn_ended()
        if not turn.cancelled() and (error := turn.exception()) is not None:
            self._give_up(worker_id, task, f"the turn of run {task.run_id} ended with an error of ours", error)

    def _begin_step(self, task: Task) -> None:
        worker_id = self.id
        attempt = task_attempt(self._keyring.run(task.run_id, task.key_id), task, worker_id)
        if why_not := self._why_not(attempt):
            delay = self._leave(task.step_id)
            self._reports.give_back(worker_id, task, why_not, delay_ms=delay)
            return
        # Whoever handed it over may not have had the step, and did not know; or it waited for its tenant's rate before.
        if (place := self._place_of(attempt, task.queue)) is not None:
            self._reports.give_back(worker_id, task, f"it waits in queue {place.queue}", delay_ms=0, place=place)
            return

        def report(event: Event) -> None:
            spent = self._steps.spent(attempt)
            if self._steps.finished(attempt) is not None:
                self._observe(Stored(task.run_id, task.key_id, task.workflow, (event,)))
            else:
                self._reports.report(worker_id, task, event, spent=spent)

        self._runner.start(attempt, report)

    def _place_of(self, attempt: Attempt, queue: str = "") -> Place | None:
        """Return where an attempt waits that waited in *queue*, None when it may begin: first for a tenant's rate."""
        if queue and not self._tenancy.is_rate(queue, attempt.run_id):
            return None
        rate = None if queue else self._tenancy.place_of(attempt.run_id)
        return rate or self._steps.place_of(attempt)

    def _why_not(self, attempt: Attempt) -> str:
        why_not = self._steps.why_not(attempt)
        return why_not and f"worker {self.id}: {why_not}"

    def _leave(self, step_id: str) -> int:
        self._lacks_step = True
        return self._left.leave(step_id)

    def _is_crowded(self) -> bool:
        return self._runs_wait and len(self._turns) >= self._settings.turns

    def _step_ended(self) -> None:
        self._room_was_made(self._room[1])

    def _room_was_made(self, before: int) -> None:
        """Claim again if the last claim had none of that room; otherwise only a notice can mean more work."""
        self._note_change()
        if not before:
            self._wake.set()

    # Life and death

    async def _beat_and_wait(self) -> None:
        await self._look_time()
        due = self._heard_of + look_after_ms(self._others, self._settings.heartbeat_ms)
        if self._clock.steady() >= due or gone(self._others):
            await self._beat()
        await self._drop_unwanted(self._runner.runs())

    async def _look_time(self) -> None:
        """Return when it is time to look around, or at once when steps are given up."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(self._look_ms)),
            asyncio.ensure_future(self._unwanted.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._unwanted.clear()

    async def _beat(self) -> None:
        me = self.id
        beat = await self._world.heartbeat(me)
        if not beat.known:
            await self._presumed_dead(me)
            return
        self._heard_of, self._others = self._clock.steady(), beat.others
        dead = gone(beat.others)
        presumed = [worker_id for worker_id in silent(beat.others) if worker_id not in dead]
        count = beat.orphans
        if dead:
            count += await self._world.release(dead)
        if presumed:
            count += await self._world.release(presumed, expired_only=True)
        if dead or presumed or count:
            self._observe(TookOver((*dead, *presumed), count))
            self._wake.set()

    async def _register(self, worker_id: str) -> None:
        await self._world.put_deployment(self._deployment)
        about = self._deployment.app, self._deployment.id, self._world.capabilities.presence
        row = worker_row(worker_id, self._settings.lease_ms, *about)
        await self._world.register(row)

    async def _deploy_and_wait(self) -> None:
        """Tell the world when what this worker brings has changed, and people what runs wait for."""
        await self._clock.sleep(self._look_ms)
        self._looks += 1
        if self._looks % _COMPLAIN_EVERY_LOOKS == 0 or self._lacks_step:
            self._lacks_step = False
            await self._complaints.tell(self.id, self._deployment.app)
        try:
            deployment = await self._read_deployment()
        except ConfigurationError as error:  # a module that was imported has a workflow that does not load
            if str(error) != self._undeployed:
                told = f"worker {self.id} goes on with what it brought before: {error}"
                self._observe(Remark(logging.WARNING, told))
            self._undeployed = str(error)
            return
        self._undeployed = ""
        if deployment.id != self._deployment.id:
            self._deployment = deployment
            await self._beat()  # one that was presumed dead must not come back under its old id
            await self._register(self.id)
            self._wake.set()

    async def _wait_and_keep_up(self) -> None:
        await self._clock.sleep(self._settings.upkeep_ms)
        await self.keep_up()

    async def keep_up(self) -> None:
        """
        Do what it does for its world beside its runs, which it does by itself every ``upkeep_ms``.

        Raises:
            WorldError, ConfigurationError, HostError: another time.
        """
        await self._upkeep.round()

    async def _presumed_dead(self, before: str) -> None:
        """
        Begin anew under another id, because the world took the claims of this one: the process was frozen, or so busy
        that it was not heard of for longer than its lease.

        What was claimed before ends: nothing of it could be stored, and others are at it.
        """
        async with self._beginning_anew:
            if before != self.id:
                return  # the claim loop and the heartbeat both learn of it
            for turn in self._turns.values():
                turn.cancel()
            self._runner.cancel_all()
            anew = ids.fresh("wrkr", self._clock.now())
            await self._register(anew)
            self.id = anew
            self._env = msgspec.structs.replace(self._env, worker_id=anew)
        self._observe(WorkerPresumedDead(before, anew, self._settings.lease_ms))

    def _notice(self, notice: Notice) -> None:
        if self._timekeeping is not None:
            self._timekeeping.stir()
        self._impatience.notice(notice)
        if notice.work:
            self._runs_wait = True
            self._wake.set()
        if notice.ended and notice.run_id is not None and notice.run_id not in self._turns:
            self._runner.cancel_run(notice.run_id)
        elif notice.cancelling:
            self._unwanted.set()

    async def _drop_unwanted(self, run_ids: Iterable[str]) -> None:
        """Cancel steps of runs that have ended elsewhere, and those that a cancelled run has given up."""
        for run_id in run_ids:
            try:
                run = await self._world.get_run(run_id)
                if run.status in RUN_TERMINAL:
                    self._runner.cancel_run(run_id)
                elif run.cancel_by:
                    self._runner.cancel_run(run_id, but=(await self._world.open_entities(run_id)).steps)
            except (NotFoundError, DamagedError):
                continue


async def _ended(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    """Wait until these tasks have ended, at most so long."""
    if waiting := list(tasks):
        await asyncio.wait(waiting, timeout=seconds)
