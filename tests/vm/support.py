"""Programs, runs and guests for the tests of the VM host."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any, cast

from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.vm import QuickJsVm
from torpor.vm.guest import Begin, Delivery, Outbox, Program, Vm
from torpor.vm.limits import Limits

BOOTSTRAP = Path(__file__).parent / "bootstrap"
SEED = bytes(range(32))
NOW = 1_800_000_000_000

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


def begin(vm: Vm, workflow: str, *args: Any, seed: bytes = SEED, at: int = NOW) -> Outbox:
    """Start a run in a leased VM."""
    return vm.begin(Begin("wrun_1", workflow, json.dumps(args), seed, at))


def answer(vm: Vm, op: int, value: Any, at: int = NOW + 1) -> Outbox:
    """Deliver one step's result."""
    return vm.deliver([Delivery("step_completed", op, at, value=json.dumps(value))])


def result(out: Outbox) -> Any:
    """Return the result of a completed workflow."""
    assert out.status == "completed", out
    assert out.value is not None
    return json.loads(out.value)


def run_to_end(js: QuickJS, source: str, workflow: str = "main", *args: Any, at: int = NOW) -> Any:
    """Run a workflow that needs no step and return its result."""
    vm = js.lease(js.load(program(source)))
    try:
        return result(begin(vm, workflow, *args, at=at))
    finally:
        vm.release()


def instance_of(vm: Vm) -> Any:
    """Return the instance behind a leased VM."""
    return cast("QuickJsVm", vm)._instance
