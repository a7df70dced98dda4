"""Trying snapshots: a log may go only behind one that can be restored."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torpor import limits
from torpor.codec.crypto.keys import Keyring
from torpor.engine.images import Images
from torpor.engine.observer import Observer, Remark
from torpor.engine.session import Session
from torpor.engine.threads import VmThreads
from torpor.errors import KeyMissingError, TorporError
from torpor.model import Run, RunState
from torpor.vm.guest import Guest, Image
from torpor.world import World


class Verifier:
    """
    Restores newest snapshots in VMs that are thrown away.

    Args:
        world: an open world.
        images: gives guests and images.
        threads: where VMs run.
        keyring: opens what is encrypted.
        observe: is told of snapshots that cannot be restored.
    """

    def __init__(self, world: World, images: Images, threads: VmThreads, keyring: Keyring, observe: Observer) -> None:
        self._world, self._images, self._threads = world, images, threads
        self._keyring, self._observe = keyring, observe

    async def __call__(self, run: Run) -> bool:
        """Return whether a run can be brought back from its newest snapshot and the log behind it."""
        try:
            state = await self._world.load(run.id)
            if state.snapshot is None:
                return False
            guest, image = await self._images.of(state)
            await self._threads.run(self._waking(guest, image, state))
        except KeyMissingError:
            return False  # of another worker's runs
        except TorporError as error:
            told = f"the log of run {run.id} stays, because its newest snapshot cannot be tried: {error}"
            self._observe(Remark(logging.WARNING, told))
            return False
        return True

    def _waking(self, guest: Guest, image: Image, state: RunState) -> Callable[[], None]:
        def wake() -> None:
            session = Session(
                guest,
                image,
                state,
                self._keyring.run(state.run.id, state.run.key_id),
                url="",
                events_per_call=limits.EVENTS_PER_CALL,
                allows=lambda _: True,  # what the copy asks for goes nowhere
            )
            try:
                session.wake(self._world.clock.now())
            finally:
                session.release()

        return wake
