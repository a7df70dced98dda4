"""A Python VM falls asleep as a few kilobytes and wakes exactly where it was."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from tests.guests.cpython.support import COUNTER, python, python_program, started
from tests.guests.support import NOW, SEED, answer, begin, instance_of, result
from torpor.errors import SnapshotError
from torpor.guests.cpython import CPython

NESTED = """
import asyncio, random

async def main():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(step("add", 10, n)) for n in range(3)]
    total = sum(task.result() for task in tasks)
    while True:
        total = await step("add", total, 1)
"""


def stored(snapshot: bytes) -> int:
    """Return how many bytes a snapshot takes in a world."""
    return len(zstandard.compress(snapshot, 3))


def test_a_parked_workflow_wakes_in_another_vm(py: CPython) -> None:
    """
    A snapshot restored into another VM goes on from the very await.
    """
    image = py.load(python_program(NESTED))
    first, second = py.lease(image), py.lease(image)
    begin(first, "main")
    snapshot = first.snapshot()

    second.restore(snapshot, SEED)

    assert instance_of(first) is not instance_of(second)
    for op in (2, 3, 1):
        out = answer(second, op, 99)
        assert out == answer(first, op, 99)
    assert out.ops[0].input == "[297, 1]"
    first.release()
    second.release()


def test_a_snapshot_fits_every_back_end() -> None:
    """
    What one back end wrote the other restores, byte for byte the same.
    """
    snapshots = []
    for writer in (python("cow"), python("portable")):
        vm = started(writer, NESTED, "main", ())
        snapshots.append(vm.snapshot())
        vm.release()
    reader = python("portable")
    vm = reader.lease(reader.load(python_program(NESTED)))
    vm.restore(snapshots[0], SEED)

    assert answer(vm, 1, 7).status == "pending"
    assert snapshots[0] == snapshots[1]
    vm.release()


def test_restoring_changes_nothing(py: CPython) -> None:
    """
    The snapshot of a restored VM is the snapshot it was restored from.
    """
    vm = started(py, NESTED, "main", ())
    snapshot = vm.snapshot()

    vm.restore(snapshot, SEED)

    assert vm.snapshot() == snapshot
    vm.release()


def test_a_fresh_vm_has_an_empty_snapshot(py: CPython) -> None:
    """
    Nothing differs from the image before the run begins.
    """
    vm = py.lease(py.load(python_program(COUNTER)))

    assert len(vm.snapshot()) < 100
    vm.release()


def test_a_small_workflow_sleeps_in_a_few_kilobytes(py: CPython) -> None:
    """
    The budget for a small Python workflow is 20 KB; this guest, which does little, keeps well below it.
    """
    vm = started(py, NESTED, "main", ())

    assert stored(vm.snapshot()) < 12_000
    vm.release()


def test_ten_thousand_turns_leave_nothing_behind() -> None:
    """
    The snapshot of a loop that holds no data does not grow.
    """
    guest = python("cow")
    vm = started(guest, NESTED, "main", ())
    for op in (1, 2, 3):
        answer(vm, op, op)
    sizes = {}
    for op in range(4, 10_004):
        answer(vm, op, op % 7, NOW + op)
        if op in (104, 10_003):
            sizes[op] = len(vm.snapshot())

    assert sizes[10_003] < sizes[104] + 2_000
    vm.release()


def test_random_turns_and_naps_agree(py: CPython) -> None:
    """
    A run that sleeps between its turns does what one does that never sleeps.
    """
    chance = random.Random(7)
    source = """
import random, uuid
async def main():
    kept = []
    while True:
        kept.append([await step("s", len(kept)), random.random(), str(uuid.uuid4())])
        if len(kept) > 20:
            return kept
"""
    image = py.load(python_program(source))
    awake, drowsy = py.lease(image), py.lease(image)
    begin(awake, "main")
    begin(drowsy, "main")
    for op in range(1, 22):
        if chance.random() < 0.5:
            snapshot = drowsy.snapshot()
            drowsy.release()
            drowsy = py.lease(image)
            drowsy.restore(snapshot, SEED)
        last = answer(awake, op, op), answer(drowsy, op, op)

    assert result(last[0]) == result(last[1])
    awake.release()
    drowsy.release()


def test_a_snapshot_of_another_program_is_refused(py: CPython) -> None:
    """
    Another program is another image, and the VM is as after the lease.
    """
    vm = started(py)
    snapshot = vm.snapshot()
    vm.release()
    vm = py.lease(py.load(python_program(COUNTER + "other = True\n")))

    with pytest.raises(SnapshotError, match="belongs to image"):
        vm.restore(snapshot, SEED)
    assert begin(vm, "counter", 5).ops[0].input == "[5, 0]"
    vm.release()


def test_a_damaged_snapshot_is_refused(py: CPython) -> None:
    """
    Damage is noticed, and the VM is as after the lease.
    """
    vm = started(py)
    snapshot = bytearray(vm.snapshot())
    snapshot[len(snapshot) // 2] ^= 1

    with pytest.raises(SnapshotError, match="damaged"):
        vm.restore(bytes(snapshot), SEED)
    assert begin(vm, "counter", 5).ops[0].input == "[5, 0]"
    vm.release()


def test_a_run_wakes_in_another_process(tmp_path: Path) -> None:
    """
    A fresh process, which boots nothing, loads the program to the same image and goes on from the await.
    """
    guest = python("cow")
    vm = started(guest, NESTED, "main", ())
    (tmp_path / "snapshot").write_bytes(vm.snapshot())
    expected = [answer(vm, op, 5).ops for op in (1, 2, 3)][-1]
    vm.release()
    script = f"""
from pathlib import Path
from tests.guests.cpython.support import guest_code, python_program
from tests.guests.support import SEED, answer
from torpor.guests.cpython import CPython
from torpor.guests.cpython import guest as room
room.boot = None  # it must not be needed
guest = CPython(backend="cow", code=guest_code())
vm = guest.lease(guest.load(python_program({NESTED!r})))
vm.restore(Path({str(tmp_path / "snapshot")!r}).read_bytes(), SEED)
print([answer(vm, op, 5).ops for op in (1, 2, 3)][-1][0].input)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
    assert done.stdout.strip() == expected[0].input == "[15, 1]"
