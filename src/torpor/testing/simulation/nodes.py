"""
How a program by model runs: a tree of nodes that know what they wait for.

A node is started, gets what is delivered, and is done when it has come to something; what loses a race is abandoned.
The whole tree is a plain value, so a snapshot of it is its encoding, and two states are equal when their values are.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from torpor import codec
from torpor.testing.simulation.script import Script
from torpor.vm.guest import Delivery, OpType


class Machine(Protocol):
    """What nodes ask of the VM that they run in."""

    @property
    def run_id(self) -> str: ...

    @property
    def clock(self) -> int:
        """The guest's time."""
        ...

    def draw(self) -> int:
        """Return the next number of the run's own entropy."""
        ...

    def ask(
        self, kind: OpType, *, name: str = "", given: object = None, due: int = 0, target: int = 0, watch: str = ""
    ) -> int:
        """Emit an op and return its number."""
        ...

    def log(self, text: str) -> None: ...

    def leave(self, op: int) -> None:
        """Say that nothing awaits a wait any more."""
        ...

    def take(self, mailbox: str) -> Any:
        """Return the next message in a mailbox, None when there is none."""
        ...

    def throw(self) -> None:
        """End the workflow with an error."""
        ...


class Node(msgspec.Struct):
    """
    One node on its way.

    Attributes:
        script: what it does.
        op: number of the op whose answer it waits for, or of its hook; 0 before.
        phase: how far it is; what that means is each kind's own.
        got: payloads of a hook, messages, or what a child's run is called.
        inside: nodes that were started.
        done, result: whether it has come to something, and to what.
    """

    script: Script
    op: int = 0
    phase: int = 0
    got: list[Any] = []
    inside: list[Node] = []
    done: bool = False
    result: Any = None

    def start(self, machine: Machine) -> None:
        """Begin."""
        script = self.script
        match script.kind:
            case "step":
                given = {"args": [script.number]}
                self.op = machine.ask("step", name=step_name(script.name), given=given)
            case "sleep":
                self.op = machine.ask("wait", due=machine.clock + script.number)
            case "hook":
                self.op = machine.ask("hook", name=token_of(script.name, machine.run_id))
                self.phase = 0 if script.flag else 1
            case "mail":
                self._receive(machine)
            case "child":
                self.op = machine.ask("step", name=step_name("start"), given={"args": [script.name]})
            case "log":
                machine.log(f"line of {machine.run_id}")
                self._end(None)
            case "random":
                self._end(machine.draw())
            case "clock":
                self._end(machine.clock)
            case "fail":
                machine.throw()
            case "sequence":
                self._go_on(machine)
            case _:
                for script in self.script.inside:
                    self.inside.append(Node(script))
                    self.inside[-1].start(machine)
                self._look(machine)

    def deliver(self, machine: Machine, delivery: Delivery) -> None:
        """Take what this node, or one inside, waits for."""
        if self.done:
            return
        if self.inside:
            for node in self.inside:
                node.deliver(machine, delivery)
            self._look(machine)
        elif delivery.op == self.op:
            self._answered(machine, delivery)

    def abandon(self, machine: Machine, *, gives_up_steps: bool = False) -> None:
        """Let go of what it waits for: it lost a race, or its run is cancelled."""
        if self.done:
            return
        self.done = True
        for node in self.inside:
            node.abandon(machine, gives_up_steps=gives_up_steps)
        waits_for_step = self.script.kind == "step" or (self.script.kind == "child" and self.phase != 1)
        if self.script.kind == "sleep" or (gives_up_steps and waits_for_step):
            machine.leave(self.op)
        elif self.script.kind == "hook" or (self.script.kind == "child" and self.phase == 1):
            machine.ask("hook_dispose", target=self.op)

    @property
    def receiving(self) -> list[str]:
        """The mailboxes in which it waits for a message."""
        if self.done:
            return []
        own = [self.script.name] if self.script.kind == "mail" else []
        return own + [name for node in self.inside for name in node.receiving]

    @property
    def awaits_ack(self) -> bool:
        """Whether it waits for the answer to a hook of its own."""
        if self.done:
            return False
        return (self.script.kind == "hook" and self.phase == 0) or any(node.awaits_ack for node in self.inside)

    def _answered(self, machine: Machine, delivery: Delivery) -> None:
        match self.script.kind:
            case "step":
                self._end(_outcome(delivery, self.script.number))
            case "sleep":
                self._end(None)
            case "hook":
                self._heard(machine, delivery)
            case "mail":
                self._receive(machine)
            case "child":
                self._child_went_on(machine, delivery)

    def _receive(self, machine: Machine) -> None:
        """Take what is there; messages answer no op, and are told to everybody."""
        while len(self.got) < self.script.number and (message := machine.take(self.script.name)) is not None:
            self.got.append(message)
        if len(self.got) == self.script.number:
            self._end(self.got)

    def _heard(self, machine: Machine, delivery: Delivery) -> None:
        if delivery.type == "hook_conflict":
            self._end("conflict")
            return
        self.phase = 1
        if delivery.type == "hook_received":
            self.got.append(_value(delivery))
            if len(self.got) == self.script.number:
                machine.ask("hook_dispose", target=self.op)
                self._end(self.got)

    def _child_went_on(self, machine: Machine, delivery: Delivery) -> None:
        if self.phase == 0:
            if delivery.type == "step_failed":  # no try of it must have been lost: the judge takes no such answer
                self._end(["child", "not started"])
                return
            self.got = [_value(delivery)]
            self.op = machine.ask("hook", name="the end of a child", watch=self.got[0])
            self.phase = 1
        elif self.phase == 1 and delivery.type == "hook_received":
            machine.ask("hook_dispose", target=self.op)
            self.op = machine.ask("step", name=step_name("result"), given={"args": self.got})
            self.phase = 2
        elif self.phase == 2:
            self._end(["child", "unknown" if delivery.type == "step_failed" else _value(delivery)])

    def _look(self, machine: Machine) -> None:
        """See whether what is inside is enough to go on."""
        match self.script.kind:
            case "all":
                if all(node.done for node in self.inside):
                    self._end([node.result for node in self.inside])
            case "race":
                first = next((n for n, node in enumerate(self.inside) if node.done), None)
                if first is not None:
                    for node in self.inside:
                        node.abandon(machine)
                    self._end([first, self.inside[first].result])
            case "sequence":
                self._go_on(machine)

    def _go_on(self, machine: Machine) -> None:
        while not self.inside or self.inside[-1].done:
            if len(self.inside) == len(self.script.inside):
                self._end([node.result for node in self.inside])
                return
            self.inside.append(Node(self.script.inside[len(self.inside)]))
            self.inside[-1].start(machine)

    def _end(self, result: Any) -> None:
        self.done, self.result = True, result


def step_name(kind: str) -> str:
    """Return the full name of a step."""
    return f"step//./simulation.py//{kind}"


def token_of(name: str, run_id: str) -> str:
    """Return the token of a run's hook; one is wanted by all runs."""
    return name if name == "shared" else f"{run_id}/{name}"


def _outcome(delivery: Delivery, number: int) -> list[Any]:
    return ["failed", number] if delivery.type == "step_failed" else ["ok", _value(delivery)]


def _value(delivery: Delivery) -> Any:
    return codec.loads((delivery.value or "").encode())
