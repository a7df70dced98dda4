"""Programs, runs and guests with a small bootstrap, for the tests of what drives QuickJS."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from tests.guests.support import NOW, begin, result
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Program
from torpor.vm.limits import Limits

BOOTSTRAP = Path(__file__).parent / "small_guest"

COUNTER = """
import { step } from "workflow";
const add = step("add");
export async function counter(total) {
  for (let i = 0; ; i++) total = await add(total, i);
}
"""


@functools.cache
def guest(backend: str, limits: Limits | None = None, pool_size: int = 32) -> QuickJS:
    """Return a guest with the small bootstrap; shared by tests, since every test must leave it usable."""
    return QuickJS(backend=backend, limits=limits, pool_size=pool_size, bootstrap=BOOTSTRAP)


def program(source: str, **files: str) -> Program:
    """Return a program of one module, `./main.js`, whose exported functions are workflows, and of other modules."""
    names = re.findall(r"export async function (\w+)", source)
    return Program(
        guest="quickjs",
        build="",
        files={"./main.js": source} | {f"./{name}.js": text for name, text in files.items()},
        entries=["./main.js"],
        workflows={name: ("./main.js", name) for name in names},
    )


def run_to_end(js: QuickJS, source: str, workflow: str = "main", *args: Any, at: int = NOW) -> Any:
    """Run a workflow that needs no step and return its result."""
    vm = js.lease(js.load(program(source)))
    try:
        return result(begin(vm, workflow, *args, at=at))
    finally:
        vm.release()
