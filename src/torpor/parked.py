"""
Looking into a parked run without waking it: its newest snapshot, restored in a VM that is thrown away afterwards.

Nothing here writes to the world, and a worker may take the run at any moment: what is shown is the state after the log
as it was when it was read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from torpor import limits
from torpor.clock import Clock
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.images import Images
from torpor.engine.moves import TooMuchAtOnceError
from torpor.engine.session import Session
from torpor.engine.threads import VmThreads
from torpor.errors import BuildMissingError, SnapshotError, UsageError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import RunState, Snapshot
from torpor.run_info import RunInfo
from torpor.vm.guest import Answer, Evaluation, Guest, Image, MakeGuest, TaskStack
from torpor.world import World


class ParkedRun:
    """
    A copy of a parked run's VM.

    Attributes:
        run: the run when it was read.
    """

    def __init__(self, run: RunInfo, session: Session, threads: VmThreads) -> None:
        self.run = run
        self._session = session
        self._threads = threads

    async def stack(self) -> list[TaskStack]:
        """
        Return what the run's tasks wait for, the workflow's own first. The copy is of no use afterwards.

        Raises:
            ConfigurationError: this guest cannot tell.
            VmError: a limit was passed.
        """
        return await self._threads.run(self._session.stack)

    async def query(self, name: str, args: str) -> Answer:
        """
        Call a query function of the run's program. The copy is of no use afterwards.

        Args:
            name: of the function.
            args: codec text of its arguments.

        Raises:
            ConfigurationError: the run's guest build knows no queries.
            VmError: a limit was passed.
        """
        return await self._threads.run(self._session.query, name, args)

    async def evaluate(self, source: str) -> Evaluation:
        """
        Run code in the scope of the workflow; what it changes stays for the next call.

        Raises:
            VmError: a limit was passed; the copy is of no use afterwards.
        """
        return await self._threads.run(self._session.evaluate, source)


@asynccontextmanager
async def parked(
    world: World,
    guests: MakeGuest,
    run_id: str,
    clock: Clock,
    keyring: Keyring,
    *,
    from_log: bool = True,
) -> AsyncIterator[ParkedRun]:
    """
    Restore a copy of a run's VM for the time of the block.

    Args:
        world: an open world.
        guests: gives the installed guests, and makes others.
        run_id: which run.
        clock: tells the time.
        keyring: opens what is encrypted.
        from_log: whether the log makes up for a snapshot that cannot be restored, or whose guest build is nowhere.

    Raises:
        RunNotFoundError: no such run.
        SnapshotError: the snapshot cannot be restored, and the log is not to make up for it.
        KeyMissingError: the run's key is not here.
        UsageError: the run has ended, so that there is no VM to look into.
        BuildMissingError: the run's guest build is nowhere, and its log does not make up for that.
        ProgramMissingError, ConfigurationError, VmError, DivergenceError, HostError: the VM cannot be brought back.
    """
    state = await world.load(run_id)
    if state.run.status in RUN_TERMINAL:
        raise UsageError(
            f"run {run_id} is {state.run.status}, so it has no VM to look into; "
            f"torpor inspect {run_id} shows what happened in it"
        )
    threads = VmThreads(1)
    images = Images(world, guests, threads, keyring, build_wait_seconds=None)
    copier = _Copier(world, images, threads, state, keyring.run(run_id, state.run.key_id), clock)
    try:
        session = await copier.copied(from_log)
        try:
            yield ParkedRun(RunInfo.of(state.run), session, threads)
        finally:
            await threads.run(session.release)
    finally:
        images.builds.close()
        threads.shutdown()


class _Copier:
    """Brings a run into a VM as a turn would."""

    def __init__(
        self, world: World, images: Images, threads: VmThreads, state: RunState, run_codec: RunCodec, clock: Clock
    ) -> None:
        self._world, self._images, self._threads = world, images, threads
        self._state, self._run_codec, self._clock = state, run_codec, clock

    async def copied(self, from_log: bool) -> Session:
        """Restore the snapshot; else begin from the log, if need be in the guest build that is installed here."""
        state = self._state
        try:
            try:
                return await self._woken(*await self._images.of(state), state)
            except SnapshotError:
                if not from_log:
                    raise
                whole = await self._whole()
                return await self._woken(*await self._images.of(whole), whole)
        except BuildMissingError:
            if not from_log or state.run.base:
                raise
            guest, image = await self._images.installed(state.run)
            return await self._woken(guest, image, await self._whole(), state.snapshot)

    async def _whole(self) -> RunState:
        events = await self._world.events(self._state.run.id, limit=self._state.run.head)
        return msgspec.structs.replace(self._state, snapshot=None, events=events)

    async def _woken(self, guest: Guest, image: Image, state: RunState, checkpoint: Snapshot | None = None) -> Session:
        def wake(events_per_call: int) -> Session:
            session = Session(
                guest,
                image,
                state,
                self._run_codec,
                url="",
                events_per_call=events_per_call,
                allows=lambda _: True,  # what the copy asks for goes nowhere
                checkpoint=checkpoint,
            )
            try:
                session.wake(self._clock.now())
            except BaseException:
                session.release()
                raise
            return session

        try:
            return await self._threads.run(wake, limits.EVENTS_PER_CALL)
        except TooMuchAtOnceError:
            return await self._threads.run(wake, 1)
