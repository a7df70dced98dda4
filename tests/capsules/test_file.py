"""The form of a capsule: what is read back, and what is refused before it costs anything."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import zstandard

from torpor import codec
from torpor.capsules.contents import fields_now, parts_of
from torpor.capsules.file import Capsule, Manifest, read, written
from torpor.capsules.transfer import load, opened, save, take_out
from torpor.codec.crypto.keys import Keyring
from torpor.errors import (
    CapsuleError,
    CapsuleVersionError,
    ConfigurationError,
    KeyMissingError,
    LimitExceededError,
    UsageError,
)
from torpor.limits import CAPSULE_BYTES_MAX, MIB
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.parcels import live
from torpor.testing.worlds.story import RUN, T
from torpor.worlds.memory import MemoryWorld

NONE = Keyring()
KEYS = Keyring([b"k" * 32])


@pytest_asyncio.fixture
async def world() -> MemoryWorld:
    """Return a world with a run that has all kinds of things."""
    world = MemoryWorld(clock=ManualClock(T))
    await live(world)
    return world


@pytest_asyncio.fixture
async def data(world: MemoryWorld) -> bytes:
    """Return the capsule of that run."""
    return await take_out(world, RUN, NONE)


def with_manifest(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return a capsule with another manifest, whose hash is right, as who knows the form can make it."""
    title, line, _, body = data.split(b"\n", 3)
    manifest = json.loads(line)
    change(manifest)
    head = b"%s\n%s\n" % (title, json.dumps(manifest).encode())
    return b"%s%s\n%s" % (head, hashlib.sha256(head).hexdigest().encode(), body)


def with_part(data: bytes, name: str, stored: bytes, size: int) -> bytes:
    """Return a capsule in which one part is another one, with all hashes right."""
    capsule = read(data)
    bodies, at = [], len(data) - sum(part.stored for part in capsule.manifest.parts)
    for part in capsule.manifest.parts:
        bodies.append(stored if part.name == name else data[at : at + part.stored])
        at += part.stored

    def change(manifest: dict[str, Any]) -> None:
        [part] = [part for part in manifest["parts"] if part["name"] == name]
        part.update(size=size, stored=len(stored), sha256=hashlib.sha256(stored).hexdigest())

    changed = with_manifest(data, change)
    return b"".join([*(line + b"\n" for line in changed.split(b"\n", 3)[:3]), *bodies])


async def test_what_is_written_is_read(world: MemoryWorld, data: bytes) -> None:
    """All of the run, as it was."""
    assert (await opened(data, NONE)).parcel == await world.parcel(RUN)


async def test_the_form_is_the_one_that_is_described(data: bytes) -> None:
    """Three lines of text, and parts one after the other: whoever changes that changes the number in the first line."""
    title, line, digest, body = data.split(b"\n", 3)
    assert title == b"torpor capsule 1"
    assert digest.decode() == hashlib.sha256(title + b"\n" + line + b"\n").hexdigest()
    manifest = json.loads(line)
    assert (manifest["run"], manifest["workflow"], manifest["status"]) == (RUN, "order", "running")
    assert [part["name"] for part in manifest["parts"]] == ["run", "log", "lines", "snapshot", "received", "streams"]
    assert sum(part["stored"] for part in manifest["parts"]) == len(body)
    log = manifest["parts"][1]
    at = manifest["parts"][0]["stored"]
    stored = body[at : at + log["stored"]]
    assert stored.startswith(b"zstd")
    events = msgspec.msgpack.decode(zstandard.decompress(stored[4:]))
    assert len(events) == manifest["head"]
    assert (events[0]["type"], events[0]["seq"], events[0]["payload"]) == ("run_created", 1, b"devl[[]]")


