"""Turns of a Python workflow: what goes in, what comes out, and what the guest sees of the world."""

from __future__ import annotations

import pytest

from tests.guests.cpython.support import COUNTER, python_program, run_python, started, workflow
from tests.guests.support import NOW, SEED, answer, begin, result
from torpor.errors import ConfigurationError, GuestTrapError, VmError
from torpor.guests.cpython import CPython
from torpor.vm.entropy import Entropy
from torpor.vm.guest import Delivery, Program


def test_a_step_is_asked_for_and_answered(py: CPython) -> None:
    """
    An awaited step becomes an op, and its result goes on into the workflow.
    """
    vm = py.lease(py.load(python_program(COUNTER)))

    out = begin(vm, "counter", 10)
    assert [(op.n, op.type, op.name, op.input) for op in out.ops] == [(1, "step", "add", "[10, 0]")]
    assert answer(vm, 1, 17).ops[0].input == "[17, 1]"
    vm.release()


def test_one_inbox_may_hold_many_events(py: CPython) -> None:
    """
    Events are delivered one by one, each at its own time.
    """
    source = workflow(
        """
async def one(n):
    return await step("s", n), time.time_ns() // 1_000_000
return await asyncio.gather(*(one(n) for n in range(3)))
""",
        "import asyncio, time",
    )
    vm = py.lease(py.load(python_program(source)))
    begin(vm, "main")

    out = vm.deliver([Delivery("step_completed", op, NOW + op, value=f'"answer {op}"') for op in (2, 3, 1)])

    assert result(out) == [[f"answer {op}", NOW + op] for op in (1, 2, 3)]
    vm.release()


def test_asyncio_works_whole(py: CPython) -> None:
    """
    Task groups, queues, locks, context variables and cancellation are the interpreter's own.
    """
    body = """
queue, lock, seen = asyncio.Queue(), asyncio.Lock(), []
variable = contextvars.ContextVar("variable", default="unset")
async def worker():
    variable.set("set")
    while (item := await queue.get()) is not None:
        async with lock:
            seen.append((item, variable.get()))
async with asyncio.TaskGroup() as group:
    group.create_task(worker())
    for item in (1, 2, None):
        await queue.put(item)
task = asyncio.create_task(asyncio.Event().wait())
await asyncio.sleep(0)
task.cancel()
try:
    await task
except asyncio.CancelledError:
    seen.append("cancelled")
return [*seen, variable.get()]
"""
    assert run_python(py, workflow(body, "import asyncio, contextvars")) == [
        [1, "set"],
        [2, "set"],
        "cancelled",
        "unset",
    ]


def test_the_clock_is_the_run_s(py: CPython) -> None:
    """
    Every clock of Python's tells the time of the last event.
    """
    body = """
return [time.time(), time.monotonic(), time.perf_counter(), datetime.datetime.now(datetime.UTC).timestamp()]
"""
    assert run_python(py, workflow(body, "import datetime, time")) == [NOW / 1000] * 4


def test_entropy_is_the_run_s(py: CPython) -> None:
    """
    os.urandom, secrets and uuid4 draw from the run's stream; a label has bytes of its own.
    """
    body = 'return [os.urandom(8).hex(), secrets.token_hex(4), str(uuid.uuid4()), derived("random")]'
    entropy = Entropy(SEED)
    first, second, third = entropy.draw(8).hex(), entropy.draw(4).hex(), bytearray(entropy.draw(16))
    third[6], third[8] = third[6] & 0x0F | 0x40, third[8] & 0x3F | 0x80

    found = run_python(py, workflow(body, "import os, secrets, uuid"))

    assert found[:2] == [first, second]
    assert found[2].replace("-", "") == third.hex()
    assert found[3] == Entropy(SEED).derive("random", 32).hex()


def test_the_hash_seed_is_fixed(py: CPython) -> None:
    """
    Sets of strings have the same order in every VM.
    """
    source = workflow('return ["".join(set("torpor sleeps")), hash("a")]')

    assert run_python(py, source) == run_python(py, source)


