"""Taking runs out of worlds, and putting them into others."""

from __future__ import annotations

import os
import secrets
from importlib.metadata import version
from pathlib import Path
from typing import Final

from torpor.capsules import blobs
from torpor.capsules.contents import BLOB, fields_now, parcel_of, parts_of
from torpor.capsules.file import Capsule, Manifest, read, written
from torpor.codec.crypto.keys import Keyring
from torpor.errors import CapsuleError, ConfigurationError, UsageError
from torpor.limits import CAPSULE_BYTES_MAX
from torpor.model import Parcel, Run
from torpor.programs.catalogue import guests
from torpor.thread_start import in_thread
from torpor.world import World

_READING: Final = "reading a capsule"
_FILE_BYTES_MAX: Final = CAPSULE_BYTES_MAX + CAPSULE_BYTES_MAX // 64


async def take_out(world: World, run_id: str, keyring: Keyring, *, whole: bool = False, encrypt: bool = False) -> bytes:
    """
    Return the capsule of a run; the run is not touched.

    Args:
        world: an open world.
        run_id: which run.
        keyring: its newest key encrypts the capsule, if it is to be encrypted.
        whole: with its image and guest build, so that it can be opened where they are not.
        encrypt: whether to encrypt all but what its manifest tells.

    Raises:
        RunNotFoundError: no such run.
        ConfigurationError: it is to be encrypted, and there is no key.
        BuildMissingError: it is to be whole, and its guest build is neither in the world nor installed here.
        LimitExceededError: it has too much.
    """
    if encrypt and not keyring.current:
        raise ConfigurationError(
            "a capsule is encrypted with a key of TORPOR_KEYS, or of Torpor(keys=…): there is none"
        )
    parcel = await world.parcel(run_id)
    along = await blobs.gather(world, parcel.run, guests() if whole else None)
    manifest = _manifest(parcel, keyring.current if encrypt else "", world.clock.now(), whole=whole)

    def pack() -> bytes:
        return written(manifest, {**parts_of(parcel), **{BLOB + key: data for key, data in along.items()}}, keyring)

    return await in_thread("packing a capsule", pack)


class Opened:
    """
    What is in a capsule: checked, and in no world.

    Attributes:
        capsule: the file.
        parcel: the run.
        blobs: its program, and perhaps image and guest build, by their keys.
    """

    def __init__(self, capsule: Capsule, keyring: Keyring) -> None:
        self.capsule = capsule
        self.parcel = parcel_of(capsule, keyring)
        self.blobs = {
            name.removeprefix(BLOB): capsule.part(name, keyring) for name in capsule.names if name.startswith(BLOB)
        }
        blobs.check(self.parcel.run, self.blobs, keyring)


async def opened(data: bytes, keyring: Keyring) -> Opened:
    """
    Return what is in a capsule.

    Raises:
        CapsuleError: it is none, or damaged, or what is in it does not fit together.
        CapsuleVersionError: a newer version has made it.
        KeyMissingError: it is encrypted, and its key is not here.
    """
    return await in_thread(_READING, lambda: Opened(read(data), keyring))


async def put_in(world: World, data: bytes, keyring: Keyring, *, paused: bool = False) -> Run:
    """
    Put the run of a capsule into a world, where it goes on.

    Args:
        world: an open world.
        data: the capsule.
        keyring: has its key, if the capsule is encrypted; the run's own key need not be here.
        paused: nothing happens in it before somebody lets it go on.

    Raises:
        CapsuleError, CapsuleVersionError, KeyMissingError: as :func:`opened`.
        EntityConflictError: the id, or a token that the run waits for, is taken; nothing of the run was stored.
    """
    found = await opened(data, keyring)
    await blobs.put(world, found.blobs)
    run = await world.put_parcel(found.parcel, paused=paused)
    await blobs.put(world, found.blobs)  # what no run needed then may have been dropped meanwhile
    return run


def load(path: str | Path) -> bytes:
    """
    Return the bytes of a capsule's file.

    Raises:
        UsageError: there is no such file.
        CapsuleError: it is larger than any capsule.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened_file:
            data = opened_file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"capsule {path} cannot be read: {error.strerror or error}") from error
    if len(data) > _FILE_BYTES_MAX:
        raise CapsuleError(f"{path} has more than {_FILE_BYTES_MAX} bytes, which no capsule has; it was not read")
    return data


def save(path: str | Path, data: bytes) -> None:
    """
    Write a capsule to a file, in place of what is there: all of it or nothing, for its owner only.

    Raises:
        UsageError: it cannot be written.
    """
    file = Path(path)
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"capsule {path} cannot be written: {error.strerror or error}") from error


def _manifest(parcel: Parcel, key_id: str, now: int, *, whole: bool) -> Manifest:
    run = parcel.run
    return Manifest(
        id=secrets.token_hex(16),
        run=run.id,
        app=run.app,
        workflow=run.workflow,
        status=run.status,
        head=run.head,
        key_id=key_id,
        run_key_id=run.key_id,
        guest=run.guest,
        build=run.build,
        program=run.program,
        image=parcel.snapshot.image if parcel.snapshot is not None else "",
        whole=whole,
        made_by=version("torpor"),
        made_at=now,
        fields=fields_now(),
        parts=[],
    )
