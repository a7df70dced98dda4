"""
Guest builds in a world: a guest is code that travels, as programs are.

A world has each build once: its manifest under :func:`torpor.model.build_key`, and the files that it names by their
hash, so that builds which share CPython share it here too. Files lie in pieces, for which no commit of a run has to
wait long; the manifest is stored last, so that who finds it finds the files.

A worker stores the build that it has when snapshots were taken with it, and makes guests of the builds of others when
runs need them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from torpor import codec
from torpor.errors import (
    BuildMissingError,
    BuildPendingError,
    HostError,
    LimitExceededError,
    SerializationError,
    WorldError,
)
from torpor.limits import MIB
from torpor.model import Run, build_key
from torpor.thread_start import in_thread, starting_thread
from torpor.vm.guest import Guest, MakeGuest
from torpor.vm.manifest import FileEntry, Manifest, StoredBuild, build_of
from torpor.world import World

T = TypeVar("T")

PIECE_BYTES: Final = MIB
"""
Of a file, before compression. On CPython with all its packages (158 MB) pieces of 1 MiB take 4 % more space than those
of 16 MiB, and one is stored in 3 ms.
"""

PAUSE_SECONDS: Final = 0.05
"""Between two pieces, so that commits of runs do not queue behind them all."""

MADE_MAX: Final = 3
"""Guests of stored builds that a worker keeps ready; one of CPython has some 100 MB mapped."""

WAIT_SECONDS: Final = 5.0
"""How long a run waits, awake, for a guest that is being made; whoever waits longer keeps others from their turns."""

FILES: Final = "file/"


def piece_key(sha256: str, number: int) -> str:
    """Return the blob key of a piece of a file, given the file's hash."""
    return f"{FILES}{sha256}/{number:05}"


