"""What one run does to its VM ends that run and nothing else."""

from __future__ import annotations

import _thread
import signal
import threading
import time

import pytest

from tests.guests.quickjs.support import COUNTER, guest, program
from tests.guests.support import NOW, answer, begin, instance_of, result
from torpor.errors import CpuLimitError, MemoryLimitError, OutputLimitError, StackLimitError, VmError
from torpor.guests.quickjs import Limits, QuickJS
from torpor.vm.guest import Delivery

SMALL = Limits(memory_bytes=8 << 20, cpu_seconds=0.2, output_bytes=100_000)


@pytest.fixture
def small(backend: str) -> QuickJS:
    """A guest with tight limits."""
    return guest(backend, SMALL)


def fails(js: QuickJS, body: str, error: type[VmError], match: str) -> None:
    """Check that a workflow of this body fails so, and that a run beside it and one after it are unharmed."""
    neighbour = js.lease(js.load(program(COUNTER)))
    begin(neighbour, "counter", 10)
    vm = js.lease(js.load(program(f"export async function main() {{ {body} }}")))
    instance = instance_of(vm)

    with pytest.raises(error, match=match):
        begin(vm, "main")
    with pytest.raises(VmError):
        vm.snapshot()
    vm.release()

    assert answer(neighbour, 1, 11).ops[0].input == "[11,1]"
    neighbour.release()
    vm = js.lease(js.load(program(COUNTER)))
    assert instance_of(vm) is not instance
    assert begin(vm, "counter", 5).ops[0].input == "[5,0]"
    vm.release()


@pytest.mark.parametrize(
    "body",
    [
        "for (;;);",
        "for (;;) await 0;",
        "/^(a+)+$/.test('a'.repeat(60) + 'b');",
        "let x = 3n; for (;;) x = x * x;",
    ],
    ids=["loop", "microtasks", "regex", "bigint"],
)
def test_endless_work_is_ended(small: QuickJS, body: str) -> None:
    """
    Code that never returns is ended at the CPU limit, wherever in the engine it spins.
    """
    if "x * x" in body:  # it must not run out of memory first
        small = guest(small.backend.name, Limits(cpu_seconds=0.2))
    fails(small, body, CpuLimitError, r"more than 0\.2 s of CPU time")


def test_time_does_not_add_up_over_turns(small: QuickJS) -> None:
    """
    The CPU limit is per turn: many turns may take longer together.
    """
    source = """
    import { step } from "workflow";
    export async function main() {
      for (;;) { await step("s")(); for (let i = 0; i < 1e6; i++); }
    }"""
    vm = small.lease(small.load(program(source)))
    begin(vm, "main")
    started = time.thread_time()
    turns = 0
    while time.thread_time() - started < 0.5:
        turns += 1
        answer(vm, turns, None)

    assert turns > 2
    vm.release()


@pytest.mark.parametrize(
    "body",
    [
        "const kept = []; for (;;) kept.push(new Uint8Array(10000).fill(1));",
        "const kept = []; try { for (;;) kept.push('x'.repeat(10000) + kept.length); } catch {} kept.length = 0;",
        "try { new ArrayBuffer(1e9); } catch {}",
        "let a = [1, 2, 3]; for (;;) a = a.concat(a);",
    ],
    ids=["uncaught", "caught", "at-once", "array"],
)
def test_too_much_memory_is_noticed(small: QuickJS, body: str) -> None:
    """
    A refused growth ends the run even when workflow code catches the error or frees everything again.
    """
    fails(small, body, MemoryLimitError, "more than 8388608 bytes of memory")


def test_memory_up_to_the_limit_may_be_used(small: QuickJS) -> None:
    """
    A run may use nearly all that is allowed.
    """
    source = "export async function main() { return new Uint8Array(4 << 20).fill(7).lastIndexOf(7); }"
    vm = small.lease(small.load(program(source)))

    assert result(begin(vm, "main")) == (4 << 20) - 1
    vm.release()


