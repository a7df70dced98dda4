"""
Programs and images: from a run's content address to something a VM can be leased with.

The source of a program is a blob of the world, and so is each image that a snapshot was taken against: a run keeps
both, whatever is deployed later. An image that is lost or belongs to another guest build is made anew from the source;
its snapshots then do not fit, and their runs are rebuilt from their logs. A row that is damaged is written anew: an
image's from the image, a program's by whoever has the program.
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
from torpor.engine.threads import VmThreads
from torpor.errors import LimitExceededError, ProgramMissingError, SerializationError, SnapshotError
from torpor.model import RunState
from torpor.vm.guest import Guest, Image, Program, program_bytes, program_id
from torpor.world import World

_log = logging.getLogger("torpor.engine")
IMAGES_KEPT = 64


def program_key(program: str, key_id: str) -> str:
    """Return the blob key of the program with this content address, for runs that are encrypted under *key_id*."""
    return _blob_key(f"program/{program}", key_id)


def image_key(image_hash: str, key_id: str) -> str:
    """Return the blob key of an image, for runs that are encrypted under *key_id*."""
    return _blob_key(f"image/{image_hash}", key_id)


def _blob_key(content: str, key_id: str) -> str:
    # One blob for each deployment key: what a run needs can be read with its own key, and older ones can be dropped.
    return f"{content}@{key_id}" if key_id else content


async def store_program(world: World, keyring: Keyring, program: Program, load: Callable[[Program], object]) -> None:
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
    if await asyncio.to_thread(_read_program, await world.blob(name), blob_codec, address) is None:
        await asyncio.to_thread(load, program)
        await world.put_blob(name, blob_codec.pack_binary(program_bytes(program)))


async def read_program(world: World, keyring: Keyring, program: str, key_id: str) -> Program | None:
    """
    Return the program of a content address as runs under the key *key_id* have it, None when the world has none, or a
    damaged one.

    Raises:
        KeyMissingError: that key is not here.
    """
    name = program_key(program, key_id)
    return await asyncio.to_thread(_read_program, await world.blob(name), keyring.blob(name, key_id), program)


class Images:
    """
    Images by program and by hash, made or fetched once and kept while they are in use.

    Args:
        world: holds the blobs.
        guests: gives the guest of a name.
        threads: where loading and reviving run.
        keyring: packs and unpacks the blobs.
        programs: returns the program of a content address, if this process knows it otherwise.
    """

    def __init__(
        self,
        world: World,
        guests: Callable[[str], Guest],
        threads: VmThreads,
        keyring: Keyring,
        programs: Callable[[str], Program | None] = lambda _: None,
    ) -> None:
        self._programs = programs
        self._world = world
        self._guests = guests
        self._threads = threads
        self._keyring = keyring
        self._kept: OrderedDict[str, Image] = OrderedDict()
        self._stored: set[str] = set()
        self._lock = asyncio.Lock()

    async def of(self, state: RunState) -> tuple[Guest, Image]:
        """
        Return the guest and the image that a run goes on with: its snapshot's, or its program's.

        Raises:
            ProgramMissingError: the world has no such program, or a damaged one, and this process does not have it.
            KeyMissingError: the run's key is not here.
            ProgramError: the program does not load.
            ConfigurationError: its guest is not here, or does not boot.
            HostError: the system lacks memory or descriptors.
            SnapshotError: the image of the snapshot is lost; the run must be rebuilt from its log.
        """
        guest = self._guests(state.run.guest)
        image = await self._program_image(guest, state.run.program, state.run.key_id)
        if state.snapshot is None or state.snapshot.image == image.hash:
            return guest, image
        return guest, await self._stored_image(guest, state.snapshot.image, image.program, state.run.key_id)

    async def store(self, image: Image, key_id: str) -> None:
        """Put an image into the world, so that snapshots of runs under the key *key_id* outlive this process."""
        name = image_key(image.hash, key_id)
        if name in self._stored:
            return
        packed = await self._threads.run(
            _repacked, image, await self._world.blob(name), self._keyring.blob(name, key_id)
        )
        if packed is not None:
            await self._world.put_blob(name, packed)
        self._stored.add(name)

    async def _program_image(self, guest: Guest, program: str, key_id: str) -> Image:
        async def load() -> Image:
            blob_codec = self._keyring.blob(name, key_id)
            data = await self._world.blob(name)
            found = await self._threads.run(_read_program, data, blob_codec, program)
            if found is None and (found := self._programs(program)) is not None:
                _log.warning("program %s was damaged or gone in world %s; stored it anew", program, self._world.url)
                await self._world.put_blob(name, blob_codec.pack_binary(program_bytes(found)))
            if found is None:
                problem = "no program" if data is None else "only a damaged copy of program"
                raise ProgramMissingError(
                    f"world {self._world.url} has {problem} {program}; start the application that defines the workflow"
                    f" once, which stores it again"
                )
            return await self._threads.run(guest.load, found)

        name = program_key(program, key_id)
        return await self._once(program, load)

    async def _stored_image(self, guest: Guest, image_hash: str, program: Program, key_id: str) -> Image:
        async def revive() -> Image:
            data = await self._world.blob(name)
            if data is None:
                raise SnapshotError(
                    f"image {image_hash} is not in world {self._world.url}, and the program gives another one"
                )
            blob_codec = self._keyring.blob(name, key_id)
            try:
                image = await self._threads.run(lambda: guest.revive(blob_codec.unpack_binary(data), program))
            except (SerializationError, LimitExceededError) as error:
                raise SnapshotError(f"image {image_hash} in world {self._world.url} is damaged: {error}") from error
            if image.hash != image_hash:
                raise SnapshotError(f"in the place of image {image_hash} in world {self._world.url} is {image.hash}")
            self._stored.add(name)
            return image

        name = image_key(image_hash, key_id)
        return await self._once(image_hash, revive)

    async def _once(self, address: str, make: Callable[[], Awaitable[Image]]) -> Image:
        """
        Return the image of a content address, a program's or its own, made first if there is none; one is made at a
        time.
        """
        if found := self._find(address):
            return found
        async with self._lock:
            return self._find(address) or self._keep(address, await make())

    def _find(self, address: str) -> Image | None:
        image = self._kept.get(address)
        if image is not None:
            self._kept.move_to_end(address)
        return image

    def _keep(self, address: str, image: Image) -> Image:
        self._kept[address] = image
        while len(self._kept) > IMAGES_KEPT:
            self._kept.popitem(last=False)
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