async def test_an_older_capsule_stays_readable(world: MemoryWorld, data: bytes) -> None:
    """What its records did not have yet has its default."""
    parcel = await world.parcel(RUN)
    older = msgspec.to_builtins(parcel.entities, builtin_types=(bytes,))
    del older["run"]["snoozed"]
    content = msgspec.msgpack.encode(older)
    found = await opened(with_part(data, "run", codec.pack_binary(content), len(content)), NONE)
    assert found.parcel == parcel
    assert "snoozed" in fields_now()["Run"]


async def test_two_of_one_run_are_equal_but_for_their_id(world: MemoryWorld) -> None:
    """What is in them is written in one way."""
    one, other = [read(await take_out(world, RUN, NONE)) for _ in range(2)]
    assert one.manifest.id != other.manifest.id
    assert one.manifest.parts == other.manifest.parts


async def test_no_byte_may_be_another_one(data: bytes) -> None:
    """Wherever a byte is damaged, it is found, and said so."""
    for at in range(0, len(data), 41):
        damaged = bytearray(data)
        damaged[at] ^= 1 + at % 255
        with pytest.raises(CapsuleError):
            await opened(bytes(damaged), NONE)


async def test_no_byte_may_be_missing(data: bytes) -> None:
    """Cut short anywhere, or with something behind it, it is refused."""
    for size in [*range(0, len(data), 101), len(data) - 1]:
        with pytest.raises(CapsuleError):
            read(data[:size])
    with pytest.raises(CapsuleError, match="something follows it"):
        read(data + b"\0")


@pytest.mark.parametrize("other", [b"", b"PK\x03\x04", b"torpor", b"torpor capsule ", b"\n" * 200])
def test_what_is_no_capsule_is_told(other: bytes) -> None:
    """With what makes one."""
    with pytest.raises(CapsuleError, match=r"torpor export|form"):
        read(other)


async def test_a_newer_form_is_told(data: bytes) -> None:
    """By its number, before anything of it is believed."""
    with pytest.raises(CapsuleVersionError, match=r"'2'.*knows 1; upgrade"):
        read(data.replace(b"capsule 1", b"capsule 2", 1))


async def test_a_field_that_is_not_known_is_told(data: bytes) -> None:
    """A newer version's: it would be dropped."""
    newer = with_manifest(data, lambda manifest: manifest["fields"]["Run"].append("mood"))
    with pytest.raises(CapsuleVersionError, match=r"Run\.mood"):
        await opened(newer, NONE)
    newer = with_manifest(data, lambda manifest: manifest["fields"].update(Mood=["sad"]))
    with pytest.raises(CapsuleVersionError, match=r"Mood\.sad"):
        await opened(newer, NONE)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("parts"),
        lambda manifest: manifest.update(parts=[]),
        lambda manifest: manifest.update(parts=manifest["parts"][:-1]),
        lambda manifest: manifest.update(parts=manifest["parts"] * 2),
        lambda manifest: manifest["parts"].extend(
            {"name": f"{n}", "size": 0, "stored": 0, "sha256": ""} for n in range(5_000)
        ),
        lambda manifest: manifest["parts"][0].update(size=-1),
        lambda manifest: manifest["parts"][0].update(size=1),
        lambda manifest: manifest["parts"][0].update(size=2**70),
        lambda manifest: manifest["parts"][0].update(size=CAPSULE_BYTES_MAX + 1),
        lambda manifest: [part.update(size=CAPSULE_BYTES_MAX // 2) for part in manifest["parts"]],
        lambda manifest: manifest["parts"][0].update(stored=1),
        lambda manifest: manifest["parts"][0].update(name="another"),
        lambda manifest: manifest["parts"].reverse(),
        lambda manifest: manifest.update(run="another"),
        lambda manifest: manifest.update(head=1),
        lambda manifest: manifest.update(build="another"),
        lambda manifest: manifest.update(status="completed"),
    ],
)  # fmt: skip
async def test_a_manifest_that_lies_is_refused(data: bytes, change: Callable[[dict[str, Any]], object]) -> None:
    """Its hash may be right: who makes a file makes that too."""
    with pytest.raises(CapsuleError):
        await opened(with_manifest(data, change), NONE)


