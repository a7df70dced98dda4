"""A guest that is made from a stored build is the guest that it was made from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.guests.cpython.support import COUNTER as PYTHON_COUNTER
from tests.guests.cpython.support import guest_code, python, python_program
from tests.guests.quickjs.support import BOOTSTRAP, COUNTER, guest, program
from tests.guests.support import SEED, answer, begin
from torpor.errors import ConfigurationError
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.vm.cache_folders import default_directory
from torpor.vm.guest import Guest, Program
from torpor.vm.manifest import FileEntry, Manifest, StoredBuild, build_of, manifest_bytes


class Shelf:
    """Holds the files of guests by hash, as a world does, and counts what is taken."""

    def __init__(self, *guests: Guest) -> None:
        self.files: dict[str, bytes] = {}
        self.taken: list[int] = []
        for each in guests:
            for name, entry in msgspec.json.decode(each.manifest, type=Manifest).files.items():
                self.files[entry.sha256] = bytes(each.files.read(name))

    def fetch(self, entry: FileEntry) -> bytes:
        """Return a file."""
        self.taken.append(entry.size)
        return self.files[entry.sha256]


class Language:
    """Makes guests of one language, and a program for them."""

    def __init__(self, name: str, backend: str, cache: Path) -> None:
        self._make: type[QuickJS | CPython] = QuickJS if name == "quickjs" else CPython
        self._backend, self._cache = backend, cache
        self.installed: Guest = guest(backend) if name == "quickjs" else python(backend)
        self.program: Program = program(COUNTER) if name == "quickjs" else python_program(PYTHON_COUNTER)
        self.installed.load(self.program)
        for path in default_directory().glob(f"{name}-*"):
            if path.suffix in (".cwasm", ".seal"):
                os.link(path, cache / path.name)  # compiling takes up to a minute

    def stored(self, manifest: bytes, fetch: Callable[[FileEntry], bytes]) -> Guest:
        """Return a guest of a stored build."""
        return self._make(backend=self._backend, cache_dir=self._cache, stored=StoredBuild(manifest, fetch))


@pytest.fixture(params=["quickjs", "cpython"])
def language(request: pytest.FixtureRequest, backend: str, tmp_path: Path) -> Language:
    """Each language, with an empty cache for what is stored."""
    return Language(request.param, backend, tmp_path)


def test_snapshots_wake_in_a_guest_made_from_the_stored_build(language: Language) -> None:
    """
    The same build boots into the same image elsewhere, so that image and snapshot of the one are at home in the other.
    """
    ours = language.installed
    image = ours.load(language.program)
    vm = ours.lease(image)
    begin(vm, "counter", 10)
    snapshot = vm.snapshot()
    vm.release()

    theirs = language.stored(ours.manifest, Shelf(ours).fetch)
    revived = theirs.revive(image.to_bytes(), language.program)
    vm = theirs.lease(revived)
    vm.restore(snapshot, SEED)

    assert theirs.build == ours.build
    assert revived.hash == image.hash == theirs.load(language.program).hash
    [op] = answer(vm, 1, 25).ops
    assert op.input is not None
    assert "25" in op.input
    vm.release()


def test_a_library_is_fetched_once_on_a_machine(backend: str, tmp_path: Path) -> None:
    """
    What a guest needs for as long as it lives is kept beside the compiled code, which is not made again either.
    """
    language = Language("cpython", backend, tmp_path)
    shelf = Shelf(language.installed)
    for _ in range(2):
        language.stored(language.installed.manifest, shelf.fetch).load(language.program)

    library = msgspec.json.decode(language.installed.manifest, type=Manifest).files["python.zip"]
    assert shelf.taken == [library.size]


def test_a_file_can_be_had_in_pieces(language: Language) -> None:
    """
    Together they are the file, whether it is installed or comes from elsewhere.
    """
    ours = language.installed
    theirs = language.stored(ours.manifest, Shelf(ours).fetch)
    for name in msgspec.json.decode(ours.manifest, type=Manifest).files:
        whole = ours.files.read(name)

        for made in (ours, theirs):
            pieces = list(made.files.pieces(name, 1 << 20))
            assert b"".join(pieces) == whole
            assert max(map(len, pieces)) <= 1 << 20


def test_a_damaged_file_is_refused(language: Language) -> None:
    """
    Only what has the hash that the manifest states is run.
    """
    theirs = language.stored(language.installed.manifest, lambda entry: bytes(entry.size))

    with pytest.raises(ConfigurationError, match="is damaged"):
        theirs.load(language.program)


def test_a_build_of_another_protocol_is_refused(language: Language) -> None:
    """
    A guest half that this host half does not know how to drive is not driven.
    """
    fields = msgspec.json.decode(language.installed.manifest)
    manifest = msgspec.json.encode(fields | {"protocol": 99}, order="sorted")

    with pytest.raises(ConfigurationError, match="speaks protocol 99"):
        language.stored(manifest, Shelf().fetch)


def test_what_is_no_manifest_of_the_guest_is_refused(language: Language) -> None:
    """
    The manifest says whose it is, and is whole.
    """
    other = manifest_bytes(Manifest("other", 1, {}))
    incomplete = manifest_bytes(Manifest(language.installed.name, 1, {}))

    with pytest.raises(ConfigurationError, match="is one of other"):
        language.stored(other, Shelf().fetch)
    for manifest in (incomplete, b"\xff", b"[]"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            language.stored(manifest, Shelf().fetch)


def test_a_later_manifest_keeps_its_hash(language: Language) -> None:
    """
    What a later version adds to a manifest is passed over, and the build is still that of the bytes.
    """
    fields = msgspec.json.decode(language.installed.manifest)
    manifest = msgspec.json.encode(fields | {"added": 1}, order="sorted")
    theirs = language.stored(manifest, Shelf(language.installed).fetch)

    assert theirs.build == build_of(manifest) == hashlib.sha256(manifest).hexdigest()
    assert theirs.load(language.program).hash


def test_another_bootstrap_is_another_build(backend: str, tmp_path: Path) -> None:
    """
    A change of the guest's own modules changes the build, and a stored build has the modules that it had.
    """
    for path in BOOTSTRAP.glob("*.js"):
        (tmp_path / path.name).write_text(path.read_text("utf-8") + "\n// newer\n", "utf-8")
    older, newer = guest(backend), QuickJS(backend=backend, bootstrap=tmp_path)
    code = guest_code()
    newest = CPython(backend=backend, code=type(code)(code.text + "\n", code.modules))

    again = QuickJS(backend=backend, stored=StoredBuild(older.manifest, Shelf(older).fetch))

    assert len({older.build, newer.build, newest.build, python(backend).build}) == 4
    assert again.load(program(COUNTER)).hash == older.load(program(COUNTER)).hash
