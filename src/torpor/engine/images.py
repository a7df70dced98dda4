"""
Programs and images: from a run's content address to something a VM can be leased with.

A run keeps its program, which is a blob of the world, and its guest build (:mod:`.builds`), whatever is deployed later;
program and build together make the image that its snapshots refer to. The image is stored too, because under a key it
says what the world does not: that somebody who has the key ran that program in that build. A build that is not
installed here is given nothing of an encrypted run before.

A row that is damaged is written anew: an image's from the image, a program's by whoever has the program.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine.builds import WAIT_SECONDS, Builds
from torpor.engine.observer import Observer, Remark, ignore
from torpor.engine.threads import VmThreads
from torpor.errors import (
    BuildMissingError,
    LimitExceededError,
    ProgramMissingError,
    SerializationError,
    SnapshotError,
)
from torpor.model import Run, RunState
from torpor.thread_start import in_thread
from torpor.vm.guest import Guest, Image, MakeGuest, Program, program_bytes, program_id
from torpor.world import World

_log = logging.getLogger("torpor.engine")
IMAGES_KEPT = 64

IMAGES = "image/"
PROGRAMS = "program/"
_READING = "reading a program"

_told: set[str] = set()  # hashes of images


def program_key(program: str, key_id: str) -> str:
    """Return the blob key of the program with this content address, for runs that are encrypted under *key_id*."""
    return _blob_key(f"{PROGRAMS}{program}", key_id)


def image_key(program: str, build: str, key_id: str) -> str:
    """Return the blob key of a program's image in a guest build, for runs that are encrypted under *key_id*."""
    return _blob_key(f"{IMAGES}{program}/{build}", key_id)


def _blob_key(content: str, key_id: str) -> str:
    # One blob for each deployment key: what a run needs can be read with its own key, and older ones can be dropped.
    return f"{content}@{key_id}" if key_id else content


def _untold(image: Image) -> str | None:
    """Return, once in a process, which line keeps the runs of a program from sharing its image; None without one."""
    if image.per_run is None or image.hash in _told:
        return None
    _told.add(image.hash)
    return unshared_text(image.per_run)


def unshared_text(place: str) -> str:
    """Return what it means that a place in module scope reads the clock or draws entropy, and what to do."""
    return (
        f"{place} reads the clock or draws random numbers while its module is loaded, so every run evaluates the"
        " program anew and has it in its snapshots; do that inside a workflow function"
    )


async def store_program(world: World, keyring: Keyring, program: Program, load: Callable[[Program], Image]) -> None:
    """
    Put a program into the world, where runs find it, unless it is there as it should be.

    Args:
        world: an open world.
        keyring: its newest key encrypts the program.
        program: which.
        load: loads it in a VM, so that one that does not work is refused before anything is stored.

    Raises:
        ConfigurationError: it does not load; the message names file and line.
    """
    address = program_id(program)
    name = program_key(address, keyring.current)
    blob_codec = keyring.blob(name, keyring.current)
    if await in_thread(_READING, _read_program, await world.blob(name), blob_codec, address) is None:
        if told := _untold(await in_thread("loading a program", load, program)):
            _log.warning("%s", told)
        await world.put_blob(name, blob_codec.pack_binary(program_bytes(program)))


async def read_program(world: World, keyring: Keyring, program: str, key_id: str) -> Program | None:
    """
    Return the program of a content address as runs under the key *key_id* have it, None when the world has none, or a
    damaged one.

    Raises:
        KeyMissingError: that key is not here.
    """
    name = program_key(program, key_id)
    return await in_thread(_READING, _read_program, await world.blob(name), keyring.blob(name, key_id), program)


class Kept:
    """
    Images that are at hand, for one worker after the other of the same world and guests.

    Attributes:
        images: by build and program, the last used at the end.
        stored: names of those that the world has.
        builds: the guest builds that the world has.
    """

    def __init__(self) -> None:
        self.images: OrderedDict[str, Image] = OrderedDict()
        self.stored: set[str] = set()
        self.builds: set[str] = set()


