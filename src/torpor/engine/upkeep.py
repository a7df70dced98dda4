"""
Guest builds, images and programs in a world: stored when runs need them, dropped when none does.

Nothing of this is in anybody's way: what has just been used is stored some seconds later, and what nobody needs goes in
an hour or two. A run that slept through an upgrade before its build was stored is carried over by a replay, if need be.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from torpor.engine.builds import FILES, files_of, piece_keys, stored_manifest
from torpor.engine.images import IMAGES, PROGRAMS, Images, image_key, program_key
from torpor.engine.observer import Observer, Remark, ignore
from torpor.model import build_key
from torpor.world import World

SWEEP_ROUNDS = 360
"""Rounds between two looks for what nobody needs."""

_BATCH = 16
_BUILDS = build_key("")


class Upkeep:
    """
    What a worker does for its world beside its runs. Call :meth:`round` every some seconds.

    Args:
        world: an open world.
        images: the worker's.
        observe: is told what was dropped.
        prune: prunes what policies say, None when they keep everything.
    """

    def __init__(
        self,
        world: World,
        images: Images,
        observe: Observer = ignore,
        *,
        prune: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._observe = observe
        self._world, self._images = world, images
        self._rounds = 0
        self._sweep = Sweep(world)
        self._prune = prune

    async def round(self) -> None:
        """
        Store the builds that were used; once in a while drop what nobody needs.

        Raises:
            WorldError, ConfigurationError, HostError: the next round tries again.
        """
        # Runs that are gone with this process need no other build, unless their logs are to go.
        is_durable = self._world.capabilities.durable
        if (is_durable or self._prune is not None) and self._images.builds.missing:
            await self._images.builds.store_used()
        if self._prune is not None:
            await self._prune()
        if not is_durable:
            return
        self._rounds += 1
        if self._rounds % SWEEP_ROUNDS == 0:
            self._images.look_again()
            if dropped := await self._sweep.look():
                told = f"dropped {len(dropped)} blobs of guest builds, images and programs that no run needs"
                self._observe(Remark(logging.INFO, told))


class Sweep:
    """
    Drops what no run needs. A blob goes when it was not needed at two looks: a run that begins between them, or a
    worker that is just storing a build, is seen by the second.

    Args:
        world: an open world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._unneeded: set[str] = set()

    async def look(self) -> list[str]:
        """
        Drop what was not needed the last time and is not needed now; return the keys.

        Raises:
            WorldError: the world failed; what was not dropped goes another time.
        """
        there = [key for prefix in (_BUILDS, FILES, IMAGES, PROGRAMS) for key in await self._world.blob_sizes(prefix)]
        needed = await self._needed(there)
        if needed is None:
            return []
        unneeded = [key for key in there if key not in needed]
        doomed = [key for key in unneeded if key in self._unneeded]
        self._unneeded = set(unneeded).difference(doomed)
        # A manifest goes before its files, so that who finds it finds them.
        for start in range(0, len(doomed), _BATCH):
            if not await self._dropped(doomed[start : start + _BATCH]):
                break
        return doomed

    async def _dropped(self, keys: list[str]) -> bool:
        """Drop blobs, and put back those that somebody has come to need meanwhile; return whether nobody has."""
        held = {key: data for key in keys if (data := await self._world.blob(key)) is not None}
        for key in held:
            await self._world.delete_blob(key)
        needed = await self._needed(await self._world.blob_sizes(_BUILDS), lost=held)
        wanted = held if needed is None else needed & held.keys()
        for key in wanted:
            await self._world.put_blob(key, held[key])
        return not wanted

    async def _needed(self, there: Iterable[str], lost: Iterable[str] = ()) -> set[str] | None:
        """
        Return the keys that runs need, or will need when one of the deployments starts them; None when that cannot be
        told, because a manifest is damaged.

        Args:
            there: keys that there are.
            lost: keys that were there a moment ago.
        """
        uses = await self._world.images_in_use()
        deployed = [each for deployment in await self._world.deployments() for each in deployment.workflows.values()]
        builds = {use.build for use in uses} | {each.build for each in deployed}
        programs = {(each.program, each.build) for each in deployed}
        needed = {image_key(use.program, use.build, use.key_id) for use in uses}
        needed |= {program_key(program, key_id) for program, key_id in await self._world.programs_kept()}
        kept = {program for program, _ in programs}
        needed |= {key for key in (*there, *lost) if _program_of(key) in kept}
        needed |= {key for key in (*there, *lost) if _image_of(key) in programs}
        needed |= {build_key(build) for build in builds}
        for key in {*there, *lost}:
            if key.startswith(_BUILDS) and key in needed and key not in lost:
                manifest = await stored_manifest(self._world, key.removeprefix(_BUILDS))
                if manifest is None:
                    return None
                needed |= {piece for entry in files_of(manifest).values() for piece in piece_keys(entry)}
        return needed


def _image_of(key: str) -> tuple[str, str] | None:
    """Return program and build of an image's key."""
    program, _, build = key.removeprefix(IMAGES).partition("@")[0].partition("/")
    return (program, build) if key.startswith(IMAGES) and build else None


def _program_of(key: str) -> str:
    """Return the content address in a program's key, ``""`` of any other key."""
    return key.removeprefix(PROGRAMS).partition("@")[0] if key.startswith(PROGRAMS) else ""
