"""What a world keeps of guest builds and images, and what its runs need of them."""

from __future__ import annotations

import msgspec

from torpor.engine.builds import FILES, files_of, guest_of, piece_keys, stored_manifest
from torpor.engine.images import IMAGES
from torpor.model import build_key
from torpor.world import World


class KeptBuild(msgspec.Struct, frozen=True):
    """
    A guest build in a world.

    Attributes:
        build: its hash.
        guest: name of its guest, ``""`` when its manifest is damaged.
        size: bytes that are stored of it; files that builds share are counted for each of them.
        is_needed: whether runs need it that may still go on, or be looked into.
    """

    build: str
    guest: str
    size: int
    is_needed: bool


class Kept(msgspec.Struct, frozen=True):
    """
    What a world keeps so that snapshots stay of use.

    Attributes:
        builds: guest builds, in the order of their hashes.
        build_bytes: of all of them together, files that they share counted once.
        images, image_bytes: how many images, and their bytes.
        missing: guest builds that runs need and that the world does not keep.
    """

    builds: list[KeptBuild]
    build_bytes: int
    images: int
    image_bytes: int
    missing: list[str]


async def read_kept(world: World) -> Kept:
    """
    Return what a world keeps.

    Raises:
        WorldError: it cannot be read.
    """
    needed = {use.build for use in await world.images_in_use()}
    sizes = await world.blob_sizes(build_key(""))
    files = await world.blob_sizes(FILES)
    images = await world.blob_sizes(IMAGES)
    builds = []
    for key, size in sizes.items():
        build = key.removeprefix(build_key(""))
        manifest = await stored_manifest(world, build)
        guest, own = "", size
        if manifest is not None:
            guest = guest_of(manifest)
            own += sum(files.get(piece, 0) for entry in files_of(manifest).values() for piece in piece_keys(entry))
        builds.append(KeptBuild(build, guest, own, build in needed))
    missing = sorted(needed - {each.build for each in builds if each.guest})
    return Kept(builds, sum(sizes.values()) + sum(files.values()), len(images), sum(images.values()), missing)
