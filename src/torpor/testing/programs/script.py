"""
Programs as trees, and the model of what they come to.

Time is the test's: a step takes none, a timer what it says, and what comes from outside has its moments. So a node
that begins at a moment ends at one, with a value, and both are computed from those of the nodes inside: there is no
scheduler in the model, and nothing of Torpor's. A program in which two branches of a race end at the same moment has no
one outcome, and is not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

import msgspec

STEPS: Final = ("echo", "thread", "flaky", "fatal")
RETRY_MS: Final = 5_000
"""The pause before the second attempt of a flaky step."""

_SPAN_MS: Final = 1_000_000
_NODES_MAX: Final = 5


class Script(msgspec.Struct, frozen=True):
    """
    One node of a program.

    Attributes:
        kind: ``step sleep hook clock child``, or ``sequence all race``, which have others inside.
        name: of a step its function, of a hook its token, of a child its workflow.
        number: of a step its argument, of a sleep its milliseconds, of a hook for how many it is awaited.
        inside: of ``sequence``, ``all`` and ``race`` the others, of a ``child`` its program.
    """

    kind: str
    name: str = ""
    number: int = 0
    inside: tuple[Script, ...] = ()


class Arrival(msgspec.Struct, frozen=True):
    """What comes from outside: so many milliseconds after the program began, for a hook."""

    at: int
    token: str
    payload: int


class Made(msgspec.Struct, frozen=True):
    """A program, what comes from outside meanwhile, and what it comes to after how many milliseconds."""

    seed: int
    script: Script
    arrivals: tuple[Arrival, ...]
    value: Any
    ends: int


class _TieError(Exception):
    """Two things happen at the same moment, and the order would be anybody's guess."""


def make(seed: int) -> Made:
    """Return the program of a seed."""
    for attempt in range(1_000):
        dice = Random(f"{seed} {attempt}")  # noqa: S311  # a seed says it all
        script = _Maker(dice, f"s{seed}").sequence(2)
        arrivals = tuple(
            Arrival(dice.randrange(1, _SPAN_MS), token, n)
            for token in tokens(script)
            for n in range(dice.choice((0, 1, 1, 2)))
        )
        arrivals = tuple(sorted(arrivals, key=lambda each: each.at))
        try:
            ends, value = _Model(arrivals).end(script, 0)
        except _TieError:
            continue
        return Made(seed, script, arrivals, value, ends)
    raise AssertionError("ties are rare")


class _Maker:
    """Makes the nodes of one program, whose tokens are all different."""

    def __init__(self, dice: Random, prefix: str, *, with_children: bool = True) -> None:
        self._dice, self._prefix = dice, prefix
        self._count = 0
        self._kinds = {"step": 8, "sleep": 4, "hook": 3, "clock": 2}
        if with_children:
            self._kinds["child"] = 1
        self._groups = {"all": 3, "race": 3, "sequence": 2}

    def sequence(self, depth: int) -> Script:
        """Return nodes one after another."""
        return Script("sequence", inside=tuple(self._node(depth) for _ in range(self._dice.randint(1, _NODES_MAX))))

    def _node(self, depth: int) -> Script:
        dice = self._dice
        kinds = self._kinds | (self._groups if depth else {})
        [kind] = dice.choices(list(kinds), list(kinds.values()))
        match kind:
            case "step":
                return Script("step", dice.choice(STEPS), dice.randrange(1000))
            case "sleep":
                return Script("sleep", number=dice.randrange(1, _SPAN_MS))
            case "hook":
                return Script("hook", self._name("t"), dice.randrange(1, _SPAN_MS))
            case "clock":
                return Script("clock")
            case "child":
                # It has no hooks: what comes from outside is addressed to one run.
                maker = _Maker(dice, self._name("c"), with_children=False)
                maker._kinds.pop("hook")  # it is one of us
                return Script("child", self._name("c"), inside=(maker.sequence(1),))
            case "sequence":
                return self.sequence(depth - 1)
        return Script(kind, inside=tuple(self._node(depth - 1) for _ in range(dice.randint(2, 4))))

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{self._prefix}{letter}{self._count}"


def nodes(script: Script) -> Iterator[Script]:
    """Return a node and all inside it."""
    yield script
    for inside in script.inside:
        yield from nodes(inside)


def tokens(script: Script) -> list[str]:
    """Return the tokens of a program's hooks."""
    return [node.name for node in nodes(script) if node.kind == "hook"]


class _Model:
    def __init__(self, arrivals: Sequence[Arrival]) -> None:
        self._arrivals = arrivals

    def end(self, node: Script, at: int) -> tuple[int, Any]:  # one for each kind
        """
        Return when a node ends that begins at a moment, and what it comes to.

        Raises:
            _TieError: that is anybody's guess.
        """
        match node.kind:
            case "step":
                return self._step(node, at)
            case "sleep":
                return at + node.number, None
            case "clock":
                return at, at
            case "hook":
                return self._hook(node, at)
            case "child":
                # What a child says of the time counts from its own beginning.
                ends, value = self.end(node.inside[0], 0)
                return at + ends, value
            case "sequence":
                values = []
                for inside in node.inside:
                    at, value = self.end(inside, at)
                    values.append(value)
                return at, values
        ended = [self.end(inside, at) for inside in node.inside]
        if node.kind == "all":
            return max(ends for ends, _ in ended), [value for _, value in ended]
        first = min(ends for ends, _ in ended)
        winners = [index for index, (ends, _) in enumerate(ended) if ends == first]
        if len(winners) > 1:
            raise _TieError
        return first, [winners[0], ended[winners[0]][1]]

    @staticmethod
    def _step(node: Script, at: int) -> tuple[int, Any]:
        if node.name == "fatal":
            return at, "refused"
        return at + RETRY_MS * (node.name == "flaky"), [node.name, node.number]

    def _hook(self, node: Script, at: int) -> tuple[int, Any]:
        until = at + node.number
        mine = [each for each in self._arrivals if each.token == node.name]
        if any(each.at in (at, until) for each in mine):
            raise _TieError
        first = next((each for each in mine if at < each.at < until), None)
        return (until, "nobody") if first is None else (first.at, first.payload)
