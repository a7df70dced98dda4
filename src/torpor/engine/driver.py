"""
Drives a turn: does what it wants and tells it what came of it. The only awaits of a turn are here.

What happens in a VM's thread is a whole activation with what follows from it: the snapshot, the turn's decision, and
the commit, if the world can store it at once. So a sequential step costs one hop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from torpor.engine.environment import Environment
from torpor.engine.failpoints import Failpoint
from torpor.engine.inline import InlineSteps
from torpor.engine.moves import (
    Around,
    Begin,
    CancelSteps,
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
    HostLacks,
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
from torpor.engine.observer import Stored, TurnBegan, TurnEnd, TurnEnded
from torpor.engine.passes import Claim
from torpor.engine.session import Session
from torpor.engine.tenancy import Meter
from torpor.engine.threads import Later
from torpor.engine.turn import Turn
from torpor.model import Commit, Committed, Event, Snapshot, Task
from torpor.vm.guest import Guest, Image

Answer = asyncio.Future[Any]
"""To the question that a turn has asked, or to one that followed from it in a VM's thread."""


async def run_turn(env: Environment, task: Task) -> None:
    """
    Carry a claimed run forward until it parks, ends, or belongs to somebody else.

    Never raises for what a run, its VM or the world does; a lost claim is dropped silently, because its new owner
    goes on from the same log.
    """
    env.observe(TurnBegan(env.worker_id, task.run_id, task.workflow, task.epoch, task.redeliveries))
    driver = _Driver(env, task)
    how: TurnEnd = "left"
    try:
        how = await driver.drive()
    finally:
        driver.close()
        env.observe(TurnEnded(env.worker_id, task.run_id, task.epoch, how))