@pytest.mark.parametrize(
    ("head", "expression", "expected"),
    [
        ("import statistics", "statistics.median([3, 1, 2])", 2),
        ("import tomllib", "tomllib.loads('a = 1')['a']", 1),
        ("import zoneinfo", "str(zoneinfo.ZoneInfo('Europe/Berlin'))", "Europe/Berlin"),
        ("import decimal", "str(decimal.Decimal('0.1') + decimal.Decimal('0.2'))", "0.3"),
        ("import sqlite3", "sqlite3.connect(':memory:').execute('select 1').fetchone()[0]", 1),
    ],
)
def test_the_library_is_there(py: CPython, head: str, expression: str, expected: object) -> None:
    """
    What is in the image and what is read from the zip both work.
    """
    assert run_python(py, workflow(f"{head}\nreturn {expression}")) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "open('/etc/passwd')",
        "open('/tmp/x', 'w')",
        "os.listdir('/')",
        "os.mkdir('/usr/local/lib/x')",
        "open('/usr/local/lib/python315.zip', 'ab')",
        "os.remove('/usr/local/lib/python315.zip')",
        "open('/usr/local/lib/../../../etc/passwd')",
        "socket.socket()",
        "subprocess.run(['ls'])",
        "os.system('ls')",
        "time.sleep(1)",
    ],
)
def test_there_is_no_way_out(py: CPython, statement: str) -> None:
    """
    Files, sockets, processes and sleeping are refused by the interpreter as errors that a program can catch.
    """
    body = f"try:\n    {statement}\nexcept (OSError, AttributeError) as error:\n    return 'refused'"

    assert run_python(py, workflow(body, "import os, socket, subprocess, time")) == "refused"


def test_nothing_of_the_host_is_visible(py: CPython) -> None:
    """
    Environment, arguments and the folder of the library are the same everywhere.
    """
    body = "return [dict(os.environ), sys.argv, os.listdir('/usr/local/lib')]"

    assert run_python(py, workflow(body, "import os, sys")) == [
        {"PYTHONHASHSEED": "0"},
        [""],
        ["python315.zip"],
    ]


def test_files_do_not_stay_open_over_turns(py: CPython) -> None:
    """
    A file that workflow code leaves open is closed when the turn ends, woken from a snapshot or not.
    """
    body = """
file = open("/usr/local/lib/python315.zip", "rb", buffering=0)
first = file.read(2).decode()
await step("wait")
try:
    file.read(2)
except OSError as error:
    return [first, error.errno == errno.EBADF]
"""
    vm = started(py, workflow(body, "import errno"), "main", ())

    assert result(answer(vm, 1, None)) == ["PK", True]
    vm.release()


def test_a_program_that_raises_while_it_loads_is_refused(py: CPython) -> None:
    """
    The error names what was raised, file and line.
    """
    with pytest.raises(ConfigurationError, match=r"(?s)ZeroDivisionError: division by zero.*\./main\.py.*line 2"):
        py.load(python_program("x = 1\nx / 0\nasync def main(): ..."))


def test_a_syntax_error_is_refused(py: CPython) -> None:
    """
    So is a program that does not compile.
    """
    with pytest.raises(ConfigurationError, match=r"SyntaxError.*main\.py, line 1"):
        py.load(python_program("async def main(: ..."))


def test_the_stack_spoils_the_vm(py: CPython) -> None:
    """
    After the tasks have been told there is no other turn.
    """
    vm = started(py)

    assert len(vm.stack()) == 1
    with pytest.raises(VmError, match="release it"):
        answer(vm, 1, 1)
    vm.release()


def test_a_prompt_sees_the_program(py: CPython) -> None:
    """
    Code is evaluated in the scope of the workflow.
    """
    vm = started(py, COUNTER + "limit = 7\n")

    assert vm.evaluate("limit * 6").text == "42"
    vm.release()


def test_a_guest_that_fails_is_told(py: CPython) -> None:
    """
    What the guest's own code raises ends the run, with its traceback.
    """
    vm = started(py)

    with pytest.raises(GuestTrapError, match=r"(?s)deliver failed: Traceback.*KeyError: 99"):
        answer(vm, 99, None)
    vm.release()


def test_an_image_of_another_guest_is_refused(py: CPython) -> None:
    """
    A VM can be leased only for an image of this guest.
    """

    class Other:
        hash = ""
        per_run = None
        program = Program("other", "", {}, [], {})

        def to_bytes(self) -> bytes:
            return b""

    with pytest.raises(ConfigurationError, match="no image of the guest cpython"):
        py.lease(Other())
