"""
Projects of the TypeScript Workflow SDK, built by their own compiler, in Node.

What was built is kept in the project's ``node_modules/.cache/torpor``, under a name that follows from the state of the
project's files, so that a project is built once however many processes need it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import msgspec

from torpor.errors import ConfigurationError
from torpor.programs.javascript.bundles import Bundle

NODE: Final = "TORPOR_NODE"
"""The environment's setting for the ``node`` that builds projects and runs their steps."""

_OLDEST_NODE: Final = 20
_BUILD_SECONDS_MAX: Final = 300
_KEPT: Final = 8
_IGNORED: Final = frozenset(
    (
        "node_modules", ".git", ".next", ".nitro", ".nuxt", ".output", ".vercel", ".workflow-data", ".workflow-vitest",
        ".swc", ".svelte-kit", ".turbo", ".cache", ".yarn", ".pnpm-store", ".venv", "__pycache__", ".pytest_cache",
    )
)  # fmt: skip
"""Folders that the SDK's compiler leaves out, and those that Python keeps."""
_DATABASES: Final = (".db", ".db-wal", ".db-shm")
_PACKAGE: Final = Path(__file__).parent.parent.parent
_PLACES: Final = (_PACKAGE / "js", _PACKAGE.parent.parent / "js")


class BuiltProject(msgspec.Struct, frozen=True):
    """
    A project as it was built.

    Attributes:
        bundle: its workflows.
        steps: module that registers its steps in Node.
    """

    bundle: Bundle
    steps: Path


def scripts() -> Path:
    """
    Return the folder of what Torpor runs in Node.

    Raises:
        ConfigurationError: the installation lacks it.
    """
    return npm_package("steps")


def npm_package(name: str) -> Path:
    """
    Return the folder of a package of npm that Torpor comes with.

    Raises:
        ConfigurationError: the installation lacks it.
    """
    for place in _PLACES:
        if (place / name / "package.json").is_file():
            return place / name
    raise ConfigurationError(f"{_PLACES[0] / name} is missing; install Torpor from its wheel")


def node() -> str:
    """
    Return the path of Node.

    Raises:
        ConfigurationError: there is none, or it is too old.
    """
    return _checked_node(os.environ.get(NODE, "") or "node")


@lru_cache(maxsize=4)
def _checked_node(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ConfigurationError(
            f"a project of the Workflow SDK is built, and its steps are run, by Node {_OLDEST_NODE} or newer, and "
            f"there is no {name!r} here; install it, or say where it is: {NODE}=/path/to/node"
        )
    try:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"{found} does not run: {error}") from error
    version = re.match(r"v(\d+)", told)
    if version is None or int(version[1]) < _OLDEST_NODE:
        raise ConfigurationError(f"{found} is Node {told.strip()}; {_OLDEST_NODE} is the oldest that will do")
    return found


class SdkProject:
    """
    A project of the Workflow SDK.

    Args:
        folder: where its ``package.json`` is.

    Raises:
        ConfigurationError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (self.folder / "package.json").is_file():
            raise ConfigurationError(f"{self.folder} is no project of the Workflow SDK: it has no package.json")

    @cached_property
    def built(self) -> BuiltProject:
        """
        The project as its files were when they were first asked for.

        Raises:
            ConfigurationError: it cannot be built; the message is the compiler's.
        """
        kept = self.folder / "node_modules" / ".cache" / "torpor"
        place = kept / self._fingerprint()
        bundle = _read(place)
        if bundle is None:
            self._build(place)
            bundle = _read(place)
            _drop_old(kept)
        if bundle is None:
            raise ConfigurationError(f"{self.folder} changed while it was built; try again")
        if not bundle.workflows:
            raise ConfigurationError(
                f'{self.folder} has no workflow; begin an exported async function with "use workflow", on a line of '
                "its own"
            )
        return BuiltProject(bundle, place / "steps.mjs")

    def _build(self, place: Path) -> None:
        part = place.with_name(f"{place.name}.{os.getpid()}")
        command = [node(), str(scripts() / "build.mjs"), str(self.folder), str(part)]
        try:
            done = subprocess.run(
                command, cwd=self.folder, capture_output=True, text=True, timeout=_BUILD_SECONDS_MAX, check=False
            )
            if done.returncode:
                raise ConfigurationError(f"{self.folder} cannot be built:\n{done.stderr.strip()[-4000:]}")
            shutil.rmtree(place, ignore_errors=True)  # what was built from files beside the project that have changed
            try:
                part.rename(place)
            except OSError:
                if not place.is_dir():  # another process was quicker
                    raise
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(f"{self.folder} was not built within {_BUILD_SECONDS_MAX} s") from error
        except OSError as error:
            raise ConfigurationError(f"{self.folder} cannot be built: {error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _fingerprint(self) -> str:
        found = hashlib.sha256()
        installed = self.folder / "node_modules" / ".package-lock.json"
        own = sorted(scripts().glob("*.mjs"))
        for path in (*self.sources(), *([installed] if installed.is_file() else []), *own):
            found.update(f"{path}\n{_state(path)}\n".encode())
        return found.hexdigest()[:32]

    def sources(self) -> Iterator[Path]:
        """Yield the files of the project that its compiler may read, but for packages, in a fixed order."""
        for folder, names, files in os.walk(self.folder):
            names[:] = sorted(name for name in names if name not in _IGNORED)
            yield from (
                Path(folder, name) for name in sorted(files) if not name.endswith((".db", ".db-wal", ".db-shm"))
            )


def _state(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}"


def _read(place: Path) -> Bundle | None:
    """Return what is kept in a place, None where nothing is that is still right."""
    try:
        bundle = msgspec.convert(json.loads((place / "bundle.json").read_bytes()), Bundle)
    except (OSError, ValueError):
        return None
    return bundle if all(_state(Path(path)) == state for path, state in bundle.outside.items()) else None


def _drop_old(kept: Path) -> None:
    """Leave what was built last; workers may still run the steps of some."""
    found = sorted((path for path in kept.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)
    for path in found[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
