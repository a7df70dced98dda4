"""The memory back ends, without a guest language."""

from __future__ import annotations

import mmap
import random
from typing import Any

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from torpor.errors import ConfigurationError, SnapshotError
from torpor.vm.bindings import LinearMemory
from torpor.vm.engine import shared_engine
from torpor.vm.host import needs_host
from torpor.vm.image import MemoryImage
from torpor.vm.instance import Instance
from torpor.vm.limits import WASM_PAGE, Limits
from torpor.vm.pages import RESIDENT_PAGES_MAX, choose_backend, copy_on_write_problem

GUEST = """
(module (memory (export "memory") 4))
"""
PAGE = 4096


class Bare(Instance):
    """An instance of nothing but memory."""

    def _link(self, memories: list[LinearMemory]) -> wasmtime.Instance:
        return self._instantiate("bare", GUEST)


def bare(backend: str, size: int = 4 * WASM_PAGE) -> Bare:
    """Return an instance in the state of a random image of *size* bytes."""
    found = Bare(shared_engine(), Limits(memory_bytes=4 << 20), choose_backend(backend))
    found.adopt(MemoryImage(random.Random(size).randbytes(size), 0))
    return found


def contents(instance: Bare) -> bytes:
    """Return all of the guest's memory."""
    return instance.memory.read(0, instance.memory.size)


changes = st.lists(st.tuples(st.integers(0, 4 * WASM_PAGE - 1), st.binary(min_size=1, max_size=40)), max_size=30)


@settings(max_examples=40, deadline=None)
@given(changes, changes)
@pytest.mark.parametrize("name", ["cow", "portable"])
def test_any_change_is_found_and_comes_back(name: str, first: Any, second: Any) -> None:
    """
    After any writes, a snapshot restores exactly these bytes, over other writes or into a fresh instance.
    """
    instance = _kept(name)
    instance.reset()
    instance._pristine = False
    for at, data in first:
        instance.memory.write(min(at, 4 * WASM_PAGE - len(data)), data)
    expected, snapshot = contents(instance), instance.snapshot("00" * 32)
    for at, data in second:
        instance.memory.write(min(at, 4 * WASM_PAGE - len(data)), data)

    instance.restore(snapshot, "00" * 32)

    assert contents(instance) == expected
    assert instance.snapshot("00" * 32) == snapshot


_instances: dict[str, Bare] = {}


def _kept(name: str) -> Bare:
    if name not in _instances:
        _instances[name] = bare(name)
    return _instances[name]


def test_reset_gives_the_image_back(backend: str) -> None:
    """
    After few or many writes, a reset makes memory equal to the image.
    """
    instance = bare(backend)
    image = contents(instance)
    for pages in (1, 60):
        for page in range(pages):
            instance.memory.write(page * PAGE + 5, b"changed")
        instance._pristine = False
        instance.reset()
        assert contents(instance) == image
    instance.close()


def test_memory_of_a_large_run_is_given_back() -> None:
    """
    Copy-on-write keeps a few private pages between runs, not thousands.
    """
    instance = bare("cow", 4 << 20)
    for page in range(1024):
        instance.memory.write(page * PAGE, b"changed")
    instance._pristine = False
    instance.reset()

    assert RESIDENT_PAGES_MAX < 1024
    assert _private_pages(instance) == 0
    instance.close()


def test_private_pages_of_a_small_run_are_kept() -> None:
    """
    Pages that a small run wrote stay resident, equal to the image.
    """
    instance = bare("cow")
    instance.memory.write(0, b"changed")
    instance._pristine = False
    instance.reset()

    assert _private_pages(instance) == 1
    assert len(instance.snapshot("00" * 32)) < 100
    instance.close()


def _private_pages(instance: Bare) -> int:
    pages: Any = instance._pages
    pages._read_flags(0, instance.memory.size // PAGE)
    return int(pages._helpers.reset(instance.memory.size // PAGE, 4096))


def test_an_instance_takes_another_image(backend: str) -> None:
    """
    Images of other sizes can be taken as long as memory need not shrink, and differences are against the new one.
    """
    instance = bare(backend)
    larger = MemoryImage(random.Random(1).randbytes(6 * WASM_PAGE), 0)
    instance.memory.write(9, b"changed")

    instance.adopt(larger)

    assert contents(instance) == bytes(larger.view)
    assert len(instance.snapshot(larger.hash)) < 100
    assert not instance.fits(MemoryImage(bytes(4 * WASM_PAGE), 0))
    instance.close()


def test_memory_beyond_the_image_is_compared_with_zero(backend: str) -> None:
    """
    Grown memory counts only where it is not zero.
    """
    instance = bare(backend)
    other = bare(backend)
    instance._pages._helpers.grow(20)
    instance.memory.write(20 * WASM_PAGE, b"far away")
    snapshot = instance.snapshot("00" * 32)

    other.restore(snapshot, "00" * 32)

    assert len(snapshot) < 200
    assert contents(other) == contents(instance)
    instance.close()
    other.close()


def test_a_snapshot_of_everything_fits_into_the_scratch_memory(backend: str) -> None:
    """
    When every byte up to the limit differs, the snapshot still holds all.
    """
    instance, other = bare(backend), bare(backend)
    instance._pages._helpers.grow(60)
    data = random.Random(3).randbytes(4 << 20)
    instance.memory.write(0, data)

    other.restore(instance.snapshot("00" * 32), "00" * 32)

    assert contents(other) == data
    instance.close()
    other.close()


def test_an_image_beyond_the_limit_is_refused(backend: str) -> None:
    """
    An image that needs more memory than allowed is refused by name.
    """
    instance = bare(backend)

    with pytest.raises(SnapshotError, match=r"the image needs 8388608 bytes of memory, the limit is 4194304"):
        instance.adopt(MemoryImage(bytes(8 << 20), 0))
    instance.close()


def test_the_back_end_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Argument before variable before the system's best.
    """
    monkeypatch.setenv("TORPOR_VM_BACKEND", "portable")
    assert choose_backend().name == "portable"
    assert choose_backend().reason == "asked for by TORPOR_VM_BACKEND"
    assert choose_backend("cow").name == "cow"

    monkeypatch.setenv("TORPOR_VM_BACKEND", "fast")
    with pytest.raises(ConfigurationError, match="no memory back end 'fast'"):
        choose_backend()


def test_without_memory_files_the_portable_back_end_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where copy-on-write does not work the reason is told, and forcing it is an error.
    """
    monkeypatch.delenv("TORPOR_VM_BACKEND", raising=False)
    copy_on_write_problem.cache_clear()
    monkeypatch.setattr(mmap, "PAGESIZE", 16384)
    try:
        assert choose_backend().name == "portable"
        assert choose_backend().reason == "this system has pages of 16384 bytes, not 4096"
        with pytest.raises(ConfigurationError, match="cow, asked for by argument, does not work here"):
            choose_backend("cow")
    finally:
        monkeypatch.undo()
        copy_on_write_problem.cache_clear()


def test_an_unreadable_page_map_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A sandbox that hides the page map gets the portable back end.
    """
    monkeypatch.delenv("TORPOR_VM_BACKEND", raising=False)
    copy_on_write_problem.cache_clear()

    def refuse(_pid: int) -> int:
        with needs_host("looking at pages"):
            raise PermissionError(13, "Permission denied", "/proc/self/pagemap")

    monkeypatch.setattr("torpor.vm.pages._pagemap", refuse)
    try:
        assert "Permission denied" in choose_backend().reason
    finally:
        monkeypatch.undo()
        copy_on_write_problem.cache_clear()
