"""
Where CPython's tests come from: Debian's packages of the version that the guest is.

The tests are no part of Torpor's repository. ``TORPOR_CPYTHON_TESTS`` names a folder that holds the folder ``test``, as
CPython's ``Lib`` does; without it the packages are fetched with apt, once, and unpacked into Torpor's cache. Their
hashes must be known ones.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

RELEASES: Final = ("forky", "sid")
"""Releases of Debian that have the packages, or had them."""

PACKAGES: Final = {
    "3.15.0-1": {
        "libpython3.15-testsuite": "e1dc133d6250690e405ad72a63b706c896b21e020d19008681357f9904b6aff3",
        "libpython3.15-stdlib:amd64": "b4c6ba0262dc89dc8de7232ad29d94c3ab22203cf740303b166e1f8afa270ea3",
    },
    "3.15.2-1": {
        "libpython3.15-testsuite": "717822b0d632c2527131f2a5242f2230f802969f7daef536345a26ff09f6e22e",
        "libpython3.15-stdlib:amd64": "fabb8a62a20704a57bfe80c009a8c846821c6632acf8f433fbf3442cae893e42",
    },
}
"""Versions, the nearest to the guest first: packages (the second one has ``test.support``) and their SHA-256."""

_KEY: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_INSIDE: Final = "usr/lib/python3.15"
_SECONDS_MAX: Final = 300
_BY_HAND: Final = "set TORPOR_CPYTHON_TESTS to the folder that holds CPython's folder `test` (its `Lib`)"


class FetchError(Exception):
    """The tests cannot be had, or are not the expected ones; the message says what to do."""


def cpython_tests(cache: Path) -> Path:
    """
    Return the folder that holds CPython's package ``test``.

    Args:
        cache: where fetched tests are kept.

    Raises:
        FetchError: they cannot be had here.
    """
    if given := os.environ.get("TORPOR_CPYTHON_TESTS"):
        return _checked(Path(given))
    for version in PACKAGES:
        if (kept := cache / _name(version)).is_dir():
            return kept / _INSIDE
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        version, packages = _fetched(Path(scratch))
        unpacked = Path(scratch) / "unpacked"
        for package in packages:
            _run(["dpkg-deb", "-x", str(package), str(unpacked)])
        _checked(unpacked / _INSIDE)
        with suppress(OSError):  # another process was faster
            unpacked.rename(cache / _name(version))
    return cache / _name(version) / _INSIDE


def _name(version: str) -> str:
    """Return the name of the folder with the tests of a version."""
    return f"cpython-tests-{version}"


def _checked(folder: Path) -> Path:
    if not (folder / "test" / "support").is_dir():
        raise FetchError(f"{folder} has no folder test/support; {_BY_HAND}")
    return folder


def _fetched(scratch: Path) -> tuple[str, list[Path]]:
    """Download packages into a folder, by lists of that folder, not the machine's; return version and files."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/trusted.gpg.d"):
        (scratch / name).mkdir(parents=True)
    sources = (f"deb [signed-by={_KEY}] {mirror} {release} main\n" for mirror in _mirrors() for release in RELEASES)
    (scratch / "sources.list").write_text("".join(sources), "utf-8")
    own = {
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc": scratch / "etc",
        "Dir::Etc::sourcelist": scratch / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": scratch / "state",
        "Dir::State::status": "/dev/null",
    }
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *options, "-q", "update"])
    problem = ""
    for version, packages in PACKAGES.items():
        try:
            return version, [_package(scratch, options, name, version, digest) for name, digest in packages.items()]
        except FetchError as error:
            problem = problem or str(error)
    raise FetchError(problem)


def _package(scratch: Path, options: list[str], name: str, version: str, digest: str) -> Path:
    _run(["apt-get", *options, "-q", "download", f"{name}={version}"], cwd=scratch)
    path = next(scratch.glob(f"{name.partition(':')[0]}_{version}_*.deb"))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise FetchError(f"{path.name} is not the expected one: its sha256 is {found}; {_BY_HAND}")
    return path


def _mirrors() -> set[str]:
    """Return where this machine takes Debian's packages from."""
    said = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    found = {line for line in said.splitlines() if line.rstrip("/").endswith("/debian")}
    if not found:
        raise FetchError(f"apt takes no packages of Debian here; {_BY_HAND}")
    return found


def _run(command: list[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_SECONDS_MAX, check=True)
    except subprocess.CalledProcessError as error:
        raise FetchError(f"{command[0]} ended with {error.returncode}: {error.stderr.strip()}; {_BY_HAND}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"cannot fetch CPython's tests: {error}; {_BY_HAND}") from error
    return done.stdout