async def test_a_part_is_unpacked_only_as_far_as_it_says(data: bytes) -> None:
    """What unpacks to more is refused, and takes no memory."""
    bomb = codec.pack_binary(b"\0" * (200 * MIB))
    assert len(bomb) < MIB
    hostile = with_part(data, "log", bomb, 1_000)
    tracemalloc.start()
    try:
        with pytest.raises(CapsuleError, match="part log"):
            await opened(hostile, NONE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


@pytest.mark.parametrize(
    "content",
    [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x91" * 100_000, b"\x92\x01\x02", b"\xc0\xc0"],
    ids=["nothing", "never used", "a long array", "a long map", "deep", "other types", "two values"],
)
async def test_a_part_that_makes_no_sense_is_refused(data: bytes, content: bytes) -> None:
    """As what it is: no memory is taken for what it only says that it has."""
    for name in ("run", "log", "lines", "snapshot", "received", "streams"):
        with pytest.raises(CapsuleError, match=name):
            await opened(with_part(data, name, codec.pack_binary(content), len(content)), NONE)


async def test_a_blob_that_is_nobodys_is_refused(world: MemoryWorld) -> None:
    """A file may not bring programs and builds but those of its run."""
    parcel = await world.parcel(RUN)
    capsule = read(await take_out(world, RUN, NONE))
    for key in ("program/other", "token/other", f"program/{'5f' * 32}"):
        parts = {**parts_of(parcel), f"blob:{key}": codec.pack_binary(b"code")}
        with pytest.raises(CapsuleError, match=r"another one|does not belong"):
            await opened(written(capsule.manifest, parts, NONE), NONE)


# Encrypted


async def test_an_encrypted_capsule_needs_its_key(world: MemoryWorld) -> None:
    """Nothing but its manifest can be read without."""
    data = await take_out(world, RUN, KEYS, encrypt=True)
    assert (await opened(data, KEYS)).parcel == await world.parcel(RUN)
    assert read(data).manifest.run == RUN
    assert b"customer" not in data
    for keys in (NONE, Keyring([b"o" * 32])):
        with pytest.raises(KeyMissingError, match=KEYS.current):
            await opened(data, keys)
    with pytest.raises(ConfigurationError, match="TORPOR_KEYS"):
        await take_out(world, RUN, NONE, encrypt=True)


async def test_parts_of_two_capsules_do_not_mix(world: MemoryWorld) -> None:
    """Both are encrypted under one key, and are of one run: none takes the other's log."""
    one, other = [await take_out(world, RUN, KEYS, encrypt=True) for _ in range(2)]
    with pytest.raises(CapsuleError, match="part log"):
        await opened(with_part(one, "log", stored_part(read(other), "log"), len(read(other).part("log", KEYS))), KEYS)


def stored_part(capsule: Capsule, name: str) -> bytes:
    """Return a part as it is in the file."""
    part, at = capsule._parts[name]
    return capsule.data[at : at + part.stored]


# Files


def test_a_file_is_written_whole_or_not(tmp_path: Any) -> None:
    """For its owner alone; a folder that is not there is told."""
    file = tmp_path / "run.capsule"
    save(file, b"one")
    save(file, b"other")
    assert load(file) == b"other"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["run.capsule"]
    with pytest.raises(UsageError, match="cannot be written"):
        save(tmp_path / "nowhere" / "run.capsule", b"")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "nowhere.capsule")


def test_what_is_too_large_is_not_written() -> None:
    """Whoever writes keeps to what readers take."""
    manifest = Manifest(
        id="a", run=RUN, app="", workflow="w", status="running", head=1, guest="g", build="", program="", made_by="0",
        made_at=0, fields={}, parts=[],
    )  # fmt: skip

    class Large(bytes):
        def __len__(self) -> int:
            return CAPSULE_BYTES_MAX + 1

    with pytest.raises(LimitExceededError, match=str(CAPSULE_BYTES_MAX)):
        written(manifest, {"log": Large()}, NONE)
