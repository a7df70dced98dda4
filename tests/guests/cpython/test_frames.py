"""Where workflow code was when its VM was ended, read from its memory."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.guests.cpython.conftest import Author
from torpor.codec.errors import remembered_traceback
from torpor.errors import CpuLimitError, MemoryLimitError, VmError
from torpor.guests.cpython import CPython
from torpor.guests.cpython.frames import SHOWN_FIRST, SHOWN_LAST, frames_of
from torpor.limits import MIB
from torpor.vm.limits import Limits


@pytest.fixture(scope="module")
def hasty() -> Iterator[CPython]:
    """A guest with little time."""
    guest = CPython(limits=Limits(memory_bytes=64 * MIB, cpu_seconds=0.5), pool_size=1)
    yield guest
    guest.close()


def told(guest: CPython, body: str, before: str = "", error: type[VmError] = CpuLimitError) -> list[str]:
    """Return the lines of the traceback of a workflow that passes a limit."""
    author = Author(guest)
    try:
        with pytest.raises(error) as raised:
            author.body(body, before=before).begin()
    finally:
        author.release()
    text = remembered_traceback(raised.value)
    assert text is not None
    return text.split("\n")


def test_the_functions_and_lines_that_time_went_to(hasty: CPython) -> None:
    """As Python shows them, from the workflow on, through what it awaits, classes and names of any script."""
    before = """
    class Größe:
        async def 数(self, n):
            while n:
                n = (n
                     + 1)
    """
    lines = told(hasty, "async with asyncio.timeout(5):\n    await Größe().数(1)", before)

    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "./app.py", line 18, in main',
        "    await Größe().数(1)",
    ]
    assert lines[3] in [f'  File "./app.py", line {line}, in 数' for line in (12, 13, 14)]
    assert lines[5].startswith(
        "torpor.errors.CpuLimitError: a turn used more than 0.5 s of CPU time; look for an endless"
    )


def test_a_program_that_passes_a_limit_while_it_is_loaded(hasty: CPython) -> None:
    """The error says which program, and where it was: there is no run yet that could tell."""
    text = "def spin(n):\n    while n: n += 1\n\nspin(1)\n"
    with pytest.raises(CpuLimitError, match=r"^the program app does not load: .*\n  File ") as raised:
        Author(hasty).load(text)

    assert str(raised.value).split("\n")[1:] == [
        '  File "./app.py", line 4, in <module>',
        "    spin(1)",
        '  File "./app.py", line 2, in spin',
        "    while n: n += 1",
    ]


@pytest.mark.parametrize(
    ("body", "line", "name"),
    [
        ("list(gen())", "while True: pass", "spin"),
        ("sorted(range(3), key=lambda x: spin())", "while True: pass", "spin"),
        ("import re; re.match('(a+)+$', 'a' * 60 + 'b')", "", "prefixmatch"),
        ("async for x in agen(): pass", "while True: pass", "spin"),
        ("t = asyncio.create_task(again())\nawait charge(1)", "while True: pass", "spin"),
        ("\n".join("pass" for _ in range(3000)) + "\nspin()", "while True: pass", "spin"),
    ],
)
def test_every_kind_of_frame(hasty: CPython, body: str, line: str, name: str) -> None:
    """Generators, callbacks of C, the library, tasks, and long functions."""
    before = """
    def spin():
        while True: pass
    def gen():
        yield 1
        spin()
    async def agen():
        yield 1
        spin()
    async def again():
        spin()
    """
    lines = told(hasty, body, before)

    places = [at for at in lines if at.startswith("  File ")]
    assert places[-1].endswith(f", in {name}")
    assert any(line in shown for shown in lines)
    assert not any("<torpor>" in shown for shown in lines)


def test_of_many_frames_the_first_and_the_last_are_shown(hasty: CPython) -> None:
    """The middle of a recursion tells nothing."""
    before = "def down(n):\n    if n: down(n - 1)\n    while True: pass\n"
    lines = told(hasty, "down(500)", before)

    assert sum(line.startswith("  File ") for line in lines) == SHOWN_FIRST + SHOWN_LAST
    assert f"  … {502 - SHOWN_FIRST - SHOWN_LAST} more" in lines


def test_memory_that_is_used_up(hasty: CPython) -> None:
    """The other limits tell it too."""
    before = "import sys\nsys.setrecursionlimit(10**7)\ndef down(n): return down(n + 1)\n"

    assert any("in down" in line for line in told(hasty, "down(0)", before, MemoryLimitError))


@pytest.mark.parametrize("seed", range(20))
def test_a_guest_that_has_spoiled_its_memory_tells_nothing(hasty: CPython, seed: int) -> None:
    """Whatever stands there, reading it ends."""
    author = Author(hasty)
    run = author.body("await charge(1)").begin()
    memory = run.vm._instance.memory  # type: ignore[attr-defined]  # of a leased VM
    data, draw = bytearray(memory.read(0, memory.size)), random.Random(seed)
    author.release()
    begin = data.index(b"xdebugpy")
    for _ in range(50):
        data[begin + draw.randrange(8 if seed % 2 else 16, 800)] = draw.randrange(256)

    def read(at: int, size: int) -> bytes:
        if not 0 <= at <= at + size <= len(data):
            raise IndexError(at)
        return bytes(data[at : at + size])

    assert len(frames_of(read, 16 * MIB)) <= 2_000
    assert frames_of(lambda _at, size: bytes(size), 0) == []
