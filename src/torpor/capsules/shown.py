"""A world that has only the run of a capsule, to be looked at: reading is answered, and nothing else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from torpor.capsules import SCHEME
from torpor.capsules.transfer import Opened, load, opened
from torpor.clock import Clock, SystemClock
from torpor.codec.crypto.keys import Keyring
from torpor.errors import UsageError
from torpor.model import Commit, Committed, Entities
from torpor.world import READS, Capabilities, Unsubscribe, World
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.memory.parcels import keep
from torpor.worlds.memory.store import Store
from torpor.worlds.notifier import Listener

_ANSWERED: Final = READS | {"load", "parcel"}


class CapsuleWorld:
    """
    The run of a capsule as it was when it was taken out, in a world that nobody can change.

    Args:
        path: of the file.
        keyring: has the capsule's key, if it is encrypted.
        clock: what time it is there; the machine's by default.
    """

    def __init__(self, path: str | Path, keyring: Keyring, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._keyring = keyring
        self._clock = clock or SystemClock()
        self._store = Store(self.url)
        self._world = MemoryWorld(self.url, self._clock, self._store)
        self._found: Opened | None = None

    @property
    def url(self) -> str:
        return f"{SCHEME}//{self._path}"

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(durable=True, shared=False, listen_ms=0, blob_bytes_max=0)

    async def open(self) -> None:
        """
        Read the file.

        Raises:
            UsageError: there is none.
            CapsuleError, CapsuleVersionError, KeyMissingError: as :func:`torpor.capsules.transfer.opened`.
        """
        if self._found is None:
            self._found = await opened(load(self._path), self._keyring)
            keep(self._store, self._found.parcel, self._found.blobs)

    async def close(self) -> None:
        """Do nothing."""

    def subscribe(self, _listener: Listener) -> Unsubscribe:
        return lambda: None

    def commit_at_once(self, _commit: Commit, _held: Entities) -> Committed | None:
        raise _refusal("commit_at_once", self.url)

    def hand_in(self, *_: object) -> bool:
        raise _refusal("hand_in", self.url)


def capsule_world(path: str | Path, keyring: Keyring | None = None) -> World:
    """Return the world of a capsule's file, not yet opened; see :class:`CapsuleWorld`."""
    return cast(World, CapsuleWorld(path, keyring or Keyring()))


def path_of(url: str) -> Path:
    """Return the file that a URL names: ``capsule:///an/absolute.capsule``, ``capsule:a/relative.capsule``."""
    return Path(url.removeprefix(SCHEME).removeprefix("//"))


def _refusal(method: str, url: str) -> UsageError:
    return UsageError(
        f"{url} is a run in a file, to be looked at, and {method} would change it; torpor import brings it into a world"
    )


def _answered(name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(World, name))
    async def call(self: CapsuleWorld, *args: Any, **kwargs: Any) -> Any:
        if name not in _ANSWERED:
            raise _refusal(name, self.url)
        return await getattr(self._world, name)(*args, **kwargs)

    return call


for _name, _member in ((name, member) for each in World.__mro__ for name, member in vars(each).items()):
    if inspect.iscoroutinefunction(_member) and _name not in vars(CapsuleWorld):
        setattr(CapsuleWorld, _name, _answered(_name))
