"""Programs by model: what they do, what they may return, and that a snapshot of one is all of it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from torpor import codec
from torpor.testing.simulation.guest import ModelGuest, ModelVm, write_program
from torpor.testing.simulation.script import Script, agrees, make_script
from torpor.vm.guest import Begin, Delivery, Outbox

QUICK = Script("step", "quick", 7)
FATAL = Script("step", "fatal", 8)
HOOK = Script("hook", "t1", 2)
MAIL = Script("mail", "m1", 2)
RACE = Script("race", inside=(Script("sleep", number=5), HOOK))
SCRIPTS = {"leaf": Script("sequence", inside=(QUICK,))}


def vm_of(script: Script, complaints: list[str] | None = None) -> tuple[ModelVm, Outbox]:
    """Return a VM that has begun a program, and what it asks for."""
    guest = ModelGuest(1, complaints.append) if complaints is not None else ModelGuest(1)
    vm = guest.lease(guest.load(write_program({"main": script}, {}, guest.build)))
    return vm, vm.begin(Begin("run-1", "main", "devl[[]]", seed=b"s" * 32, at=100))


def answer(op: int, kind: Any, value: object = None, at: int = 200) -> Delivery:
    """Return a delivery."""
    return Delivery(kind, op, at, value=codec.dumps(value).decode())


def test_a_sequence_asks_for_one_thing_after_the_other() -> None:
    """The second step is asked for when the first has ended, and the result is that of all."""
    vm, outbox = vm_of(Script("sequence", inside=(QUICK, FATAL)))
    assert [op.n for op in outbox.ops] == [1]
    outbox = vm.deliver([answer(1, "step_completed", 7)])
    assert [op.n for op in outbox.ops] == [2]
    outbox = vm.deliver([Delivery("step_failed", 2, 300)])
    assert outbox.status == "completed"
    assert codec.loads((outbox.value or "").encode()) == [["ok", 7], ["failed", 8]]


def test_messages_wait_for_who_takes_them() -> None:
    """Those of another mailbox, and those that come too early, are kept; what is taken is told."""
    vm, outbox = vm_of(Script("sequence", inside=(QUICK, MAIL)))
    sent = [Delivery("message_sent", 0, 200, codec.dumps(name).decode(), name=name) for name in ("m2", "m1")]
    outbox = vm.deliver(sent)
    assert (outbox.received, outbox.receiving) == (0, [])
    outbox = vm.deliver([answer(1, "step_completed", 7)])
    assert (outbox.received, outbox.receiving) == (1, ["m1"])
    outbox = vm.deliver(sent)
    assert (outbox.status, outbox.received) == ("completed", 2)


def test_who_loses_a_race_is_let_go() -> None:
    """The hook is disposed of, and of a timer the host is told that nobody awaits it."""
    vm, outbox = vm_of(RACE)
    assert [op.type for op in outbox.ops] == ["wait", "hook"]
    assert [op.type for op in vm.deliver([answer(1, "wait_completed")]).ops] == ["hook_dispose"]
    vm, _ = vm_of(RACE)
    vm.deliver([answer(2, "hook_created"), answer(2, "hook_received", "payload 0")])
    assert vm.deliver([answer(2, "hook_received", "payload 1")]).left == [1]


def test_a_snapshot_is_all_that_a_vm_knows() -> None:
    """One that is restored in the middle of a race goes on as the first one does."""
    vm, _ = vm_of(RACE)
    vm.deliver([answer(2, "hook_created"), answer(2, "hook_received", "payload 0")])
    other, _ = vm_of(RACE)
    other.restore(vm.snapshot(), b"s" * 32)
    last = [answer(2, "hook_received", "payload 1")]
    assert other.state == vm.state
    assert other.deliver(last) == vm.deliver(last)


@pytest.mark.parametrize(
    "delivery", [answer(1, "wait_completed"), answer(9, "step_completed"), answer(2, "hook_received", "too early")]
)
def test_what_no_log_can_deliver_is_complained_of(delivery: Delivery) -> None:
    """An op that is answered twice or was never asked for, and a hook that receives before it is made."""
    complaints: list[str] = []
    vm, _ = vm_of(Script("all", inside=(Script("sleep", number=5), HOOK, QUICK)), complaints)
    vm.deliver([answer(1, "wait_completed")])
    assert complaints == []
    vm.deliver([delivery])
    assert len(complaints) == 1


@pytest.mark.parametrize(
    ("script", "right", "wrong"),
    [
        (QUICK, ["ok", 7], ["failed", 7]),
        (FATAL, ["failed", 8], ["ok", 8]),
        (HOOK, ["payload 0", "payload 1"], ["payload 1", "payload 0"]),
        (HOOK, "conflict", []),
        (MAIL, ["payload 0", "payload 1"], ["payload 0"]),
        (RACE, [0, None], [1, None]),
        (Script("all", inside=(QUICK, FATAL)), [["ok", 7], ["failed", 8]], [["ok", 7]]),
        (Script("child", "leaf"), ["child", [["ok", 7]]], ["child", [["ok", 8]]]),
        (Script("child", "leaf"), ["child", "cancelled"], ["child", "unknown"]),
        (Script("clock"), 5, None),
    ],
)
def test_only_what_a_program_may_return_agrees(script: Script, right: object, wrong: object) -> None:
    """Whatever the order in which things happened."""
    assert agrees(script, right, SCRIPTS)
    assert not agrees(script, wrong, SCRIPTS)


def test_random_programs_have_all_kinds_of_nodes() -> None:
    """None is forgotten when programs are made."""

    def kinds(script: Script) -> set[str]:
        return {script.kind}.union(*map(kinds, script.inside))

    found: set[str] = set()
    for seed in range(300):
        found |= kinds(make_script(Random(seed), ("leaf",), 5, mail=True))
    groups = {"sequence", "all", "race"}
    assert found == {"step", "sleep", "hook", "mail", "child", "log", "random", "clock", "fail"} | groups
