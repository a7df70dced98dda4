"""
Programs by model: what a workflow does, as a tree of plain values.

Each kind of node says what it does and what it comes to, so that :func:`agrees` can tell of any result whether the
program may have it, without knowing in which order things happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final

import msgspec

STEPS: Final = {
    "quick": "ok",
    "slow": "ok",
    "thread": "ok",
    "flaky": "ok",
    "late": "failed",
    "fatal": "failed",
    "hopeless": "failed",
}
"""Kinds of steps, and what becomes of them."""

_WAITS_MS: Final = (0, 1, 20, 20, 50, 400, 3_000, 8_000)


class Script(msgspec.Struct, frozen=True):
    """
    One node of a program.

    Attributes:
        kind: ``step sleep hook mail child log random clock fail``, or ``sequence all race``, which have others inside.
        name: of a step its kind, of a hook its token, of mail its mailbox, of a child its program.
        number: of a sleep its milliseconds, of a hook and of mail how many payloads it takes, of a step an argument.
        flag: of a hook: the workflow waits until it is made.
        inside: of ``sequence``, ``all`` and ``race``.
    """

    kind: str
    name: str = ""
    number: int = 0
    flag: bool = False
    inside: tuple[Script, ...] = ()


def make_script(random: Random, children: tuple[str, ...], budget: int, *, mail: bool = False) -> Script:
    """
    Return a random program.

    Args:
        random: the dice.
        children: programs that it may start.
        budget: how many nodes it has at most, those inside others not counted.
        mail: it may receive messages.
    """
    maker = _Maker(random, children, mail=mail)
    inside = [maker.make(2) for _ in range(random.randint(1, budget))]
    if random.random() < 0.05:
        inside.append(Script("fail"))
    return Script("sequence", inside=tuple(inside))


class _Maker:
    """Makes the nodes of one program, whose tokens and mailboxes are all different."""

    def __init__(self, random: Random, children: tuple[str, ...], *, mail: bool) -> None:
        self._random = random
        self._kinds = {"step": 10, "sleep": 4, "hook": 3, "log": 1, "random": 1, "clock": 1}
        self._groups = {"all": 4, "race": 3, "sequence": 1}
        self._children = children
        self._tokens = ["shared"]
        self._mailboxes = 0
        if children:
            self._kinds["child"] = 2
        if mail:
            self._kinds["mail"] = 4

    def make(self, depth: int) -> Script:
        """Return a node with at most so many levels of others inside."""
        random = self._random
        kinds = self._kinds | (self._groups if depth else {})
        [kind] = random.choices(list(kinds), list(kinds.values()))
        match kind:
            case "step":
                [name] = random.choices(list(STEPS), (10, 4, 2, 5, 1, 1, 1))
                return Script("step", name, random.randrange(1000))
            case "sleep":
                return Script("sleep", number=random.choice(_WAITS_MS))
            case "hook":
                return Script("hook", self._token(), random.choice((1, 1, 2, 3)), flag=random.random() < 0.4)
            case "mail":
                self._mailboxes += 1
                return Script("mail", f"m{self._mailboxes}", random.choice((1, 2, 3)))
            case "child":
                return Script("child", random.choice(self._children))
            case "log" | "random" | "clock":
                return Script(kind)
        if kind == "all" and random.random() < 0.3:
            return self._crowd()
        return Script(kind, inside=tuple(self.make(depth - 1) for _ in range(random.randint(2, 4))))

    def _crowd(self) -> Script:
        """Return many steps at once, or a hook beside several timers."""
        random = self._random
        if random.random() < 0.3:
            kinds = [random.choice(("quick", "quick", "flaky")) for _ in range(random.randint(6, 16))]
            return Script("all", inside=tuple(Script("step", kind, n) for n, kind in enumerate(kinds)))
        timers = [Script("sleep", number=random.choice(_WAITS_MS)) for _ in range(random.randint(2, 4))]
        return Script("all", inside=(*timers, Script("hook", self._token(), 1)))

    def _token(self) -> str:
        shared = self._random.random() < 0.15 and self._tokens[0] == "shared"
        self._tokens.append(f"t{len(self._tokens)}")
        return self._tokens.pop(0) if shared else self._tokens[-1]


def tokens(script: Script) -> list[tuple[str, int]]:
    """Return the hooks of a program: token, and how many payloads it takes."""
    own = [(script.name, script.number)] if script.kind == "hook" else []
    return own + [each for node in script.inside for each in tokens(node)]


def mailboxes(script: Script) -> list[tuple[str, int]]:
    """Return the mailboxes of a program: name, and how many messages it takes."""
    own = [(script.name, script.number)] if script.kind == "mail" else []
    return own + [each for node in script.inside for each in mailboxes(node)]


def can_fail(script: Script) -> bool:
    """Return whether the program throws."""
    return script.kind == "fail" or any(can_fail(node) for node in script.inside)


def agrees(script: Script, value: Any, scripts: Mapping[str, Script]) -> bool:
    """
    Return whether a node of a program may have come to a value.

    Args:
        script: the node.
        value: what it came to.
        scripts: all programs, by name.
    """
    match script.kind:
        case "step":
            return bool(value == [STEPS[script.name], script.number])
        case "sleep" | "log":
            return value is None
        case "random" | "clock":
            return isinstance(value, int) and value >= 0
        case "hook" | "mail":
            return (value == "conflict" and script.kind == "hook") or bool(value == payloads(script.number))
        case "child":
            return (
                isinstance(value, list) and len(value) == 2 and _agrees_child(scripts[script.name], value[1], scripts)
            )
        case "sequence" | "all":
            return (
                isinstance(value, list)
                and len(value) == len(script.inside)
                and all(agrees(node, each, scripts) for node, each in zip(script.inside, value, strict=True))
            )
        case "race":
            return (
                isinstance(value, list)
                and len(value) == 2
                and value[0] in range(len(script.inside))
                and agrees(script.inside[value[0]], value[1], scripts)
            )
    return False


def _agrees_child(script: Script, value: Any, scripts: Mapping[str, Script]) -> bool:
    return agrees(script, value, scripts) or (value in {"failed", "cancelled"} if isinstance(value, str) else False)


def payloads(count: int) -> list[str]:
    """Return what the outside sends a hook or mailbox that takes so many payloads."""
    return [f"payload {n}" for n in range(count)]
