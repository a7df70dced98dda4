"""Guest builds and images that no run needs leave the world, and none that one needs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.test_builds import OLD, made
from torpor import codec
from torpor.codec.crypto.keys import Keyring
from torpor.engine import upkeep
from torpor.engine.builds import piece_keys
from torpor.engine.images import Images, image_key
from torpor.engine.threads import VmThreads
from torpor.engine.upkeep import Sweep, Upkeep
from torpor.lifecycle import EventType
from torpor.model import DeployedWorkflow, Deployment, Event, build_key
from torpor.testing.worlds.story import Turn, ending, new_run, take
from torpor.vm.manifest import FileEntry, Manifest, build_of, manifest_bytes
from torpor.world import Capabilities
from torpor.worlds.memory import MemoryWorld

SHARED = FileEntry.of(b"what two builds share")
OWN = FileEntry.of(b"what one build has")


def manifest(name: str, *files: FileEntry) -> bytes:
    """Return a manifest."""
    return manifest_bytes(Manifest(name, 1, {f"file {n}": entry for n, entry in enumerate(files)}))


A, B = manifest("a", SHARED, OWN), manifest("b", SHARED)
PIECES = {key for entry in (SHARED, OWN) for key in piece_keys(entry)}


@pytest.fixture
async def world() -> MemoryWorld:
    """A world that has two builds and an image of each."""
    world = MemoryWorld()
    await world.open()
    for each in (A, B):
        await world.put_blob(build_key(build_of(each)), codec.pack_binary(each))
        await world.put_blob(image_key("p", build_of(each), ""), b"image")
    for key in PIECES:
        await world.put_blob(key, b"piece")
    return world


async def starts(world: MemoryWorld, run_id: str, build: bytes, program: str = "p") -> None:
    """Start a run of a build."""
    await world.create_run(replace(new_run(run_id), build=build_of(build), program=program))


async def kept(world: MemoryWorld) -> set[str]:
    """Look twice, and return what is left."""
    sweep = Sweep(world)
    for _ in range(2):
        await sweep.look()
    return set(await world.blob_sizes(""))


def all_of(each: bytes, *files: FileEntry) -> set[str]:
    """Return the keys of a build, its image, and files."""
    build = build_of(each)
    return {build_key(build), image_key("p", build, "")} | {key for entry in files for key in piece_keys(entry)}


async def test_what_no_run_needs_goes_at_the_second_look(world: MemoryWorld) -> None:
    """The first one only takes note of it, since somebody may just be storing it for a run to come."""
    sweep = Sweep(world)
    there = set(await world.blob_sizes(""))

    assert await sweep.look() == []
    assert set(await world.blob_sizes("")) == there
    assert set(await sweep.look()) == there
    assert await world.blob_sizes("") == {}


async def test_what_a_sleeping_run_needs_stays(world: MemoryWorld) -> None:
    """Its build, the files of that, also those that another build shares, and its image."""
    await starts(world, "wrun_1", B)

    assert await kept(world) == all_of(B, SHARED)


@pytest.mark.parametrize(("end", "stays"), [("run_failed", True), ("run_completed", False)])
async def test_what_failed_runs_need_stays(world: MemoryWorld, end: EventType, stays: bool) -> None:
    """They may be looked into; those that completed have nothing to look into."""
    await starts(world, "wrun_1", A)
    [task] = await take(world)
    await Turn(world, task, 1).commit(Event("run_started", 1), ending(end))

    assert await kept(world) == (all_of(A, SHARED, OWN) if stays else set())


async def test_what_a_deployment_will_start_stays(world: MemoryWorld) -> None:
    """Whatever key its runs will have; programs that it does not have are none of them."""
    build = build_of(A)
    await world.put_blob(image_key("p", build, "k1"), b"image")
    await world.put_blob(image_key("q", build, ""), b"image")
    await world.put_deployment(Deployment("d1", "shop", {"w": DeployedWorkflow("p", "quickjs", build, "")}))

    assert await kept(world) == all_of(A, SHARED, OWN) | {image_key("p", build, "k1")}


async def test_images_of_programs_that_nobody_runs_go(world: MemoryWorld) -> None:
    """Also those under other keys, and those that version 0.1.0 has stored by their hashes."""
    await starts(world, "wrun_1", A)
    for key in (image_key("q", build_of(A), ""), image_key("p", build_of(A), "k1"), "image/c0ffee"):
        await world.put_blob(key, b"image")

    assert await kept(world) == all_of(A, SHARED, OWN)


async def test_a_run_that_begins_between_two_looks_keeps_what_it_needs(world: MemoryWorld) -> None:
    """What was not needed the last time is needed now."""
    sweep = Sweep(world)
    await sweep.look()
    await starts(world, "wrun_1", A)
    await sweep.look()

    assert set(await world.blob_sizes("")) == all_of(A, SHARED, OWN)


@pytest.mark.parametrize("at", range(6))
async def test_a_run_that_begins_while_its_build_is_dropped_gets_it_back(
    world: MemoryWorld, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever that happens, afterwards everything that it needs is there."""
    monkeypatch.setattr(upkeep, "_BATCH", 2)
    sweep = Sweep(world)
    await sweep.look()
    delete, left = world.delete_blob, [at]

    async def deleted(key: str) -> None:
        await delete(key)
        if left[0] == 0:  # a worker that has this build starts a run and stores what it finds missing
            await starts(world, "wrun_1", A)
            await world.put_blob(build_key(build_of(A)), codec.pack_binary(A))
            for piece in PIECES - (await world.blob_sizes("file/")).keys():
                await world.put_blob(piece, b"piece")
        left[0] -= 1

    monkeypatch.setattr(world, "delete_blob", deleted)
    await sweep.look()
    monkeypatch.undo()

    needed = all_of(A, SHARED, OWN)
    there = set(await world.blob_sizes(""))
    assert needed - there <= {image_key("p", build_of(A), "")}, "an image is made anew from program and build"
    await kept(world)
    assert needed - set(await world.blob_sizes("")) == needed - there


async def test_nothing_is_dropped_on_the_word_of_a_damaged_manifest(world: MemoryWorld) -> None:
    """It cannot say which files its build needs."""
    await starts(world, "wrun_1", A)
    await world.put_blob(build_key(build_of(A)), b"damaged")
    there = set(await world.blob_sizes(""))

    assert await kept(world) == there


async def test_a_worker_looks_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a world that outlives it; then it does not take for stored what it may have dropped."""

    class Durable(MemoryWorld):
        """Says that it outlives its process."""

        capabilities = Capabilities(durable=True, shared=True, listen_ms=1, blob_bytes_max=2**30)

    monkeypatch.setattr(upkeep, "SWEEP_ROUNDS", 1)
    world = Durable()
    threads = VmThreads(1)
    images = Images(world, made, threads, Keyring())
    kept_up = Upkeep(world, images)
    found = []
    for used in (True, False, True):
        if used:
            images.builds.use(OLD)
        await kept_up.round()
        found.append(await world.has_blob(build_key(OLD.build)))
    threads.shutdown()

    assert found == [True, False, True]
