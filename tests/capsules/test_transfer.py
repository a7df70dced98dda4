"""Runs that are taken out and put in: programs, guests, keys, and who dies in between."""

from __future__ import annotations

import hashlib
import itertools

import msgspec
import pytest
from msgspec.structs import replace

from tests.capsules.test_moving import DiedError, Mortal
from torpor import codec
from torpor.capsules import blobs
from torpor.capsules.contents import BLOB, parts_of
from torpor.capsules.file import read, written
from torpor.capsules.transfer import opened, put_in, take_out
from torpor.codec.crypto.keys import Keyring
from torpor.engine.builds import files_of
from torpor.engine.images import program_key
from torpor.errors import BuildMissingError, CapsuleError, EntityConflictError
from torpor.model import Run, RunFilter, build_key
from torpor.programs.catalogue import guests
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.parcels import live
from torpor.testing.worlds.story import RUN, WORKER, T, begin, new_run, take
from torpor.worlds.memory import MemoryWorld

NONE = Keyring()
SOURCE = b'{"some": "program"}'
PROGRAM = hashlib.sha256(SOURCE).hexdigest()


def world() -> MemoryWorld:
    """Return a world of its own."""
    return MemoryWorld(clock=ManualClock(T))


async def test_the_program_goes_along() -> None:
    """Under its hash; one that is another one is refused, and one that is there stays."""
    source, target = world(), world()
    await source.create_run(replace(new_run(), program=PROGRAM))
    await source.put_blob(program_key(PROGRAM, ""), codec.pack_binary(SOURCE))
    data = await take_out(source, RUN, NONE)
    await put_in(target, data, NONE)
    assert await target.blob(program_key(PROGRAM, "")) == codec.pack_binary(SOURCE)
    parcel = await source.parcel(RUN)
    parts = {**parts_of(parcel), BLOB + program_key(PROGRAM, ""): codec.pack_binary(b"another")}
    with pytest.raises(CapsuleError, match="another one"):
        await put_in(world(), written(read(data).manifest, parts, NONE), NONE)


async def test_an_encrypted_run_stays_sealed() -> None:
    """Neither who takes it out nor who puts it in needs its key, and nothing of it is opened."""
    source, target = world(), world()
    new = replace(new_run(args=b"encrxxxx"), key_id="k1", public=b"p" * 32, seed=b"", program=PROGRAM)
    await source.create_run(new)
    await source.put_blob(program_key(PROGRAM, "k1"), b"encryyyy")
    data = await take_out(source, RUN, NONE)
    assert read(data).manifest.run_key_id == "k1"
    run = await put_in(target, data, NONE)
    assert (run.key_id, run.public, run.seed) == ("k1", b"p" * 32, b"")
    assert await target.blob(program_key(PROGRAM, "k1")) == b"encryyyy"
    assert (await target.events(RUN))[0].payload == b"encrxxxx"
    assert not await take(target), "who has not the key does not claim it"
    assert [task.run_id for task in await take(target, key_ids=("k1",))] == [RUN]


async def test_a_guest_goes_along_whole() -> None:
    """The installed one, or the world's; a piece that is another one, or lacks, is found."""
    guest = guests()("quickjs")
    run = Run(RUN, "w", PROGRAM, "quickjs", "snapshot", "pending", b"s" * 32, T, build=guest.build)
    source, target = world(), world()
    found = await blobs.gather(source, run, guests())
    blobs.check(run, found, NONE)
    await blobs.put(target, found)
    assert await blobs.gather(target, run, guests()) == found, "what came along goes along again"
    [piece, *_] = [key for key in found if key.startswith("file/")]
    for change in ({piece: codec.pack_binary(b"another")}, {build_key(run.build): codec.pack_binary(b"{}")}):
        with pytest.raises(CapsuleError):
            blobs.check(run, {**found, **change}, NONE)
    with pytest.raises(CapsuleError, match="not whole"):
        blobs.check(run, {key: data for key, data in found.items() if key != piece}, NONE)
    assert files_of(guest.manifest), "it has files"
    with pytest.raises(BuildMissingError, match="without --whole"):
        await blobs.gather(source, msgspec.structs.replace(run, build="0" * 64), guests())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_who_imports_may_die_at_any_moment(after: bool) -> None:
    """The run is there whole, or not at all; the next one puts it in, or is told that it is there."""
    source = world()
    await live(source)
    parcel = await source.parcel(RUN)
    data = await take_out(source, RUN, NONE)
    for last in itertools.count():
        target = world()
        try:
            await put_in(Mortal(target, itertools.count(), last, after=after), data, NONE)
        except DiedError:
            if RUN not in await target.statuses([RUN]):
                assert await target.list_runs(RunFilter()) == []
                await put_in(target, data, NONE)
            else:
                with pytest.raises(EntityConflictError):
                    await put_in(target, data, NONE)
        else:
            assert last > 0
            break
        assert len(await target.events(RUN)) == len(parcel.log)
        assert len((await target.parcel(RUN)).streams) == len(parcel.streams)


async def test_a_live_run_is_taken_out_while_it_works() -> None:
    """As one moment has it: what is under way belongs to nobody where it arrives."""
    source, target = world(), world()
    await begin(source)
    data = await take_out(source, RUN, NONE)
    found = (await opened(data, NONE)).parcel
    assert found.run.worker == WORKER
    assert (await put_in(target, data, NONE)).worker == ""
    assert (await source.get_run(RUN)).worker == WORKER
