"""VMs are used again by other runs, programs and threads, and keep nothing of the run before."""

from __future__ import annotations

import subprocess
import sys
import threading

from tests.guests.quickjs.support import BOOTSTRAP, COUNTER, guest, program
from tests.guests.support import SEED, answer, begin, instance_of, result
from torpor.errors import TorporError
from torpor.guests.quickjs import QuickJS

LEAVES_TRACES = """
import { step } from "workflow";
let runs = 0;
export async function main(secret) {
  runs++;
  globalThis.left = secret;
  Array.prototype.left = secret;
  Math.random = () => 4;
  Object.freeze(Object.prototype);
  await step("s")();
  return runs;
}
export async function look() {
  return [runs, typeof globalThis.left, typeof [].left, Object.isFrozen(Object.prototype), crypto.randomUUID()];
}
"""


def test_nothing_of_a_run_is_left_for_the_next(js: QuickJS) -> None:
    """
    Whatever a run does to its globals, the next run in the same instance sees a fresh program.
    """
    image = js.load(program(LEAVES_TRACES))
    vm = js.lease(image)
    expected = result(begin(vm, "look"))
    vm.release()
    vm = js.lease(image)
    used = instance_of(vm)
    begin(vm, "main", "secret-of-the-first-run")
    vm.release()

    vm = js.lease(image)
    assert instance_of(vm) is used
    assert b"secret-of-the-first-run" not in used.memory.read(0, used.memory.size)
    assert result(begin(vm, "look")) == expected
    assert expected[:4] == [0, "undefined", "undefined", False]
    vm.release()


def test_programs_share_instances(backend: str) -> None:
    """
    With a pool of one, many programs take turns in the same instance.
    """
    js = guest(backend, pool_size=1)
    images = [js.load(program(f"export async function main() {{ return {n}; }}")) for n in range(5)]
    seen = set()
    for _ in range(3):
        for number, image in enumerate(images):
            vm = js.lease(image)
            seen.add(id(instance_of(vm)))
            assert result(begin(vm, "main")) == number
            vm.release()

    assert len(seen) == 1


def test_a_vm_may_change_threads(js: QuickJS) -> None:
    """
    A VM that was begun in one thread goes on in others.
    """
    vm = js.lease(js.load(program(COUNTER)))
    begin(vm, "counter", 0)
    inputs = []

    def turn(op: int) -> None:
        inputs.append(answer(vm, op, op * 10).ops[0].input)

    for op in range(1, 6):
        thread = threading.Thread(target=turn, args=(op,))
        thread.start()
        thread.join()

    assert inputs == [f"[{op * 10},{op}]" for op in range(1, 6)]
    vm.release()


def test_many_threads_run_many_programs(backend: str) -> None:
    """
    Eight threads with fewer VMs than threads, parking and waking at random, all end right.
    """
    js = guest(backend, pool_size=3)
    images = [js.load(program(COUNTER + f"// program {n}")) for n in range(3)]
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            parked: list[bytes | None] = [None] * 3
            for op in range(1, 30):
                for which, image in enumerate(images):
                    vm = js.lease(image)
                    try:
                        if (snapshot := parked[which]) is None:
                            begin(vm, "counter", 0)
                        else:
                            vm.restore(snapshot, SEED)
                        out = answer(vm, op, number * op)
                        assert out.ops[0].input == f"[{number * op},{op}]"
                        parked[which] = vm.snapshot()
                    finally:
                        vm.release()
        except BaseException as problem:  # noqa: BLE001  # shown below
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []


def test_programs_load_in_many_threads(js: QuickJS) -> None:
    """
    Loading is safe from several threads, whether it succeeds or not.
    """
    results: list[str] = []

    def load(number: int) -> None:
        try:
            results.append(js.load(program(f"export async function main() {{ return {number}; }}")).hash)
            js.load(program("throw new Error('no')"))
        except TorporError as problem:
            results.append(type(problem).__name__)

    threads = [threading.Thread(target=load, args=(n % 2,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results.count("ProgramError") == 6
    assert len(set(results)) == 3


def test_a_process_ends_cleanly_whatever_its_guests_do() -> None:
    """
    Leased VMs, a guest that spins in a daemon thread, and the ticker do not disturb the end of the process.

    The thread may still see its guest interrupted, or be gone before.
    """
    script = f"""
import contextlib, sys, threading
sys.path.insert(0, {str(BOOTSTRAP.parents[3])!r})
from tests.guests.quickjs.support import guest, program
from tests.guests.support import begin
from torpor.errors import VmInterruptedError
js = guest("portable")
image = js.load(program("export async function main() {{ for (;;); }} export async function ok() {{}}"))
vm = js.lease(image)
begin(vm, "ok")
begun = threading.Event()
def spin():
    other = js.lease(image)
    begun.set()
    with contextlib.suppress(VmInterruptedError):
        begin(other, "main")
threading.Thread(target=spin, daemon=True).start()
begun.wait()
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=60, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_guest_is_over(backend: str) -> None:
    """
    Closing a guest frees its VMs; those still leased are freed at release.
    """
    js = QuickJS(backend=backend, bootstrap=BOOTSTRAP)
    image = js.load(program(COUNTER))
    vm = js.lease(image)
    js.close()
    assert begin(vm, "counter", 1).status == "pending"
    instance = instance_of(vm)
    vm.release()

    assert instance.memory.size == 0
