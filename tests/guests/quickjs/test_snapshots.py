"""A VM falls asleep as a few kilobytes and wakes exactly where it was."""

from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path

import pytest
import zstandard

from tests.guests.quickjs.support import BOOTSTRAP, COUNTER, guest, program
from tests.guests.support import NOW, SEED, answer, begin, instance_of, result
from torpor.errors import SnapshotError, VmError
from torpor.guests.quickjs import Limits, QuickJS
from torpor.vm.guest import Outbox, Vm

GROWING = """
import { step } from "workflow";
const wait = step("wait");
export async function main(megabytes) {
  const kept = Array.from({ length: megabytes }, (_, i) => new Uint8Array(1 << 20).fill(i + 1));
  await wait();
  return kept.every((bytes, i) => bytes.indexOf(i + 1) === 0 && bytes.lastIndexOf(i + 1) === bytes.length - 1);
}
"""


def test_a_parked_workflow_wakes_in_another_vm(js: QuickJS) -> None:
    """
    A snapshot restored into another VM goes on from the very await.
    """
    image = js.load(program(COUNTER))
    first, second = js.lease(image), js.lease(image)
    begin(first, "counter", 10)
    snapshot = first.snapshot()

    second.restore(snapshot, SEED)

    assert answer(second, 1, 99).ops == answer(first, 1, 99).ops
    first.release()
    second.release()


def test_a_snapshot_fits_every_back_end() -> None:
    """
    What one back end wrote the other restores, byte for byte the same.
    """
    snapshots = []
    for writer in (guest("cow"), guest("portable")):
        vm = writer.lease(writer.load(program(COUNTER)))
        begin(vm, "counter", 10)
        snapshots.append(vm.snapshot())
        vm.release()
    reader = guest("portable")
    vm = reader.lease(reader.load(program(COUNTER)))
    vm.restore(snapshots[0], SEED)

    assert answer(vm, 1, 7).ops[0].input == "[7,1]"
    assert snapshots[0] == snapshots[1]
    vm.release()


def test_restoring_changes_nothing(js: QuickJS) -> None:
    """
    The snapshot of a restored VM is the snapshot it was restored from.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 10)
    snapshot = vm.snapshot()

    vm.restore(snapshot, SEED)
    assert vm.snapshot() == snapshot

    vm.release()


def test_a_fresh_vm_has_an_empty_snapshot(js: QuickJS) -> None:
    """
    Nothing differs from the image before something ran.
    """
    vm = js.lease(js.load(program(COUNTER)))

    assert len(vm.snapshot()) == struct.calcsize("<4sHH32sIIQqQ") + 4
    vm.release()


def test_many_turns_do_not_make_a_snapshot_grow(js: QuickJS) -> None:
    """
    A workflow that only counts is as small after a thousand steps, each in a restored VM, as after ten.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 0)
    sizes = []
    for op in range(1, 1001):
        vm.restore(vm.snapshot(), SEED)
        answer(vm, op, op)
        sizes.append(len(vm.snapshot()))

    assert sizes[-1] < sizes[10] * 1.2
    assert len(zstandard.compress(vm.snapshot(), 1)) < 5000
    vm.release()


def test_what_was_delivered_does_not_lie_about(js: QuickJS) -> None:
    """
    A delivered secret that the workflow did not keep is nowhere in memory and makes no snapshot larger.
    """
    source = """
    import { step } from "workflow";
    export async function main() { (await step("a")()).length; for (;;) await step("b")(); }"""
    vm = js.lease(js.load(program(source)))
    begin(vm, "main")
    before = len(vm.snapshot())

    answer(vm, 1, "hunter2 " * 1000)

    assert b"hunter2" not in instance_of(vm).memory.read(0, instance_of(vm).memory.size)
    assert len(vm.snapshot()) < before + 1500
    vm.release()


@pytest.mark.parametrize("megabytes", [6, 20])
def test_memory_grown_beyond_the_image_comes_back(js: QuickJS, megabytes: int) -> None:
    """
    A run whose memory outgrew its image is restored to exactly that size, and its instance is not used again.
    """
    image = js.load(program(GROWING))
    vm = js.lease(image)
    begin(vm, "main", megabytes)
    size, snapshot = instance_of(vm).memory.size, vm.snapshot()
    grown = instance_of(vm)
    vm.release()

    vm = js.lease(image)
    assert instance_of(vm) is not grown
    vm.restore(snapshot, SEED)

    assert instance_of(vm).memory.size == size > 6 << 20
    assert result(answer(vm, 1, None)) is True
    vm.release()


