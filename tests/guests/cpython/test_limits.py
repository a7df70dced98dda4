"""What one Python run does to its VM ends that run and nothing else."""

from __future__ import annotations

import _thread
import signal
import struct
import threading

import pytest

from tests.guests.cpython.support import COUNTER, guest_code, python, python_program, run_python, started, workflow
from tests.guests.support import NOW, answer, begin, instance_of, result
from torpor.errors import CpuLimitError, GuestTrapError, MemoryLimitError, OutputLimitError, StackLimitError, VmError
from torpor.guests.cpython import CPython, Limits
from torpor.guests.cpython.artifacts import slim_artifacts
from torpor.guests.cpython.manifest import installed_manifest
from torpor.guests.cpython.wasi import PythonWasi
from torpor.vm.bindings import LinearMemory
from torpor.vm.guest import Delivery
from torpor.vm.limits import READ_BYTES_MAX, VECTORS_MAX, WASM_PAGE

SMALL = Limits(memory_bytes=64 << 20, cpu_seconds=0.2, output_bytes=100_000)


@pytest.fixture
def small(backend: str) -> CPython:
    """A guest with tight limits."""
    return python(backend, SMALL)


def fails(guest: CPython, body: str, error: type[VmError], match: str) -> None:
    """Check that a workflow of this body fails so, and that a run beside it and one after it are unharmed."""
    neighbour = started(guest)
    vm = guest.lease(guest.load(python_program(workflow(body, "import os, sys"))))
    instance = instance_of(vm)

    with pytest.raises(error, match=match):
        begin(vm, "main")
    with pytest.raises(VmError):
        vm.snapshot()
    vm.release()

    assert answer(neighbour, 1, 11).ops[0].input == "[11, 1]"
    neighbour.release()
    vm = guest.lease(guest.load(python_program(COUNTER)))
    assert instance_of(vm) is not instance
    assert begin(vm, "counter", 5).ops[0].input == "[5, 0]"
    vm.release()


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import asyncio\nwhile True: await asyncio.sleep(0)",
        "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
        "3 ** (10 ** 8)",
        "while True: os.write(1, b'x')",
    ],
    ids=["loop", "except", "tasks", "regex", "integer", "printing"],
)
def test_endless_work_is_ended(small: CPython, body: str) -> None:
    """
    Code that never returns is ended at the CPU limit, wherever in the interpreter it spins, whatever it catches.
    """
    fails(small, body, CpuLimitError, r"more than 0\.2 s of CPU time")


@pytest.mark.parametrize(
    "body",
    [
        "kept = []\nwhile True: kept.append(bytes(100_000))",
        "kept = []\ntry:\n    while True: kept.append(bytes(100_000))\nexcept MemoryError: kept = None",
        "try: bytearray(10 ** 9)\nexcept MemoryError: pass",
    ],
    ids=["uncaught", "caught", "at-once"],
)
def test_too_much_memory_is_noticed(small: CPython, body: str) -> None:
    """
    A refused growth ends the run even when workflow code catches the error or frees everything again.
    """
    fails(small, body, MemoryLimitError, "more than 67108864 bytes of memory")


def test_memory_up_to_the_limit_may_be_used(backend: str) -> None:
    """
    A run may use most of what is allowed.
    """
    guest = python(backend, Limits(memory_bytes=64 << 20))

    assert run_python(guest, workflow("return len(bytearray(16 << 20))")) == 16 << 20


def test_too_much_output_is_noticed(small: CPython) -> None:
    """
    An outbox larger than the limit ends the run.
    """
    fails(small, "return 'x' * 200_000", OutputLimitError, "returned in one begin has more than 100000 bytes")


def test_an_outbox_up_to_the_limit_is_taken(small: CPython) -> None:
    """
    An outbox just below the limit arrives whole.
    """
    assert run_python(small, workflow("return 'x' * 99_000")) == "x" * 99_000


def test_too_much_printed_is_noticed(small: CPython) -> None:
    """
    What is written past the guest's own log counts too.
    """
    fails(small, "os.write(1, b'x' * 200_000)", OutputLimitError, "printed more than 100000 bytes")
    fails(small, "while True: os.write(1, b'x' * 10_000)", OutputLimitError, "printed more than 100000 bytes")