def piece_keys(entry: FileEntry) -> list[str]:
    """Return the blob keys of all pieces of a file."""
    return [piece_key(entry.sha256, number) for number in range(-(-entry.size // PIECE_BYTES))]


def files_of(manifest: bytes) -> dict[str, FileEntry]:
    """Return the files that a manifest names."""
    return msgspec.json.decode(manifest, type=Manifest).files


def guest_of(manifest: bytes) -> str:
    """Return the name of the guest whose manifest it is."""
    return msgspec.json.decode(manifest, type=Manifest).guest


async def stored_manifest(world: World, build: str) -> bytes | None:
    """Return the manifest of a build as a world has it, None when it has none that is sound."""
    data = await world.blob(build_key(build))
    if data is None:
        return None
    try:
        manifest = codec.unpack_binary(data)
    except (SerializationError, LimitExceededError):
        return None
    return manifest if build_of(manifest) == build else None


async def store_installed(world: World, guests: MakeGuest, run: Run) -> None:
    """
    Put a run's guest build into the world, if it is installed here.

    Raises:
        ConfigurationError, HostError, WorldError: as :meth:`Builds.store_used`.
    """
    builds = Builds(world, guests)
    guest = builds.installed(run.guest)
    if guest.build == run.build:
        builds.use(guest)
        await builds.store_used()


class Builds:
    """
    The guest builds that a worker can have.

    Args:
        world: keeps builds.
        guests: gives the installed guests, and makes others.
        dropped: told of a build whose guest is not kept ready any more.
        wait_seconds: how long to wait for a guest that is being made; None for as long as it takes.
        stored: the builds that the world is known to have; those that are found there are added.
    """

    def __init__(
        self,
        world: World,
        guests: MakeGuest,
        dropped: Callable[[str], None] = lambda _: None,
        wait_seconds: float | None = WAIT_SECONDS,
        stored: set[str] | None = None,
    ) -> None:
        self._world, self._guests, self._dropped, self._wait_seconds = world, guests, dropped, wait_seconds
        self._made: OrderedDict[str, Guest] = OrderedDict()
        self._making: dict[str, asyncio.Task[Guest]] = {}
        self._used: dict[str, Guest] = {}  # with which snapshots were taken, and which the world may lack
        self._stored: set[str] = set() if stored is None else stored

    def installed(self, name: str) -> Guest:
        """
        Return the guest that is installed here.

        Raises:
            ConfigurationError: there is none of that name.
        """
        return self._guests(name)

    async def guest(self, name: str, build: str) -> Guest:
        """
        Return the guest of a build: the installed one, or one made of what the world has.

        Raises:
            BuildMissingError: it cannot be had.
            BuildPendingError: it is still being made.
            ConfigurationError: there is no guest of that name here.
            HostError: the host lacks something to make it.
        """
        installed = self._guests(name)
        if build == installed.build:
            return installed
        if not build:
            raise BuildMissingError(f"the guest build of {name} that the run began with is not known (version 0.1.0)")
        if build in self._made:
            self._made.move_to_end(build)
            return self._made[build]
        making = self._making.get(build)
        if making is None:
            making = self._making[build] = asyncio.create_task(self._make(name, build, installed))
            making.add_done_callback(lambda task: self._was_made(build, task))
        await asyncio.wait([making], timeout=self._wait_seconds)
        if not making.done():
            raise BuildPendingError(f"guest build {build} of {name} is still being compiled here; wait a minute")
        return making.result()

    def close(self) -> None:
        """Make nothing any more."""
        for making in list(self._making.values()):
            making.cancel()

    def _was_made(self, build: str, making: asyncio.Task[Guest]) -> None:
        del self._making[build]
        if making.cancelled() or making.exception() is not None:
            return  # whoever waits is told, and the next one tries again
        self._made[build] = making.result()
        while len(self._made) > MADE_MAX:
            oldest, guest = self._made.popitem(last=False)
            guest.retire()
            self._dropped(oldest)

    # Storing

    def use(self, guest: Guest) -> None:
        """Note that snapshots are taken with an installed guest, so that its build belongs into the world."""
        if guest.build not in self._stored and guest.build not in self._made:
            self._used[guest.build] = guest

    def look_again(self) -> None:
        """Take nothing for stored any more: it may have been dropped since."""
        self._stored.clear()

    @property
    def missing(self) -> bool:
        """Whether there is a build to be stored."""
        return bool(self._used)

    async def store_used(self) -> None:
        """
        Put the builds that are used into the world, unless they are there.

        Raises:
            ConfigurationError, HostError: an installed file is damaged, or cannot be read.
            WorldError: the world failed; what is stored already need not be stored again.
        """
        for build, guest in list(self._used.items()):
            if await stored_manifest(self._world, build) is None:
                await self._store(guest)
            self._stored.add(build)
            del self._used[build]

    async def _store(self, guest: Guest) -> None:
        files = files_of(guest.manifest)
        for name, entry in files.items():
            await self._store_file(guest, name, entry)
        await self._world.put_blob(build_key(guest.build), codec.pack_binary(guest.manifest))
        # Pieces that were there already may have been dropped before the manifest said who needs them.
        for name, entry in files.items():
            await self._store_file(guest, name, entry)

    async def _store_file(self, guest: Guest, name: str, entry: FileEntry) -> None:
        keys = piece_keys(entry)
        there = await self._world.blob_sizes(f"{FILES}{entry.sha256}/")
        if all(key in there for key in keys):
            return
        pieces = guest.files.pieces(name, PIECE_BYTES)
        for key in keys:
            packed = await in_thread("packing a guest build", _next_packed, pieces)
            if key not in there:
                await self._world.put_blob(key, packed)
                await asyncio.sleep(PAUSE_SECONDS)

    # Making

    async def _make(self, name: str, build: str, installed: Guest) -> Guest:
        manifest = await stored_manifest(self._world, build)
        if manifest is None:
            raise BuildMissingError(
                f"guest build {build} of {name} is neither installed here nor in world {self._world.url}; a worker "
                f"that has it takes the run up, or stores the build"
            )
        loop = asyncio.get_running_loop()

        def fetch(entry: FileEntry) -> bytes:
            return asyncio.run_coroutine_threadsafe(self._file(build, entry), loop).result()

        def make() -> Guest:
            guest = self._guests(name, StoredBuild(manifest, fetch, beside=installed))
            guest.prepare()
            return guest

        try:
            return await _apart(make)
        except (HostError, WorldError):
            raise
        except Exception as error:  # whatever is wrong with what came from elsewhere, it is not the run's doing
            raise BuildMissingError(f"guest build {build} of {name} cannot be made here: {error}") from error

    async def _file(self, build: str, entry: FileEntry) -> bytes:
        pieces = []
        for key in piece_keys(entry):
            data = await self._world.blob(key)
            if data is None:
                raise BuildMissingError(f"guest build {build} is not whole in world {self._world.url}: {key} is lost")
            pieces.append(await in_thread("unpacking a guest build", codec.unpack_binary, data))
        return b"".join(pieces)


def _next_packed(pieces: Iterator[bytes]) -> bytes:
    return codec.pack_binary(next(pieces))


async def _apart(work: Callable[[], T]) -> T:
    """
    Do something in a thread of its own.

    It may take a minute, and nothing waits for it that does not need it: not the runs of other builds, for which there
    are the VM threads, nor a worker that stops, nor the end of the process.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is None:
            answer.set_result(value)  # type: ignore[arg-type]  # without an error there is a value
        else:
            answer.set_exception(error)

    def carry_out() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as problem:  # noqa: BLE001  # whoever waits gets it
            error = problem
        try:
            loop.call_soon_threadsafe(settle, value, error)
        except RuntimeError:  # the loop was closed
            return

    with starting_thread("making a guest"):
        threading.Thread(target=carry_out, name="torpor-build", daemon=True).start()
    return await answer
