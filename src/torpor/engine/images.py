"""
Programs and images: from a run's content address to something a VM can be leased with.

The source of a program is a blob of the world, and so is each image that a snapshot was taken against: a run keeps
both, whatever is deployed later. An image that is lost or belongs to another guest build is made anew from the source;
its snapshots then do not fit, and their runs are rebuilt from their logs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from torpor import codec
from torpor.engine.threads import VmThreads
from torpor.errors import ProgramMissingError, SerializationError, SnapshotError
from torpor.model import RunState
from torpor.vm.guest import Guest, Image, Program
from torpor.world import World

_IMAGES_KEPT = 64


def program_key(program: str) -> str:
    """Return the blob key of the program with this content address."""
    return f"program/{program}"


def image_key(image_hash: str) -> str:
    """Return the blob key of an image."""
    return f"image/{image_hash}"


class Images:
    """
    Images by program and by hash, made or fetched once and kept while they are in use.

    Args:
        world: holds the blobs.
        guests: gives the guest of a name.
        threads: where loading and reviving run.
    """

    def __init__(self, world: World, guests: Callable[[str], Guest], threads: VmThreads) -> None:
        self._world = world
        self._guests = guests
        self._threads = threads
        self._kept: OrderedDict[str, Image] = OrderedDict()
        self._stored: set[str] = set()
        self._lock = asyncio.Lock()

    async def of(self, state: RunState) -> tuple[Guest, Image]:
        """
        Return the guest and the image that a run goes on with: its snapshot's, or its program's.

        Raises:
            ProgramMissingError: the world has no such program.
            ConfigurationError: the program cannot be loaded.
            SnapshotError: the image of the snapshot is lost; the run must be rebuilt from its log.
        """
        guest = self._guests(state.run.guest)
        image = await self._program_image(guest, state.run.program)
        if state.snapshot is None or state.snapshot.image == image.hash:
            return guest, image
        return guest, await self._stored_image(guest, state.snapshot.image, image.program)

    async def store(self, image: Image) -> None:
        """Put an image into the world, so that its snapshots outlive this process."""
        if image.hash in self._stored:
            return
        key = image_key(image.hash)
        if await self._world.blob(key) is None:
            await self._world.put_blob(key, await self._threads.run(_packed, image))
        self._stored.add(image.hash)

    async def _program_image(self, guest: Guest, program: str) -> Image:
        async def load() -> Image:
            data = await self._world.blob(key)
            if data is None:
                raise ProgramMissingError(
                    f"world {self._world.url} has no program {program}; start the application that defines the "
                    f"workflow once, which stores it again"
                )
            source = msgspec.json.decode(codec.unseal_binary(data), type=Program)
            return await self._threads.run(guest.load, source)

        key = program_key(program)
        return await self._once(key, load)

    async def _stored_image(self, guest: Guest, image_hash: str, program: Program) -> Image:
        async def revive() -> Image:
            data = await self._world.blob(key)
            if data is None:
                raise SnapshotError(
                    f"image {image_hash} is not in world {self._world.url}, and the program gives another one"
                )
            try:
                image = await self._threads.run(guest.revive, codec.unseal_binary(data), program)
            except SerializationError as error:
                raise SnapshotError(f"image {image_hash} in world {self._world.url} is damaged: {error}") from error
            self._stored.add(image_hash)
            return image

        key = image_key(image_hash)
        return await self._once(key, revive)

    async def _once(self, key: str, make: Callable[[], Awaitable[Image]]) -> Image:
        """Return the image kept under *key*, made first if there is none; one is made at a time."""
        if found := self._find(key):
            return found
        async with self._lock:
            return self._find(key) or self._keep(key, await make())

    def _find(self, key: str) -> Image | None:
        image = self._kept.get(key)
        if image is not None:
            self._kept.move_to_end(key)
        return image

    def _keep(self, key: str, image: Image) -> Image:
        self._kept[key] = image
        while len(self._kept) > _IMAGES_KEPT:
            self._kept.popitem(last=False)
        return image


def _packed(image: Image) -> bytes:
    return codec.seal_binary(image.to_bytes())