class _Driver:
    """One turn's hands: its VM, its inline steps, and the world."""

    def __init__(self, env: Environment, task: Task) -> None:
        self._env, self._task = env, task
        self._claimed_state = task.state
        self._inline = InlineSteps(env.runner, self._report, env.finished, self._told, env.options.inline_steps)
        asked = env.why_not, env.is_once, env.place_of, env.is_apart
        env.impatience.add(task.run_id, self._inline.hurry)
        self._turn = Turn(Claim(task, env.worker_id, env.keyring, env.options, *asked, env.url))
        self._session: Session | None = None
        self._meter: Meter | None = None  # of a tenant's run
        self._billed_commit: Commit | None = None  # the one of a tenant's run that was asked for last
        self._is_handed_in = False  # to the world, in a VM's thread
        self._announced: Commit | None = None  # passed its failpoint, in a VM's thread or here

    async def drive(self) -> TurnEnd:
        """Let the turn run to its end, and return which one it was."""
        threads = self._env.threads
        moves = self._turn.begin()
        while True:
            try:
                for effect in moves.effects:
                    self._do(effect)
                if isinstance(moves.asked, End):
                    return moves.asked.how
                hurries = not isinstance(moves.asked, Listen | Pause)
                threads.hurrying += hurries  # VMs that compute for long let it go first
                try:
                    answer = await self._answer(moves.asked)
                finally:
                    threads.hurrying -= hurries
            except Exception as error:  # noqa: BLE001  # whose doing it is, is the turn's to say
                answer = self._failed(error)
            if self._meter is not None and isinstance(answer, Committed) and answer.stored:
                assert self._billed_commit is not None, "what is stored was asked for"
                self._meter.settle(self._billed_commit, await self._env.tenancy.of(self._task.run_id))
            moves = answer if isinstance(answer, Moves) else self._turn.on(answer, self._around())

    def close(self) -> None:
        """Let go of what the turn had."""
        self._release()
        self._env.impatience.remove(self._task.run_id, self._inline.hurry)
        self._inline.close()

    def _report(self, outcome: Event) -> None:
        self._env.report(self._env.worker_id, self._task, outcome)

    def _told(self, outcome: Event) -> None:
        task = self._task
        self._env.observe(Stored(task.run_id, task.key_id, task.workflow, (outcome,)))

    def _around(self) -> Around:
        """Return what the turn sees now; in a VM's thread too, beside which steps may end on the event loop."""
        env, inline = self._env, self._inline
        now, steady = env.clock.now(), env.clock.steady()
        return Around(now, steady, env.stopping(), env.crowded(), inline.room, inline.running)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Begin(attempt):
                self._inline.start(attempt)
            case Tell(observation):
                self._env.observe(observation)
            case HandOver(step_ids):
                self._inline.hand_over(step_ids)
            case ForgetAllBut(step_ids):
                self._inline.forget_all_but(step_ids)
            case PutBack(outcomes):
                self._inline.put_back(outcomes)
            case CancelSteps():
                self._inline.cancel()
            case GiveUp(step_ids):
                self._inline.give_up(step_ids)
            case LeaveStep(step_id):
                self._env.leave(step_id)
            case Release():
                self._release()
            case HostLacks(error):
                self._env.host_failed(error)

    def _failed(self, error: Exception) -> Failed:
        return Failed(error, self._session.guest.build if self._session else "")

    async def _answer(self, asked: Question) -> Happening | Moves:  # noqa: PLR0911  # one for each question
        """
        Return the answer to a question, or to one that followed from it in a VM's thread; or what the turn wants next,
        when it was told the answer there.
        """
        env, run_id = self._env, self._task.run_id
        match asked:  # the most frequent ones first
            case Deliver():
                return await self._deliver(asked)
            case Listen():
                outcomes = await self._inline.outcomes(asked.ms / 1000, asked.hurried_ms / 1000)
                return Heard(outcomes, self._inline.stored())
            case Load():
                state, self._claimed_state = self._claimed_state, None
                if asked.forget_snapshot:
                    await env.world.delete_snapshot(run_id)
                return await env.world.load(run_id) if state is None else state
            case ReadLog():
                return LogRead(await env.world.events(run_id))
            case Wake():
                return await self._wake(asked)
            case Save():
                return Saved(await env.threads.run(self._at_hand.snapshot, env.clock.now()))
            case Store():
                return await self._store(asked)
            case Snooze():
                claim = (run_id, env.worker_id, self._task.epoch)
                await env.world.snooze(*claim, delay_ms=asked.delay_ms, why=asked.why)
                return Snoozed()
            case Pause():
                await env.clock.sleep(asked.ms)
                return Paused()
            case End():
                raise AssertionError("the turn is over")

    async def _deliver(self, asked: Deliver) -> Happening | Moves:
        env = self._env
        env.observe(Failpoint.BEFORE_DELIVER)
        if self._meter is not None:  # steps may have used something meanwhile, such as room for streams
            self._meter.renew(await env.tenancy.of(self._task.run_id))
        return await self._activate(self._in_thread_deliver, asked.events, env.clock.now())

    async def _wake(self, asked: Wake) -> Happening | Moves:
        images, run_id = self._env.images, asked.state.run.id
        if (info := await self._env.tenancy.of(run_id)) is not None:
            self._meter = Meter(info, run_id, self._env.allows, 0 if self._meter is None else self._meter.cpu_us)
        guest, image = await (images.installed(asked.state.run) if asked.installed else images.of(asked.state))
        return await self._activate(self._in_thread_wake, asked, guest, image)

    async def _activate(
        self, work: Callable[..., Happening | Moves | Later[Happening | Moves]], *args: object
    ) -> Happening | Moves:
        self._is_handed_in = False
        answer: Happening | Moves = await self._env.threads.run_on(work, *args)
        if self._is_handed_in:
            self._env.observe(Failpoint.AFTER_COMMIT)
        return answer

    def _in_thread_wake(
        self, stored: Answer, asked: Wake, guest: Guest, image: Image
    ) -> Happening | Moves | Later[Happening | Moves]:
        env, run = self._env, asked.state.run
        self._session = session = Session(
            guest,
            image,
            asked.state,
            env.keyring.run(run.id, run.key_id),
            url=env.url,
            events_per_call=asked.events_per_call,
            allows=env.allows,
            deadlines=env.deadlines,
            checkpoint=asked.checkpoint,
            meter=self._meter,
        )
        requests, around = session.wake(asked.at), self._around()
        snapshot = self._in_thread_snapshot(session, requests, asked.at, around)
        deaf = "run_cancelling" not in guest.hears
        return self._in_thread_store(stored, Woken(image.program, guest.build, requests, snapshot, deaf=deaf), around)

    def _in_thread_deliver(
        self, stored: Answer, events: Sequence[Event], now: int
    ) -> Happening | Moves | Later[Happening | Moves]:
        session = self._at_hand
        requests, around = session.advance(events, now), self._around()
        delivered = Delivered(requests, self._in_thread_snapshot(session, requests, now, around))
        self._env.observe(Failpoint.AFTER_DELIVER)
        return self._in_thread_store(stored, delivered, around)

    def _in_thread_snapshot(self, session: Session, requests: Requests, now: int, around: Around) -> Snapshot | None:
        return session.snapshot(now) if self._turn.wants_snapshot(requests, around) else None

    def _in_thread_store(
        self, stored: Answer, activated: Woken | Delivered, around: Around
    ) -> Happening | Moves | Later[Happening | Moves]:
        """
        Tell the turn, and store what it then wants to have stored.

        Returns what came of that, or what the turn wants when that is for the event loop to do. Or the world has the
        commit, and what comes of it is the answer.
        """
        env, moves = self._env, self._turn.on(activated, around)
        asked = moves.asked
        if moves.effects or not isinstance(asked, Store) or asked.commit.snapshot is not None:
            return moves
        asked = self._billed(asked)
        try:
            self._before_commit(asked.commit)
            if env.threads.hurrying > 1:  # then the world makes one transaction of what several turns store
                return Later(lambda: self._hand_in(asked, stored), moves)
            committed = env.world.commit_at_once(asked.commit, asked.held)
            if committed is not None:
                env.observe(Failpoint.AFTER_COMMIT)
        except Exception as error:  # noqa: BLE001  # whose doing it is, is the turn's to say
            return self._failed(error)
        return moves if committed is None else committed

    def _billed(self, asked: Store) -> Store:
        """Return what is to be stored with the CPU time that it has cost, where that is counted."""
        if self._meter is None:
            return asked
        self._billed_commit = replace(asked.commit, cpu_us=self._meter.cpu_us)
        return Store(self._billed_commit, asked.held)

    def _hand_in(self, asked: Store, stored: Answer) -> bool:
        self._is_handed_in = self._env.world.hand_in(asked.commit, asked.held, stored)
        return self._is_handed_in

    def _before_commit(self, commit: Commit) -> None:
        self._inline.calm()  # what has come for the run until now is in the answer
        if commit is not self._announced:
            self._announced = commit
            self._env.observe(Failpoint.WHILE_PARKING if commit.park else Failpoint.BEFORE_COMMIT)

    async def _store(self, asked: Store) -> Committed:
        env, asked = self._env, self._billed(asked)
        commit = asked.commit
        if commit.snapshot is not None:
            await env.images.store(self._at_hand.guest, self._at_hand.image, asked.held.run)
        self._before_commit(commit)
        committed = await env.world.commit(commit, asked.held)
        env.observe(Failpoint.AFTER_COMMIT)
        return committed

    def _release(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._env.threads.submit(session.release)

    @property
    def _at_hand(self) -> Session:
        assert self._session is not None, "the VM is awake"
        return self._session
