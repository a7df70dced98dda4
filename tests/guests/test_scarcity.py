"""A host that lacks memory or descriptors is no fault of a run: guests say so, and work again when it is over."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guests.cpython.support import python, python_program
from tests.guests.quickjs.support import guest, program
from tests.guests.support import answer, begin, instance_of
from torpor.errors import ConfigurationError, HostError, ProgramError
from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Guest, Image
from torpor.vm.pages import copy_on_write_problem

LANGUAGES = ("quickjs", "cpython")
JAVASCRIPT = """
import { step } from "workflow";
const add = step("add");
export async function main(megabytes) {
  const held = [];
  for (;;) {
    const wanted = await add(megabytes);
    for (let n = 0; n < wanted; n++) held.push(new Uint8Array(1 << 20).fill(n));
  }
}
"""
PYTHON = """
async def main(megabytes):
    held = []
    while True:
        wanted = await step("add", megabytes)
        held += [bytes([n]) * (1 << 20) for n in range(wanted)]
"""


@pytest.fixture(params=LANGUAGES)
def any_guest(request: pytest.FixtureRequest, backend: str) -> Guest:
    """A guest of either language that keeps no VM."""
    return fresh(request.param, backend)


def fresh(language: str, backend: str) -> QuickJS | CPython:
    """Return a guest that makes a VM for every lease."""
    if language == "quickjs":
        return guest(backend, pool_size=0)
    return python(backend, pool_size=0)


def loaded(made: Guest) -> Image:
    """Return the image of a program that takes memory when it is told to."""
    return made.load(program(JAVASCRIPT) if made.name == "quickjs" else python_program(PYTHON))


@contextmanager
def address_space(more: int) -> Iterator[None]:
    """Let this process have *more* bytes of address space than it has now, and no more."""
    have = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (have + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.skipif(copy_on_write_problem() is not None, reason="images have no files here")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_cannot_be_loaded_without_descriptors(language: str, request: pytest.FixtureRequest) -> None:
    """
    Loading says that the host lacks descriptors; afterwards the same guest loads and runs the program.
    """
    made = fresh(language, "cow")
    loaded(made)
    request.getfixturevalue("no_descriptors")
    with pytest.raises(HostError, match="ulimit -n"):
        loaded(made)

    # The limit is lifted when the test is over; here the descriptors are given back by hand.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    vm = made.lease(loaded(made))
    assert begin(vm, "main", 1).ops
    vm.release()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prepared_guest_has_a_vm(language: str, backend: str) -> None:
    """
    Who prepares a guest has made the VM for its first run, which then needs no room for one.
    """
    made = guest(backend) if language == "quickjs" else python(backend)
    made.prepare()
    with address_space(24 << 20):
        vm = made.lease(loaded(made))
    assert begin(vm, "main", 1).ops
    vm.release()


def test_a_vm_cannot_be_made_without_address_space(any_guest: Guest) -> None:
    """
    A lease without room for a VM's address range says so; with room it works.
    """
    image = loaded(any_guest)
    with address_space(1 << 20), pytest.raises(HostError, match="more memory"):
        any_guest.lease(image)

    vm = any_guest.lease(image)
    assert begin(vm, "main", 1).ops
    vm.release()


def test_memory_that_the_system_refuses_is_no_limit_of_the_run(
    any_guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Guest code that cannot grow within its limit ends with the host's error, although it was told MemoryError.
    """
    vm = any_guest.lease(loaded(any_guest))
    begin(vm, "main", 1)

    def refuse(_address: int, _size: int) -> None:
        raise HostError(f"mprotect: {os.strerror(errno.ENOMEM)}")

    with monkeypatch.context() as patch:
        patch.setattr("torpor.vm.posix.commit", refuse)
        with pytest.raises(HostError, match="mprotect"):
            answer(vm, 1, 40)

    assert instance_of(vm).broken
    vm.release()


def test_a_snapshot_is_restored_when_there_is_memory_again(any_guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A snapshot that needs more memory than the system has now is no damaged snapshot.
    """
    image = loaded(any_guest)
    vm = any_guest.lease(image)
    begin(vm, "main", 1)
    answer(vm, 1, 40)
    snapshot = vm.snapshot()
    vm.release()

    def refuse(_address: int, _size: int) -> None:
        raise HostError("mprotect")

    again = any_guest.lease(image)
    with monkeypatch.context() as patch:
        patch.setattr("torpor.vm.posix.commit", refuse)
        with pytest.raises(HostError, match="mprotect"):
            again.restore(snapshot, bytes(32))
    again.restore(snapshot, bytes(32))

    assert answer(again, 2, 0).ops
    again.release()


def test_a_damaged_installation_is_no_fault_of_a_program(backend: str, tmp_path: Path) -> None:
    """
    A guest that does not boot says that it, and not the program, is at fault.
    """
    (tmp_path / "main.js").write_text("throw new Error('damaged');")
    (tmp_path / "workflow.js").write_text("export const step = 1;")
    js = QuickJS(backend=backend, bootstrap=tmp_path)

    with pytest.raises(ConfigurationError, match="does not boot") as caught:
        js.load(program(JAVASCRIPT))
    assert not isinstance(caught.value, ProgramError)
