"""What leads from a worker to its world, and can be cut: for a worker that dies at a point of its work."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any, cast

from torpor.engine.failpoints import Failpoint
from torpor.world import World


class Death:
    """
    A worker's death at a point of its work.

    Args:
        point: where.
        nth: 1 for the next time that it is passed.

    Attributes:
        died: whether it has come.
    """

    def __init__(self, point: Failpoint, nth: int) -> None:
        self._point, self._left = point, nth
        self.died = False

    def comes(self, observation: object) -> bool:
        """Return whether this observation is the one to die at."""
        if observation == self._point:
            self._left -= 1
            self.died = self._left == 0
        return self.died


class Mortal:
    """
    A worker's way to a world.

    Args:
        world: where it leads.

    Attributes:
        world: the same as the worker sees it: once the way is cut, nothing is answered any more.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_cut = False
        self.world = cast("World", _Way(self))

    def cut(self) -> None:
        """Let nothing through from now on."""
        self._is_cut = True

    def method(self, name: str) -> Any:
        """Return what the world has under a name, behind the cut if it asks the store."""
        found = getattr(self._world, name)
        if name == "commit_at_once":  # from a VM's thread; what it does not store is left to `commit`
            return lambda *args, **kwargs: None if self._is_cut else found(*args, **kwargs)
        if name == "hand_in":
            return lambda *args, **kwargs: not self._is_cut and found(*args, **kwargs)
        if not inspect.iscoroutinefunction(found):
            return found

        @functools.wraps(found)
        async def asked(*args: Any, **kwargs: Any) -> Any:
            if self._is_cut:
                await asyncio.get_running_loop().create_future()  # nobody answers
            return await found(*args, **kwargs)

        return asked


class _Way:
    def __init__(self, mortal: Mortal) -> None:
        self._mortal = mortal

    def __getattr__(self, name: str) -> Any:
        return self._mortal.method(name)