def test_arguments_of_host_calls_are_bounded(py: CPython) -> None:
    """
    A path of megabytes is refused, which the workflow may handle; a large read is answered in parts.
    """
    body = """
tried = {}
def attempt(name, call):
    try:
        tried[name] = call()
    except OSError as error:
        tried[name] = f"refused: {error.strerror}"
library = os.open("/usr/local/lib/python315.zip", os.O_RDONLY)
attempt("path", lambda: os.stat("/usr/local/lib/" + "a/" * 3_000_000))
attempt("long path", lambda: os.open("/usr/local/lib/" + "a" * 4096, os.O_RDONLY))
attempt("read", lambda: len(os.read(library, 48 << 20)) <= 16 << 20)
return tried
"""
    tried = run_python(py, workflow(body, "import os"))

    assert tried.pop("read") is True
    assert all(found.startswith("refused: ") for found in tried.values()), tried


@pytest.mark.parametrize("count", [VECTORS_MAX + 1, 2**31, 2**32 - 1])
def test_one_read_has_few_buffers(count: int) -> None:
    """
    A list of more buffers than a named limit is not even looked at; within it a read ends at the limit for bytes.
    """
    memory = LinearMemory(WASM_PAGE, WASM_PAGE, WASM_PAGE)
    manifest = installed_manifest(slim_artifacts(), guest_code())
    wasi, path = PythonWasi(manifest, memoryview(bytes(32 << 20))), manifest.library.encode()
    wasi.memory = memory
    memory.write(0, path)
    assert wasi.path_open(3, 0, 0, len(path), 0, 0, 0, 0, 1000) == 0
    opened = memory.read(1000, 1)[0]

    assert wasi.fd_read(opened, 0, count, 1000) == 28
    memory.write(2000, struct.pack("<II", 16_384, 40_000) * 1000)
    assert wasi.fd_read(opened, 2000, 1000, 1000) == 0
    assert struct.unpack("<I", memory.read(1000, 4)) == (READ_BYTES_MAX,)
    memory.close()


def test_the_outbox_of_several_events_has_the_limit_of_one(small: CPython) -> None:
    """
    Events that are delivered together cannot ask for more in sum than a guest that answers them at once.
    """
    head = """
async def asks(number):
    await step("first", number)
    await step("second", "x" * 60_000)
"""
    gathering = "import asyncio\nawait asyncio.gather(asks(1), asks(2), asks(3))"
    vm = small.lease(small.load(python_program(workflow(gathering, head))))
    begin(vm, "main")
    results = [Delivery("step_completed", op, NOW + 1, value="0") for op in (1, 2, 3)]
    with pytest.raises(OutputLimitError, match="more than 100000 bytes"):
        vm.deliver(results)
    vm.release()


def test_an_inbox_larger_than_the_vm_is_refused(small: CPython) -> None:
    """
    A delivery that could not fit into the VM's memory is a memory limit, not a crash.
    """
    vm = started(small)

    with pytest.raises(MemoryLimitError):
        vm.deliver([Delivery("step_completed", 1, NOW, value='"' + "x" * (60 << 20) + '"')])
    vm.release()


@pytest.mark.parametrize(
    "body",
    [
        "def f(n): return 1 + f(n + 1)\nf(0)",
        "def f(n): return sorted([1, 2], key=lambda _: f(n + 1))\nf(0)",
        "class C:\n    def __getattr__(self, name): return getattr(self, name)\nC().x",
        "import json\njson.loads('[' * 100_000)",
    ],
    ids=["calls", "sorted", "getattr", "json"],
)
def test_endless_recursion_is_a_recursion_error(py: CPython, body: str) -> None:
    """
    Recursion without end is an error that workflow code can catch, however high it has set Python's own limit.
    """
    head = "import sys\nsys.setrecursionlimit(100_000)" if "sorted" in body or "getattr" in body else ""
    indented = "\n".join(f"    {line}" for line in body.splitlines())

    caught = f"try:\n{indented}\nexcept RecursionError as error: return type(error).__name__"
    assert run_python(py, workflow(f"{head}\n{caught}")) == "RecursionError"


def test_deep_recursion_works(py: CPython) -> None:
    """
    Who raises the limit may call ten thousand functions deep.
    """
    body = "def f(n): return n and 1 + f(n - 1)\nsys.setrecursionlimit(20_000)\nreturn f(10_000)"

    assert run_python(py, workflow(body, "import sys")) == 10_000


