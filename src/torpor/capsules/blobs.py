"""
What goes along with a run: its program, and, so that it can be opened anywhere, its image and guest build.

A key of a blob always means the same bytes, so who brings one must not bring others. What says by itself whether it is
what its key says, by a hash, is looked at; an image does not, and is taken only where there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from torpor import codec
from torpor.codec.crypto.keys import Keyring
from torpor.engine.builds import PIECE_BYTES, files_of, guest_of, piece_keys, stored_manifest
from torpor.engine.images import image_key, program_key
from torpor.errors import BuildMissingError, CapsuleError, KeyMissingError, LimitExceededError, SerializationError
from torpor.model import Run, build_key
from torpor.thread_start import in_thread
from torpor.vm.guest import MakeGuest
from torpor.vm.manifest import build_of
from torpor.world import World


async def gather(world: World, run: Run, guests: MakeGuest | None = None) -> dict[str, bytes]:
    """
    Return the blobs that go along with a run.

    Args:
        world: an open world.
        run: which.
        guests: gives the installed guests, when image and guest build are to go along, too.

    Raises:
        BuildMissingError: its guest build is neither in the world nor installed here.
        ConfigurationError, HostError: an installed file is damaged, or cannot be read.
    """
    keys = [program_key(run.program, run.key_id)]
    installed: dict[str, bytes] = {}
    if guests is not None:
        keys.append(image_key(run.program, run.build, run.key_id))
        manifest = await stored_manifest(world, run.build)
        if manifest is not None:
            keys += [build_key(run.build), *_pieces(manifest)]
        else:
            installed = await in_thread("packing a guest build", _installed, run, guests, world.url)
    found = {key: await world.blob(key) for key in keys}
    return {key: data for key, data in found.items() if data is not None} | installed


def _installed(run: Run, guests: MakeGuest, url: str) -> dict[str, bytes]:
    """Return the blobs of a run's guest build, if it is the one that is installed here."""
    guest = guests(run.guest)
    if guest.build != run.build:
        raise BuildMissingError(
            f"guest build {run.build} of run {run.id} is neither in world {url} nor installed here; without "
            "--whole the capsule names it by its hash"
        )
    found = {build_key(guest.build): codec.pack_binary(guest.manifest)}
    for name, entry in files_of(guest.manifest).items():
        pieces = guest.files.pieces(name, PIECE_BYTES)
        found |= {key: codec.pack_binary(piece) for key, piece in zip(piece_keys(entry), pieces, strict=True)}
    return found


async def kept(world: World, run: Run, besides: Collection[str]) -> dict[str, bytes]:
    """Return all blobs that a world has for a run, but for those *besides*."""
    keys = [program_key(run.program, run.key_id), image_key(run.program, run.build, run.key_id)]
    if build_key(run.build) not in besides and (manifest := await stored_manifest(world, run.build)) is not None:
        keys += [build_key(run.build), *_pieces(manifest)]
    found = {key: await world.blob(key) for key in keys if key not in besides}
    return {key: data for key, data in found.items() if data is not None}


def check(run: Run, blobs: Mapping[str, bytes], keyring: Keyring) -> None:
    """
    Do nothing if blobs that came with a run are what their keys say, as far as that can be told.

    Raises:
        CapsuleError: one is not, or is none of those that go along with a run.
    """
    program, image, build = (
        program_key(run.program, run.key_id),
        image_key(run.program, run.build, run.key_id),
        build_key(run.build),
    )
    left = set(blobs) - {program, image, build}
    try:
        if program in blobs:
            _check_program(run, blobs[program], keyring)
        if build in blobs:
            manifest = codec.unpack_binary(blobs[build])
            if build_of(manifest) != run.build or guest_of(manifest) != run.guest:
                raise CapsuleError(f"what came as guest build {run.build} of run {run.id} is another one")
            for entry in files_of(manifest).values():
                _check_file(entry.sha256, [blobs.get(key) for key in piece_keys(entry)])
                left -= {*piece_keys(entry)}
    except (SerializationError, LimitExceededError, ValueError) as error:
        raise CapsuleError(f"what came with run {run.id} cannot be read: {error}") from error
    if left:
        raise CapsuleError(f"with run {run.id} came {min(left)!r:.200}, which does not belong to it")


async def put(world: World, blobs: Mapping[str, bytes]) -> None:
    """Store blobs that a world does not have; it keeps those that it has."""
    manifests_last = sorted(blobs, key=lambda key: key.startswith(build_key("")))
    for key in manifests_last:
        if not await world.has_blob(key):
            await world.put_blob(key, blobs[key])


def _pieces(manifest: bytes) -> list[str]:
    return [key for entry in files_of(manifest).values() for key in piece_keys(entry)]


def _check_program(run: Run, data: bytes, keyring: Keyring) -> None:
    try:
        source = keyring.blob(program_key(run.program, run.key_id), run.key_id).unpack_binary(data)
    except KeyMissingError:
        return  # who has the key looks at it before it is used
    if hashlib.sha256(source).hexdigest() != run.program:
        raise CapsuleError(f"what came as program {run.program} of run {run.id} is another one")


def _check_file(sha256: str, pieces: list[bytes | None]) -> None:
    digest = hashlib.sha256()
    for piece in pieces:
        if piece is None:
            raise CapsuleError(f"file {sha256} of the guest build is not whole")
        digest.update(codec.unpack_binary(piece))
    if digest.hexdigest() != sha256:
        raise CapsuleError(f"what came as file {sha256} of the guest build is another one")