def test_a_vm_that_grew_is_restored_to_a_smaller_snapshot(js: QuickJS) -> None:
    """
    Restoring into a VM whose memory outgrew the snapshot gives exactly the snapshot's state and size.
    """
    vm = js.lease(js.load(program(GROWING)))
    begin(vm, "main", 0)
    snapshot, size = vm.snapshot(), instance_of(vm).memory.size
    vm.release()
    vm = js.lease(js.load(program(GROWING)))
    begin(vm, "main", 20)

    vm.restore(snapshot, SEED)

    assert instance_of(vm).memory.size == size
    assert vm.snapshot() == snapshot
    vm.release()


def test_a_refused_snapshot_leaves_a_vm_that_grew_as_after_the_lease(js: QuickJS) -> None:
    """
    Whether memory grew before a restore or in the middle of one that fails, the VM is fresh afterwards.
    """
    vm = js.lease(js.load(program(GROWING)))
    fresh = vm.snapshot()
    begin(vm, "main", 20)
    damaged = bytearray(vm.snapshot())
    struct.pack_into("<I", damaged, struct.calcsize("<4sHH32sIIQqQ"), 1 << 20)
    struct.pack_into("<I", damaged, len(damaged) - 4, zlib.crc32(damaged[:-4]))

    with pytest.raises(SnapshotError, match="checksum"):
        vm.restore(b"x" * 100, SEED)
    assert vm.snapshot() == fresh
    with pytest.raises(SnapshotError, match="not well formed"):
        vm.restore(bytes(damaged), SEED)
    assert vm.snapshot() == fresh
    vm.release()


def test_a_snapshot_that_needs_more_memory_than_allowed_is_refused(backend: str) -> None:
    """
    With a smaller limit than the run grew to, restoring fails by name and leaves the VM as after the lease.
    """
    wide, narrow = guest(backend), guest(backend, Limits(memory_bytes=8 << 20))
    vm = wide.lease(wide.load(program(GROWING)))
    begin(vm, "main", 20)
    snapshot = vm.snapshot()
    vm.release()
    vm = narrow.lease(narrow.load(program(GROWING)))

    with pytest.raises(SnapshotError, match=r"needs \d+ bytes of memory, the limit is 8388608"):
        vm.restore(snapshot, SEED)

    assert begin(vm, "main", 0).status == "pending"
    vm.release()


def test_a_snapshot_of_another_program_is_refused(js: QuickJS) -> None:
    """
    A snapshot fits the image it was taken against only, and the VM stays as after the lease.
    """
    other = js.lease(js.load(program(COUNTER + "// another")))
    begin(other, "counter", 1)
    snapshot = other.snapshot()
    other.release()
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 500)

    with pytest.raises(SnapshotError, match="belongs to image"):
        vm.restore(snapshot, SEED)

    assert begin(vm, "counter", 5).ops[0].input == "[5,0]"
    vm.release()


def test_a_damaged_snapshot_leaves_the_vm_as_after_the_lease(js: QuickJS) -> None:
    """
    Damage is refused before and after the checksum: records that are not well formed are noticed too.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 1)
    snapshot = vm.snapshot()
    fresh = len(js.lease(js.load(program(COUNTER))).snapshot())
    head = struct.calcsize("<4sHH32sIIQqQ")

    for page in (1 << 20, 58 * 16):  # far outside, just outside of memory
        damaged = bytearray(snapshot)
        struct.pack_into("<I", damaged, head, page)
        struct.pack_into("<I", damaged, len(damaged) - 4, zlib.crc32(damaged[:-4]))
        with pytest.raises(SnapshotError, match="not well formed"):
            vm.restore(bytes(damaged), SEED)
        assert len(vm.snapshot()) == fresh

    with pytest.raises(SnapshotError, match="damaged"):
        vm.restore(snapshot[:-1] + b"\0\0", SEED)
    assert begin(vm, "counter", 5).ops[0].input == "[5,0]"
    vm.release()


def test_records_that_end_early_are_refused(js: QuickJS) -> None:
    """
    Wherever page records are cut, with head and checksum right, they are refused or are whole records.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 1)
    snapshot = vm.snapshot()
    head = struct.calcsize("<4sHH32sIIQqQ")
    refused = 0
    for size in range(1, 700, 3):
        cut = bytearray(snapshot[: head + size])
        struct.pack_into("<Q", cut, head - 8, size)
        try:
            vm.restore(bytes(cut + struct.pack("<I", zlib.crc32(cut))), SEED)
        except SnapshotError:
            refused += 1

    assert refused > 200
    vm.restore(snapshot, SEED)
    assert answer(vm, 1, 2).ops[0].input == "[2,1]"
    vm.release()


