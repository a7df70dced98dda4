"""
One VM: restore a parked workflow, deliver one result, take the snapshot.

What a turn costs without world, event loop and client. Every iteration begins at the same snapshot, as a run does that
was parked, and is a sample.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from benchmarks.application import application
from benchmarks.harness import child
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import BACKENDS, Setting
from torpor import codec
from torpor.programs.catalogue import short_name
from torpor.vm.delta import unpack_delta
from torpor.vm.guest import Begin, Delivery, Guest, Image, Program

UNITS = {
    "cycle": "µs",  # restore, deliver, snapshot
    "restore": "µs",
    "deliver": "µs",
    "snapshot": "µs",
    "pack": "µs",  # compress the snapshot
    "unpack": "µs",
    "reset": "µs",  # lease and release, which give a clean VM
    "load": "ms",  # boot and evaluate the program
    "first_boot": "ms",  # the same in a fresh process, from compiled code on disk
    "stored": "bytes",  # the compressed snapshot
    "dirty_pages": "pages",
}

_WORKFLOW = "sequential"
_SEED = bytes(range(32))
_AT = 1_700_000_000_000
_PAST_STEPS = 3

_ITERATIONS, _ITERATIONS_QUICK = 1_000, 200
_WARM_UP = 50

Figures = dict[str, list[float]]


def run(setting: Setting) -> list[Row]:
    """Return the rows of both memory back ends, or of the one that was asked for."""
    rows = Rows("vm", msgspec.structs.replace(setting, world="none://"))
    setting = msgspec.structs.replace(setting, world="memory://")  # never opened; the application must have one
    for backend in [setting.backend] if setting.backend else BACKENDS:
        say(f"vm: memory back end {backend}")
        with _backend(backend):
            figures = child.call(measure, setting)
            boots = [child.call(first_boot, setting) for _ in range(1 + setting.samples)]
        figures["first_boot"] = boots[1:]
        for name, unit in UNITS.items():
            rows.add(name, unit, figures[name], {"backend": backend})
    return rows.all


def measure(setting: Setting) -> Figures:
    """Go through the cycle many times in this process."""
    guest, program = _guest_and_program(setting)
    figures: Figures = {name: [] for name in UNITS if name != "first_boot"}
    image = guest.load(program)
    for _ in range(setting.samples):
        begun = time.perf_counter()
        image = guest.load(program)
        figures["load"].append((time.perf_counter() - begun) * 1e3)
    raw = _parked(guest, image)
    figures["dirty_pages"].append(_pages_in(raw, image))
    figures["stored"].append(len(codec.pack_binary(raw)))
    for _ in range(_WARM_UP):
        _cycle(guest, image, raw)
    for _ in range(_ITERATIONS_QUICK if setting.quick else _ITERATIONS):
        for name, seconds in _cycle(guest, image, raw).items():
            figures[name].append(seconds * 1e6)
    return figures


def first_boot(setting: Setting) -> float:
    """Return how many milliseconds the first VM of this process takes; the sources of the program are at hand."""
    app = application(setting)
    begun = time.perf_counter()
    guest = app.programs.guest(setting.guest)
    _ = guest.build
    made = time.perf_counter()
    program = app.programs.resolve(_WORKFLOW).program
    resumed = time.perf_counter()
    guest.lease(guest.load(program)).release()
    return (time.perf_counter() - resumed + made - begun) * 1e3


def _cycle(guest: Guest, image: Image, raw: bytes) -> dict[str, float]:
    """Go through a turn and return how many seconds each part took."""
    stored = codec.pack_binary(raw)
    delivery = _result(_PAST_STEPS + 1)
    marks = [time.perf_counter()]
    vm = guest.lease(image)
    marks.append(time.perf_counter())
    snapshot = codec.unpack_binary(stored)
    marks.append(time.perf_counter())
    vm.restore(snapshot, _SEED)
    marks.append(time.perf_counter())
    outbox = vm.deliver([delivery])
    marks.append(time.perf_counter())
    after = vm.snapshot()
    marks.append(time.perf_counter())
    codec.pack_binary(after)
    marks.append(time.perf_counter())
    vm.release()
    marks.append(time.perf_counter())
    assert [op.n for op in outbox.ops] == [_PAST_STEPS + 2]
    lease, unpack, restore, deliver, take, pack, release = (b - a for a, b in itertools.pairwise(marks))
    return {
        "cycle": restore + deliver + take,
        "restore": restore,
        "deliver": deliver,
        "snapshot": take,
        "pack": pack,
        "unpack": unpack,
        "reset": lease + release,
    }


def _parked(guest: Guest, image: Image) -> bytes:
    """Return the snapshot of a workflow that has some steps behind it and waits for the next."""
    vm = guest.lease(image)
    try:
        (name,) = (name for name in image.program.workflows if short_name(name) == _WORKFLOW)
        vm.begin(Begin("wrun_benchmark", name, codec.unpack_devalue(codec.dumps([1_000])), seed=_SEED, at=_AT))
        for op in range(1, _PAST_STEPS + 1):
            vm.deliver([_result(op)])
        return vm.snapshot()
    finally:
        vm.release()


def _result(op: int) -> Delivery:
    return Delivery("step_completed", op, _AT + op, value=codec.unpack_devalue(codec.dumps(op)))


def _guest_and_program(setting: Setting) -> tuple[Guest, Program]:
    app = application(setting)
    return app.programs.guest(setting.guest), app.programs.resolve(_WORKFLOW).program


def _pages_in(raw: bytes, image: Image) -> int:
    """Return how many pages a snapshot has records of; see :mod:`torpor.vm.delta`."""
    body = unpack_delta(raw, image.hash).body
    count = at = 0
    while at < len(body):
        mask = int.from_bytes(body[at + 4 : at + 68])
        at += 68 + 8 * mask.bit_count()
        count += 1
    return count


@contextmanager
def _backend(name: str) -> Iterator[None]:
    """Make processes that are begun inside the block keep VM memory this way."""
    former = os.environ.get("TORPOR_VM_BACKEND")
    os.environ["TORPOR_VM_BACKEND"] = name
    try:
        yield
    finally:
        del os.environ["TORPOR_VM_BACKEND"]
        if former is not None:
            os.environ["TORPOR_VM_BACKEND"] = former
