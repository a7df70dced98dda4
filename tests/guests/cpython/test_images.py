"""Images of the Python guest: small in storage, shared in memory, the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.guests.cpython.support import COUNTER, guest_code, python, python_program, started
from tests.guests.support import SEED, answer, begin, instance_of
from torpor.errors import SnapshotError
from torpor.guests.cpython import CPython
from torpor.guests.cpython.boot import Booted
from torpor.guests.cpython.bootfile import boot_image
from torpor.vm.cache_folders import default_directory
from torpor.vm.layers import LayeredImage
from torpor.vm.progress import say_on_stderr

STACK_BYTES = 65536
"""Of the made-up memory."""

BOOT = """
import hashlib
from tests.guests.cpython.support import guest_code
from torpor.guests.cpython import CPython
from torpor.guests.cpython.boot import boot
guest = CPython(code=guest_code())
booted = boot(guest._compiled(), guest.backend)
print(hashlib.sha256(booted.memory).hexdigest(), booted.turn)
"""


def in_process(script: str) -> str:
    """Return what a script prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60).stdout


def test_every_boot_is_the_same_to_the_byte() -> None:
    """
    Two processes that boot get the same memory.
    """
    assert in_process(BOOT) == in_process(BOOT)


def test_a_stored_image_is_small_and_comes_back(py: CPython) -> None:
    """
    A program's image is stored as what it changes in the boot image; the revived one runs and takes snapshots.
    """
    program = python_program(COUNTER)
    image = py.load(program)
    vm = started(py)
    snapshot = vm.snapshot()
    vm.release()

    stored = image.to_bytes()
    revived = py.revive(stored, program)

    assert len(stored) < 300_000
    assert (revived.hash, revived.per_run) == (image.hash, None)
    vm = py.lease(revived)
    vm.restore(snapshot, SEED)
    assert answer(vm, 1, 7).ops[0].input == "[7, 1]"
    vm.release()


def test_an_image_in_memory_is_what_its_program_changes() -> None:
    """
    All images share the pages of the boot image; each has only those near which it changed something.
    """
    guest = python("cow")
    first, second = (guest.load(python_program(COUNTER + f"number = {n}\n")) for n in range(2))
    layers = [image.memory for image in (first, second)]  # type: ignore[attr-defined]  # what is told apart here

    assert all(isinstance(layer, LayeredImage) for layer in layers)
    assert layers[0].base is layers[1].base
    for layer in layers:
        assert os.fstat(layer.fd).st_size < 3 << 20
        assert len(layer.pieces) <= 2 + 64 + 1


def test_programs_do_not_mix(py: CPython) -> None:
    """
    VMs that change from program to program hold nothing of the one before.
    """
    programs = [python_program(f"number = {n}\nasync def main():\n    return sorted(globals())\n") for n in range(3)]
    programs.append(python_program("other = 1\nasync def main():\n    return sorted(globals())\n"))
    images = [py.load(program) for program in programs]
    for image, name in [*zip(images, ["number"] * 3 + ["other"], strict=True)] * 2:
        vm = py.lease(image)
        out = begin(vm, "main")
        assert out.value is not None
        assert ('"number"' in out.value, '"other"' in out.value) == (name == "number", name == "other")
        vm.release()


def test_an_image_of_another_build_is_refused(py: CPython) -> None:
    """
    The guest's code is part of the build; images of other builds are made anew.
    """
    code = guest_code()
    other = CPython(backend=py.backend.name, code=type(code)(code.text + "\n", code.modules))
    program = python_program(COUNTER)

    assert other.build != py.build
    with pytest.raises(SnapshotError, match="guest build"):
        other.revive(py.load(program).to_bytes(), program)


def test_an_image_of_another_program_is_refused(py: CPython) -> None:
    """
    The bytes say which program they hold.
    """
    data = py.load(python_program(COUNTER)).to_bytes()

    with pytest.raises(SnapshotError, match="another program"):
        py.revive(data, python_program(COUNTER + "x = 1\n"))