def test_memory_gone_wrong_harms_only_the_guest(backend: str) -> None:
    """
    Whatever stands in a guest's memory, the worst it can do is to trap, or to run until its time is over.
    """
    js = guest(backend, Limits(cpu_seconds=0.2))
    source = program(
        COUNTER + "export async function late() { await step('s')(); await import('./late.js'); }", late=""
    )
    image = js.load(source)
    vm = js.lease(image)
    begin(vm, "late")
    snapshot = vm.snapshot()
    head, chance, survived = struct.calcsize("<4sHH32sIIQqQ"), random.Random(7), 0
    for _ in range(150):
        wrong = bytearray(snapshot)
        for _ in range(chance.choice((1, 5, 50))):
            wrong[chance.randrange(head + 68, len(wrong) - 4)] ^= 1 << chance.randrange(8)
        struct.pack_into("<I", wrong, len(wrong) - 4, zlib.crc32(wrong[:-4]))
        try:
            vm.restore(bytes(wrong), SEED)
            answer(vm, 1, 5)
            survived += 1
        except VmError:
            vm.release()
            vm = js.lease(image)
    vm.release()

    assert survived < 150
    vm = js.lease(image)
    vm.restore(snapshot, SEED)
    assert answer(vm, 1, 5).status == "completed"
    vm.release()


def test_clock_and_entropy_go_on_after_a_restore(js: QuickJS) -> None:
    """
    A restored VM draws the bytes and reads the time that the first one would have.
    """
    source = """
    import { step } from "workflow";
    export async function main() {
      const seen = [];
      for (;;) {
        seen.push(crypto.randomUUID(), Date.now());
        if (await step("s")()) return seen;
      }
    }"""
    image = js.load(program(source))
    hot = js.lease(image)
    begin(hot, "main")
    answer(hot, 1, False, at=NOW + 10)
    parked = hot.snapshot()
    expected = result(_finish(hot))

    woken = js.lease(image)
    woken.restore(parked, SEED)

    assert instance_of(woken).wasi.clock_ms.value == NOW + 10
    assert result(_finish(woken)) == expected
    hot.release()
    woken.release()


def _finish(vm: Vm) -> Outbox:
    answer(vm, 2, False, at=NOW + 20)
    return answer(vm, 3, True, at=NOW + 30)


def test_the_seed_decides_everything_random(js: QuickJS) -> None:
    """
    The same seed gives the same values, another seed gives others.
    """
    source = """
    import { seededEntropy } from "workflow";
    export async function main() {
      return [crypto.randomUUID(), Array.from(crypto.getRandomValues(new Uint8Array(8))), seededEntropy()];
    }"""
    image = js.load(program(source))
    results = []
    for seed in (SEED, SEED, bytes(32)):
        vm = js.lease(image)
        results.append(json.dumps(result(begin(vm, "main", seed=seed))))
        vm.release()

    assert results[0] == results[1] != results[2]


def test_two_guests_boot_to_the_same_bytes(backend: str) -> None:
    """
    Booting and loading in another guest object gives the same image hash and the same snapshots.
    """
    found = []
    for _ in range(2):
        js = QuickJS(backend=backend, bootstrap=BOOTSTRAP)
        image = js.load(program(COUNTER))
        vm = js.lease(image)
        begin(vm, "counter", 3)
        found.append((image.hash, vm.snapshot()))
        vm.release()
        js.close()

    assert found[0] == found[1]


def test_an_image_comes_back_from_its_bytes(js: QuickJS) -> None:
    """
    A revived image has the same hash, and snapshots of the first wake in it.
    """
    source = program(COUNTER)
    image = js.load(source)
    vm = js.lease(image)
    begin(vm, "counter", 10)
    snapshot = vm.snapshot()
    vm.release()

    revived = js.revive(image.to_bytes(), source)
    vm = js.lease(revived)
    vm.restore(snapshot, SEED)

    assert (revived.hash, revived.per_run, revived.program) == (image.hash, None, source)
    assert answer(vm, 1, 4).ops[0].input == "[4,1]"
    vm.release()


def test_a_fresh_guest_revives_before_it_ever_booted(backend: str) -> None:
    """
    Reviving needs no program to have been loaded in this process.
    """
    source = program(COUNTER)
    data = guest(backend).load(source).to_bytes()

    js = QuickJS(backend=backend, bootstrap=BOOTSTRAP)
    vm = js.lease(js.revive(data, source))

    assert begin(vm, "counter", 1).status == "pending"
    vm.release()
    js.close()


def test_images_that_do_not_fit_are_refused(js: QuickJS, backend: str, tmp_path: Path) -> None:
    """
    Damage, another program and another guest build are told apart.
    """
    source = program(COUNTER)
    data = js.load(source).to_bytes()
    for name in ("main.js", "state.js", "workflow.js"):
        (tmp_path / name).write_text((BOOTSTRAP / name).read_text() + "\n// changed")

    with pytest.raises(SnapshotError, match="damaged"):
        js.revive(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], source)
    with pytest.raises(SnapshotError, match="cut short"):
        js.revive(data[:20], source)
    with pytest.raises(SnapshotError, match="holds another program"):
        js.revive(data, program(COUNTER + "// another"))
    with pytest.raises(SnapshotError, match="was made by guest build"):
        QuickJS(backend=backend, bootstrap=tmp_path).revive(data, source)