def test_too_much_output_is_noticed(small: QuickJS) -> None:
    """
    An outbox larger than the limit ends the run.
    """
    fails(small, "return 'x'.repeat(200_000);", OutputLimitError, "returned in one begin has more than 100000 bytes")


def test_an_outbox_up_to_the_limit_is_taken(small: QuickJS) -> None:
    """
    An outbox just below the limit arrives whole.
    """
    vm = small.lease(small.load(program("export async function main() { return 'x'.repeat(99_000); }")))

    assert result(begin(vm, "main")) == "x" * 99_000
    vm.release()


def test_an_inbox_larger_than_the_vm_is_refused(small: QuickJS) -> None:
    """
    A delivery that could not fit into the VM's memory is a memory limit, not a crash.
    """
    vm = small.lease(small.load(program(COUNTER)))
    begin(vm, "counter", 1)

    with pytest.raises(MemoryLimitError):
        vm.deliver([Delivery("step_completed", 1, NOW, value='"' + "x" * (20 << 20) + '"')])
    vm.release()


@pytest.mark.parametrize(
    "body",
    [
        "const f = (n) => 1 + f(n + 1); f(0);",
        "const f = () => [1, 2].sort(f); f();",
        "const f = () => 'a'.replace(/a/, f); f();",
        "const f = () => JSON.stringify({ toJSON: f }); f();",
        "const o = { get x() { return this.x; } }; o.x;",
        "const f = () => Reflect.apply(f, null, []); f();",
        "class C { x = new C(); } new C();",
    ],
)
def test_endless_recursion_is_a_range_error(js: QuickJS, body: str) -> None:
    """
    Recursion without end is an error that workflow code can catch.
    """
    source = f"export async function main() {{ try {{ {body} }} catch (e) {{ return e.name; }} }}"
    vm = js.lease(js.load(program(source)))

    assert result(begin(vm, "main")) == "RangeError"
    vm.release()


def test_recursion_of_hundreds_of_calls_works(js: QuickJS) -> None:
    """
    The JavaScript stack holds some hundred calls.
    """
    source = "export async function main() { const f = (n) => n && 1 + f(n - 1); return f(500); }"
    vm = js.lease(js.load(program(source)))

    assert result(begin(vm, "main")) == 500
    vm.release()


def test_exhausted_native_stack_is_a_limit(js: QuickJS) -> None:
    """
    Nesting that QuickJS does not count ends the run, not the process.
    """
    body = "let o = {}; for (let i = 0; i < 100_000; i++) o = { o }; structuredClone(o);"
    fails(js, body, StackLimitError, "used up the stack of its VM")


def test_endless_work_leaves_other_threads_alive(backend: str) -> None:
    """
    While a guest spins, another Python thread gets its share.
    """
    js = guest(backend, Limits(cpu_seconds=0.2))
    vm = js.lease(js.load(program("export async function main() { for (;;); }")))
    begun, pauses, ended = threading.Event(), [], threading.Event()

    def live() -> None:
        begun.set()
        last = time.perf_counter()
        while not ended.is_set():
            now = time.perf_counter()
            pauses.append(now - last)
            last = now

    thread = threading.Thread(target=live)
    thread.start()
    begun.wait()
    with pytest.raises(CpuLimitError):
        begin(vm, "main")
    ended.set()
    thread.join()
    vm.release()

    assert max(pauses) < 0.25
    assert len(pauses) > 1000


def test_a_signal_ends_a_guest_that_spins(backend: str) -> None:
    """
    KeyboardInterrupt reaches the caller of a guest that would run for long.
    """
    js = guest(backend, Limits(cpu_seconds=60))
    vm = js.lease(js.load(program("export async function main() { for (;;); }")))
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            begin(vm, "main")
    finally:
        timer.join()
        signal.signal(signal.SIGINT, previous)
        vm.release()
