"""What the system refuses says what is missing, and blames no run."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
import wasmtime

from torpor.errors import HostError, VmError
from torpor.vm.host import is_scarcity, needs_host
from torpor.vm.image import MemoryImage
from torpor.vm.pages import choose_backend, copy_on_write_problem

NO_COW = copy_on_write_problem()  # asked before a test takes the descriptors away that the answer needs


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "whole system"),
        (errno.ENOMEM, "more memory"),
        (errno.EAGAIN, "ulimit -u"),
        (errno.ENOSPC, "disk space"),
        (errno.EACCES, "let this user read it"),
    ],
)
def test_a_refusal_names_what_is_missing(number: int, remedy: str) -> None:
    """
    The error says what was done, what the system said, and what to do; it is none of a VM's.
    """
    with pytest.raises(HostError, match="opening the door") as caught, needs_host("opening the door"):
        raise OSError(number, os.strerror(number), "/the/door")

    assert os.strerror(number) in str(caught.value)
    assert "/the/door" in str(caught.value)
    assert remedy in str(caught.value)
    assert not isinstance(caught.value, VmError)


def test_a_lack_of_memory_in_python_is_the_hosts() -> None:
    """
    MemoryError counts as a refusal of the system.
    """
    with pytest.raises(HostError, match="Cannot allocate memory"), needs_host("copying"):
        raise MemoryError


def test_a_thread_that_cannot_start_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Python says it with a RuntimeError; others of that class pass as they are.
    """

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading, "_start_new_thread", refuse, raising=False)
    monkeypatch.setattr(threading, "_start_joinable_thread", refuse, raising=False)
    with pytest.raises(HostError, match="threads"), needs_host("starting"):
        threading.Thread(target=print).start()
    with pytest.raises(RuntimeError, match="our own"), needs_host("starting"):
        raise RuntimeError("our own")


@pytest.mark.parametrize(
    ("text", "scarce"),
    [
        ("failed to open file: Too many open files (os error 24)", True),
        ("mmap failed to reserve 0x1000 bytes", True),
        ("Cannot allocate memory (os error 12)", True),
        ("failed to parse WebAssembly module", False),
        ("Module was compiled with incompatible Wasmtime version", False),
    ],
)
def test_what_wasmtime_lacks_is_told_from_what_it_dislikes(text: str, scarce: bool) -> None:
    """
    Its errors are texts: those of the system bear a number, those about bad modules do not.
    """
    problem = wasmtime.WasmtimeError(text)

    assert is_scarcity(problem) is scarce
    with pytest.raises(HostError if scarce else wasmtime.WasmtimeError), needs_host("mapping"):
        raise problem


@pytest.mark.usefixtures("no_descriptors")
def test_an_image_needs_descriptors() -> None:
    """
    Without descriptors there is no image, rather than one that cannot be mapped for ever.
    """
    if NO_COW:
        pytest.skip("no memory files here")
    with pytest.raises(HostError, match="ulimit -n"):
        MemoryImage(bytes(4096), 0)


def test_a_back_end_is_not_chosen_for_lack_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What could not be tried does not make a process use the slower back end for its whole life.
    """
    if copy_on_write_problem():
        pytest.skip("no copy-on-write here")
    monkeypatch.delenv("TORPOR_VM_BACKEND", raising=False)

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    copy_on_write_problem.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "memfd_create", refuse)
        with pytest.raises(HostError, match="ulimit -n"):
            choose_backend()

    assert choose_backend().name == "cow"


def test_descriptors_are_not_lost_when_an_image_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    A memory file whose bytes find no room is closed.
    """
    if NO_COW:
        pytest.skip("no memory files here")

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = os.open(tmp_path, os.O_RDONLY)
    os.close(before)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(HostError, match="disk space"):
            MemoryImage(bytes(4096), 0)
    after = os.open(tmp_path, os.O_RDONLY)
    os.close(after)

    assert after == before
