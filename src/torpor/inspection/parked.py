"""
Looking into a parked run without waking it: its newest snapshot, restored in a VM that is thrown away afterwards.

Nothing here writes to the world, and a worker may take the run at any moment: what is shown is the state after the log
as it was when it was read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from torpor import limits
from torpor.clock import Clock
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.images import Images
from torpor.engine.session import Session, TooMuchAtOnceError
from torpor.engine.threads import VmThreads
from torpor.errors import SnapshotError, UsageError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import RunState
from torpor.run_info import RunInfo
from torpor.vm.guest import Evaluation, Guest, TaskStack
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
    guests: Callable[[str], Guest],
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
        guests: gives the guest of a name.
        run_id: which run.
        clock: tells the time.
        keyring: opens what is encrypted.
        from_log: whether the log makes up for a snapshot that cannot be restored.

    Raises:
        RunNotFoundError: no such run.
        SnapshotError: the snapshot cannot be restored, and the log is not to make up for it.
        KeyMissingError: the run's key is not here.
        UsageError: the run has ended, so that there is no VM to look into.
        ProgramMissingError, ConfigurationError, VmError, DivergenceError: the VM cannot be brought back.
    """
    state = await world.load(run_id)
    if state.run.status in RUN_TERMINAL:
        raise UsageError(
            f"run {run_id} is {state.run.status}, so it has no VM to look into; "
            f"torpor inspect {run_id} shows what happened in it"
        )
    threads = VmThreads(1)
    images = Images(world, guests, threads, keyring)
    run_codec = keyring.run(run_id, state.run.key_id)
    try:
        try:
            session = await _copy(images, threads, state, run_codec, clock)
        except SnapshotError:  # lost or of another build: as a turn would, begin from the log
            if not from_log:
                raise
            whole = msgspec.structs.replace(state, snapshot=None, events=await world.events(run_id))
            session = await _copy(images, threads, whole, run_codec, clock)
        try:
            yield ParkedRun(RunInfo.of(state.run), session, threads)
        finally:
            await threads.run(session.release)
    finally:
        threads.shutdown()


async def _copy(images: Images, threads: VmThreads, state: RunState, run_codec: RunCodec, clock: Clock) -> Session:
    guest, image = await images.of(state)

    def restore(events_per_call: int) -> Session:
        session = Session(guest, image, state, run_codec, "", events_per_call)
        try:
            session.wake(clock.now())
        except BaseException:
            session.release()
            raise
        return session

    try:
        return await threads.run(restore, limits.EVENTS_PER_CALL)
    except TooMuchAtOnceError:  # as a turn would
        return await threads.run(restore, 1)
