"""What a worker tells of runs that wait for something that it, or anybody, lacks; each once."""

from __future__ import annotations

from torpor.codec.crypto.keys import Keyring
from torpor.engine.observer import Observer, RunsLeftAlone, StepsWait
from torpor.engine.waiting import read_unmet
from torpor.world import World


class Complaints:
    """
    What was told already.

    Args:
        world: an open world.
        keyring: the worker's keys.
        observe: takes what is told.
    """

    def __init__(self, world: World, keyring: Keyring, observe: Observer) -> None:
        self._observe = observe
        self._world = world
        self._keyring = keyring
        self._keys: set[str] = set()
        self._steps: set[tuple[str, str]] = set()

    async def tell(self, worker_id: str, app: str) -> None:
        """Say what runs of an application wait for."""
        await self._tell_missing_keys(worker_id)
        await self._tell_unmet_steps(app)

    async def _tell_missing_keys(self, worker_id: str) -> None:
        for key, count in (await self._world.runs_by_key(live=True)).items():
            if key not in self._keyring.ids and key not in self._keys:
                self._keys.add(key)
                self._observe(RunsLeftAlone(worker_id, key, count))

    async def _tell_unmet_steps(self, app: str) -> None:
        unmet = [each for each in await read_unmet(self._world) if each.steps.app in ("", app)]
        for each in unmet:
            if (each.steps.app, each.steps.name) not in self._steps:
                self._observe(StepsWait(each))
        self._steps = {(each.steps.app, each.steps.name) for each in unmet}