def test_a_long_linked_list_can_be_freed(py: CPython) -> None:
    """
    Freeing a hundred thousand objects of which each holds the next does not end the run.
    """
    body = """
class Node:
    def __init__(self, next):
        self.next = next
head = None
for _ in range(100_000):
    head = Node(head)
head = None
return "freed"
"""
    assert run_python(py, workflow(body)) == "freed"


NESTED = """
import ast, copy, json, pickle, re
def deep(n, inside=()):
    data = list(inside)
    for _ in range(n): data = [data]
    return data
def chain(n):
    found = iter([1])
    for _ in range(n): found = map(abs, found)
    return found
"""


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("json.loads('[' * 100_000)", "RecursionError"),
        ("json.loads('[' * 100_000 + ']' * 100_000)", "RecursionError"),
        ("json.loads('{\"a\":' * 100_000)", "RecursionError"),
        ("re.compile('(' * 100_000 + ')' * 100_000)", "RecursionError"),
        ("ast.literal_eval('[' * 100_000)", "MemoryError"),
        ("compile('-' * 100_000 + '1', '', 'eval')", "MemoryError"),
        ("repr(deep(9_000))", "RecursionError"),
        ("deep(9_000) == deep(9_000)", "RecursionError"),
        ("json.dumps(deep(9_000))", "RecursionError"),
        ("pickle.dumps(deep(9_000))", "RecursionError"),
        ("copy.deepcopy(deep(9_000))", "RecursionError"),
    ],
)
def test_nesting_raises_what_python_raises(py: CPython, expression: str, error: str) -> None:
    """
    Text of users, however deep, and data of some thousand levels.
    """
    body = f"{NESTED}try:\n    {expression}\nexcept Exception as error:\n    return type(error).__name__"
    assert run_python(py, workflow(body)) == error


@pytest.mark.parametrize(
    "statement",
    [
        "repr(deep(200_000))",
        "deep(200_000) == 1",
        "data = deep(200_000)\ndel data",
        "pickle.loads(b'(' * 50_000 + b't' * 50_000 + b'.')",
        "compile('+'.join(['1'] * 100_000), '', 'eval')",
        "list(chain(9_000))",
    ],
)
def test_nesting_that_python_does_not_count_is_a_limit(py: CPython, statement: str) -> None:
    """
    It ends the run, not the process, and is no trap.
    """
    fails(
        py, f"{NESTED}{statement}", StackLimitError, "used up the stack of its VM, 6 MiB; look for data that is nested"
    )


@pytest.mark.parametrize("body", ["os._exit(3)", "os.abort()"])
def test_ending_the_process_ends_the_run(py: CPython, body: str) -> None:
    """
    There is no process to end but the guest's.
    """
    fails(py, body, GuestTrapError, "ended its process with code 3|unreachable")


def test_endless_work_leaves_other_threads_alive(small: CPython) -> None:
    """
    While a guest spins, another Python thread gets its share.
    """
    vm = small.lease(small.load(python_program(workflow("while True: pass"))))
    turns, begun, ended = [0], threading.Event(), threading.Event()

    def live() -> None:
        begun.set()
        while not ended.is_set():
            turns[0] += 1

    thread = threading.Thread(target=live)
    thread.start()
    begun.wait()
    with pytest.raises(CpuLimitError):
        begin(vm, "main")
    ended.set()
    thread.join()
    vm.release()

    assert turns[0] > 1000


def test_a_signal_ends_a_guest_that_spins(backend: str) -> None:
    """
    KeyboardInterrupt reaches the caller of a guest that would run for long.
    """
    guest = python(backend, Limits(memory_bytes=256 << 20, cpu_seconds=60))
    vm = guest.lease(guest.load(python_program(workflow("while True: pass"))))
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


def test_a_run_that_grew_wakes_elsewhere(py: CPython) -> None:
    """
    A VM whose memory outgrew its image is thrown away, and what it held wakes in another one.
    """
    body = "kept = bytes(range(256)) * (24 << 12)\nawait step('wait')\nreturn [len(kept), kept[-1]]"
    vm = started(py, workflow(body), "main", ())
    snapshot, grown = vm.snapshot(), instance_of(vm)
    vm.release()

    vm = py.lease(py.load(python_program(workflow(body))))
    vm.restore(snapshot, bytes(32))

    assert instance_of(vm) is not grown
    assert result(answer(vm, 1, None)) == [24 << 20, 255]
    vm.release()