class Images:
    """
    Images by program and guest build, made or fetched once and kept while they are in use.

    Args:
        world: holds the blobs.
        guests: gives the installed guests, and makes others.
        threads: where loading and reviving run.
        keyring: packs and unpacks the blobs.
        programs: returns the program of a content address, if this process knows it otherwise.
        build_wait_seconds: how long to wait for a guest that is being made; None for as long as it takes.
        observe: is told what was damaged.
        kept: what is at hand already.

    Attributes:
        builds: the guest builds that can be had.
    """

    def __init__(
        self,
        world: World,
        guests: MakeGuest,
        threads: VmThreads,
        keyring: Keyring,
        programs: Callable[[str], Program | None] = lambda _: None,
        build_wait_seconds: float | None = WAIT_SECONDS,
        observe: Observer = ignore,
        kept: Kept | None = None,
    ) -> None:
        self._observe = observe
        self._at_hand = kept or Kept()
        self.builds = Builds(world, guests, self._forget, build_wait_seconds, self._at_hand.builds)
        self._programs = programs
        self._world = world
        self._threads = threads
        self._keyring = keyring
        self._lock = asyncio.Lock()

    async def of(self, state: RunState) -> tuple[Guest, Image]:
        """
        Return the guest of a run's own build, and the image that the run goes on with.

        Raises:
            BuildMissingError: the build cannot be had here.
            BuildPendingError: it is still being made.
            ProgramMissingError: the world has no such program, or a damaged one, and this process does not have it.
            KeyMissingError: the run's key is not here.
            ProgramError: the program does not load.
            ConfigurationError: its guest is not here, or does not boot.
            HostError: the system lacks memory or descriptors.
            SnapshotError: the image of the snapshot is lost; the run must be rebuilt from its log.
        """
        run, wanted = state.run, state.snapshot.image if state.snapshot is not None else ""
        guest = await self.builds.guest(run.guest, run.build)
        is_installed = guest is self.builds.installed(run.guest)
        image = await (self._loaded(guest, run) if is_installed else self._vouched(guest, run))
        if not wanted or wanted == image.hash:
            return guest, image
        if is_installed and (kept := await self._revived(guest, run, image.program)) is not None:
            image = kept
        if wanted != image.hash:
            raise SnapshotError(
                f"the snapshot's image {wanted} is not in world {self._world.url}, and the program gives {image.hash}"
            )
        return guest, image

    async def installed(self, run: Run) -> tuple[Guest, Image]:
        """
        Return the guest that is installed here, and the image of a run's program in it.

        Raises:
            ProgramMissingError, KeyMissingError, ProgramError, ConfigurationError, HostError: as :meth:`of`.
        """
        guest = self.builds.installed(run.guest)
        return guest, await self._loaded(guest, run)

    async def store(self, guest: Guest, image: Image, run: Run) -> None:
        """See to it that a snapshot of a run, which refers to this image, is of use when this process is gone."""
        self.builds.use(guest)
        name = image_key(run.program, guest.build, run.key_id)
        if name in self._at_hand.stored:
            return
        packed = await self._threads.run(
            _repacked, image, await self._world.blob(name), self._keyring.blob(name, run.key_id)
        )
        if packed is not None:
            await self._world.put_blob(name, packed)
        self._at_hand.stored.add(name)

    def look_again(self) -> None:
        """Take nothing for stored any more: it may have been dropped since."""
        self._at_hand.stored.clear()
        self.builds.look_again()

    async def _loaded(self, guest: Guest, run: Run) -> Image:
        """Return the image of a run's program in the installed guest."""

        async def load() -> Image:
            return await self._threads.run(guest.load, await self._program(run))

        return await self._once(f"{guest.build}/{run.program}", load)

    async def _vouched(self, guest: Guest, run: Run) -> Image:
        """
        Return the image of a run's program in a guest that came from the world.

        What the world says of an encrypted run's build, anybody may have written who can write to it. What was stored
        under the run's key was not.
        """

        async def make() -> Image:
            program = await self._program(run)
            image = await self._revived(guest, run, program)
            if image is None and run.key_id:
                raise BuildMissingError(
                    f"guest build {run.build} is not installed here, and nothing that is encrypted under key "
                    f"{run.key_id} names it, so it is not given what run {run.id} holds"
                )
            return await self._threads.run(guest.load, program) if image is None else image

        return await self._once(f"{guest.build}/{run.program}@{run.key_id}", make)

    async def _revived(self, guest: Guest, run: Run, program: Program) -> Image | None:
        """Return the image that is stored, None when there is none that is sound."""
        name = image_key(run.program, guest.build, run.key_id)
        data = await self._world.blob(name)
        if data is None:
            return None
        blob_codec = self._keyring.blob(name, run.key_id)
        try:
            return await self._threads.run(lambda: guest.revive(blob_codec.unpack_binary(data), program))
        except (SerializationError, LimitExceededError, SnapshotError) as error:
            self._observe(Remark(logging.WARNING, f"image {name} in world {self._world.url} is of no use: {error}"))
            return None

    async def _program(self, run: Run) -> Program:
        name = program_key(run.program, run.key_id)
        blob_codec = self._keyring.blob(name, run.key_id)
        data = await self._world.blob(name)
        found = await self._threads.run(_read_program, data, blob_codec, run.program)
        if found is None and (found := self._programs(run.program)) is not None:
            told = f"program {run.program} was damaged or gone in world {self._world.url}; stored it anew"
            self._observe(Remark(logging.WARNING, told))
            await self._world.put_blob(name, blob_codec.pack_binary(program_bytes(found)))
        if found is None:
            problem = "no program" if data is None else "only a damaged copy of program"
            raise ProgramMissingError(
                f"world {self._world.url} has {problem} {run.program}; start the application that defines the workflow"
                f" once, which stores it again"
            )
        return found

    def _forget(self, build: str) -> None:
        for address in [address for address in self._at_hand.images if address.startswith(f"{build}/")]:
            del self._at_hand.images[address]

    async def _once(self, address: str, make: Callable[[], Awaitable[Image]]) -> Image:
        """Return the image of an address, made first if there is none; one is made at a time."""
        if found := self._find(address):
            return found
        async with self._lock:
            return self._find(address) or self._keep(address, await make())

    def _find(self, address: str) -> Image | None:
        image = self._at_hand.images.get(address)
        if image is not None:
            self._at_hand.images.move_to_end(address)
        return image

    def _keep(self, address: str, image: Image) -> Image:
        if told := _untold(image):
            self._observe(Remark(logging.WARNING, told))
        self._at_hand.images[address] = image
        while len(self._at_hand.images) > IMAGES_KEPT:
            self._at_hand.images.popitem(last=False)
        return image


def _repacked(image: Image, stored: bytes | None, blob_codec: RunCodec) -> bytes | None:
    """Return what to store of an image, None when it is stored already."""
    data = image.to_bytes()
    if stored is not None:
        with suppress(SerializationError, LimitExceededError):
            if blob_codec.unpack_binary(stored) == data:
                return None
    return blob_codec.pack_binary(data)


def _read_program(stored: bytes | None, blob_codec: RunCodec, address: str) -> Program | None:
    """Return the program in a row, None when there is none, or it is damaged or another one."""
    if stored is None:
        return None
    try:
        source = blob_codec.unpack_binary(stored)
        # What was loaded serves every run of the address, whoever has stored it, and under whatever key.
        if hashlib.sha256(source).hexdigest() == address:
            return msgspec.json.decode(source, type=Program)
    except (SerializationError, LimitExceededError, msgspec.DecodeError):
        pass
    return None