def test_damaged_image_bytes_are_refused(py: CPython) -> None:
    """
    Damage is noticed, wherever it is.
    """
    program = python_program(COUNTER)
    data = bytearray(py.load(program).to_bytes())
    data[len(data) // 2] ^= 1

    with pytest.raises(SnapshotError, match="damaged"):
        py.revive(bytes(data), program)


def test_pooled_vms_are_used_again(py: CPython) -> None:
    """
    A VM that was given back serves the next run, its memory as new.
    """
    image = py.load(python_program(COUNTER))
    vm = py.lease(image)
    begin(vm, "counter", 1)
    used = instance_of(vm)
    vm.release()

    vm = py.lease(image)

    assert instance_of(vm) is used
    assert len(vm.snapshot()) < 100
    vm.release()


def test_many_threads_run_many_programs() -> None:
    """
    Threads that park and wake runs of several programs do not disturb each other.
    """
    guest = python("cow")
    images = [guest.load(python_program(COUNTER + f"number = {n}\n")) for n in range(2)]
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            parked: list[bytes | None] = [None] * len(images)
            for op in range(1, 20):
                for which, image in enumerate(images):
                    vm = guest.lease(image)
                    try:
                        if (snapshot := parked[which]) is None:
                            begin(vm, "counter", 0)
                        else:
                            vm.restore(snapshot, SEED)
                        assert answer(vm, op, number * op).ops[0].input == f"[{number * op}, {op}]"
                        parked[which] = vm.snapshot()
                    finally:
                        vm.release()
        except BaseException as problem:  # noqa: BLE001  # shown below
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


def booted() -> Booted:
    """Return a boot of made-up memory."""
    return Booted(bytes(range(256)) * 256, 42)


def test_a_boot_image_is_kept_and_mapped(tmp_path: Path) -> None:
    """
    The second process boots nothing.
    """
    path = tmp_path / "boot.image"
    first = boot_image(path, STACK_BYTES, booted, say_on_stderr)

    def never() -> Booted:
        raise AssertionError("booted again")

    second = boot_image(path, STACK_BYTES, never, say_on_stderr)

    assert (first.image.hash, first.turn) == (second.image.hash, 42)
    assert second.image.size == STACK_BYTES + 65536
    assert bytes(second.image.pieces[1].view or b"") == booted().memory


@pytest.mark.parametrize("damage", ["flip", "cut", "no seal"])
def test_a_damaged_boot_image_is_made_anew(tmp_path: Path, damage: str) -> None:
    """
    Whatever happened to the file, it is whole afterwards.
    """
    path = tmp_path / "boot.image"
    whole = boot_image(path, STACK_BYTES, booted, say_on_stderr).image.hash
    match damage:
        case "flip":
            path.write_bytes(b"\1" + path.read_bytes()[1:])
        case "cut":
            path.write_bytes(path.read_bytes()[:5000])
        case "no seal":
            path.with_suffix(".seal").unlink()

    assert boot_image(path, STACK_BYTES, booted, say_on_stderr).image.hash == whole


def test_a_boot_image_that_cannot_be_kept_is_held(tmp_path: Path) -> None:
    """
    Where nothing can be written, each process boots, and gets the same image.
    """
    kept = boot_image(tmp_path / "boot.image", STACK_BYTES, booted, say_on_stderr)
    (tmp_path / "file").write_text("in the way")

    held = boot_image(tmp_path / "file" / "boot.image", STACK_BYTES, booted, say_on_stderr)

    assert held.image.hash == kept.image.hash
    assert bytes(held.image.pieces[1].view or b"") == booted().memory


def test_the_cache_holds_code_and_boot_image() -> None:
    """
    Both lie in the cache directory, sealed.
    """
    guest = python("cow")
    guest.load(python_program(COUNTER))

    for path in (guest.module_path, guest.boot_path):
        assert path.parent == default_directory()
        assert path.with_suffix(".seal").exists()
