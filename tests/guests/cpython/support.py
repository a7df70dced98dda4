"""Programs and guests with a small bootstrap, for the tests of what drives CPython."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from tests.guests.support import NOW, begin, result
from torpor.guests.cpython import DEFAULT_LIMITS, CPython, Limits
from torpor.guests.cpython.sources import GuestCode
from torpor.vm.guest import Program, Vm

FOLDER = Path(__file__).parent / "small_guest"

COUNTER = """
async def counter(total):
    i = 0
    while True:
        total = await step("add", total, i)
        i += 1
"""


def guest_code() -> GuestCode:
    """Return the small guest."""
    modules = {"torpor": "", "torpor._guest": "", "torpor._guest.main": (FOLDER / "main.py").read_text("utf-8")}
    labelled = {name: (f"<guest>/{name}", text) for name, text in modules.items()}
    return GuestCode((FOLDER / "boot.py").read_text("utf-8"), labelled)


@functools.cache
def python(backend: str, limits: Limits = DEFAULT_LIMITS, pool_size: int = 2) -> CPython:
    """Return a guest with the small bootstrap; shared by tests, since every test must leave it usable."""
    return CPython(backend=backend, limits=limits, pool_size=pool_size, code=guest_code())


def python_program(source: str) -> Program:
    """Return a program of one module, `./main.py`, whose coroutine functions are workflows."""
    names = re.findall(r"^async def (\w+)", source, re.MULTILINE)
    return Program(
        guest="cpython",
        build="",
        files={"./main.py": source},
        modules={"main": "./main.py"},
        entries=["main"],
        workflows={name: ("main", name) for name in names},
    )


def workflow(body: str, head: str = "") -> str:
    """Return the source of a workflow `main` with this body."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return f"{head}\nasync def main():\n{indented}\n"


def run_python(guest: CPython, source: str, *, at: int = NOW) -> Any:
    """Run the workflow `main`, which needs no step, and return its result."""
    vm = guest.lease(guest.load(python_program(source)))
    try:
        return result(begin(vm, "main", at=at))
    finally:
        vm.release()


def started(guest: CPython, source: str = COUNTER, name: str = "counter", args: tuple[Any, ...] = (10,)) -> Vm:
    """Return a VM in which a workflow has begun."""
    vm = guest.lease(guest.load(python_program(source)))
    begin(vm, name, *args)
    return vm
