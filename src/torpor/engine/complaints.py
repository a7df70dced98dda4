"""What a worker tells in its log of runs that wait for something that it, or anybody, lacks; each once."""

from __future__ import annotations

import logging

from torpor.codec.crypto.keys import Keyring
from torpor.engine.waiting import read_unmet
from torpor.errors import KeyMissingError
from torpor.world import World

_log = logging.getLogger("torpor.engine")


class Complaints:
    """
    What was told already.

    Args:
        world: an open world.
        keyring: the worker's keys.
    """

    def __init__(self, world: World, keyring: Keyring) -> None:
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
                what = f"{count} unfinished run{'s' * (count > 1)}"
                _log.warning("worker %s leaves alone what it cannot read: %s", worker_id, KeyMissingError(what, key))

    async def _tell_unmet_steps(self, app: str) -> None:
        unmet = [each for each in await read_unmet(self._world) if each.steps.app in ("", app)]
        for each in unmet:
            if (each.steps.app, each.steps.name) not in self._steps:
                _log.warning("%s; start a worker that has it, or give a step that replaces it renamed=", each)
        self._steps = {(each.steps.app, each.steps.name) for each in unmet}
