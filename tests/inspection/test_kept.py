"""What a world keeps of guest builds."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from tests.engine.test_builds import OLD, made
from tests.releases.upgrades import newer_quickjs
from torpor import codec
from torpor.engine.builds import Builds
from torpor.engine.images import image_key
from torpor.inspection.kept import KeptBuild, read_kept
from torpor.model import build_key
from torpor.testing.worlds.story import new_run
from torpor.worlds.memory import MemoryWorld


async def test_sizes_and_needs_of_builds_are_told(tmp_path: Path) -> None:
    """What builds share counts for each of them, and once in the sum; what runs need and is not there is named."""
    world, newer = MemoryWorld(), newer_quickjs(tmp_path / "newer")
    for guest in (OLD, newer):
        builds = Builds(world, made)
        builds.use(guest)
        await builds.store_used()
    for n, build in enumerate((OLD.build, "c0ffee")):
        await world.create_run(replace(new_run(f"wrun_{n}"), build=build))
    await world.put_blob(image_key("p", OLD.build, ""), b"image")
    stored = sum((await world.blob_sizes("")).values()) - len(b"image")

    kept = await read_kept(world)

    sizes = {each.build: each.size for each in kept.builds}
    assert kept.builds == [
        KeptBuild(build, "quickjs", sizes[build], build == OLD.build) for build in sorted((OLD.build, newer.build))
    ]
    assert max(sizes.values()) < stored == kept.build_bytes < sum(sizes.values())
    assert (kept.images, kept.image_bytes, kept.missing) == (1, 5, ["c0ffee"])


async def test_a_damaged_build_is_as_good_as_none() -> None:
    """It is listed, and missing where a run needs it."""
    world = MemoryWorld()
    await world.create_run(replace(new_run(), build="c0ffee"))
    await world.put_blob(build_key("c0ffee"), codec.pack_binary(b"{}"))

    kept = await read_kept(world)

    [build] = kept.builds
    assert (build.guest, build.is_needed, kept.missing) == ("", True, ["c0ffee"])
