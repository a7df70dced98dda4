"""Runs of a guest in either language, event by event."""

from __future__ import annotations

import json
from typing import Any, cast

from torpor.vm.base_vm import BaseVm
from torpor.vm.guest import Begin, Delivery, Outbox, Vm

SEED = bytes(range(32))
NOW = 1_800_000_000_000


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


def instance_of(vm: Vm) -> Any:
    """Return the instance behind a leased VM."""
    return cast("BaseVm[Any]", vm)._instance
