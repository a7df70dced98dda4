"""
What the workers of a process have done, counted: for Prometheus, and for whoever else asks.

A :class:`Figures` is an observer. Its counts begin with the process and only grow.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from torpor.engine.observer import (
    AttemptBegan,
    AttemptEnded,
    Observation,
    Observer,
    Retried,
    RunSnoozed,
    Stored,
    TurnBegan,
    TurnEnded,
    only,
)
from torpor.lifecycle import RUN_ENDINGS
from torpor.programs.catalogue import short_name


class Kind(NamedTuple):
    """
    What figures of one name are.

    Attributes:
        name: without ``torpor_`` and without the ending of its type.
        type: ``counter``, or ``summary``: how many there were, and all of them added up.
        text: for people.
        labels: names of what they are apart by.
    """

    name: str
    type: Literal["counter", "summary"]
    text: str
    labels: tuple[str, ...] = ()


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("claims", "counter", "Turns of runs that workers have claimed.", ("workflow",)),
        Kind("turns", "counter", "Turns that have ended.", ("how",)),
        Kind("turn_seconds", "summary", "How long turns took, from claim to end."),
        Kind("wake_seconds", "summary", "How late timers woke their runs."),
        Kind("runs_started", "counter", "Runs that have begun.", ("workflow",)),
        Kind("runs_ended", "counter", "Runs that have ended.", ("workflow", "status")),
        Kind("step_attempts", "counter", "Attempts of steps that have ended.", ("step", "outcome")),
        Kind("step_seconds", "summary", "How long attempts of steps took.", ("step",)),
        Kind("snoozes", "counter", "Runs that were given back for a while, by no fault of their own."),
        Kind("retries", "counter", "What was tried again: attempts of steps, and work of the engine.", ("what",)),
        Kind("snapshot_bytes", "summary", "Bytes of the snapshots that were stored."),
    )
}


class Sample(NamedTuple):
    """
    A figure.

    Attributes:
        kind: which.
        labels: their values, as the kind names them.
        total: what was counted, or added up.
        times: how many were added up, of a summary.
    """

    kind: Kind
    labels: tuple[str, ...]
    total: float
    times: int


class Figures:
    """Counts what it observes."""

    def __init__(self) -> None:
        self._totals: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
        self._counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._turns: dict[tuple[str, int], float] = {}
        self._attempts: dict[tuple[str, int], float] = {}

    @property
    def observer(self) -> Observer:
        """What workers tell."""
        return only(self._observe, TurnBegan, TurnEnded, Stored, AttemptBegan, AttemptEnded, RunSnoozed, Retried)

    def samples(self) -> Iterator[Sample]:
        """Return all figures there are, those of a name together."""
        for name, labels in sorted(self._totals):
            yield Sample(KINDS[name], labels, self._totals[name, labels], self._counts[name, labels])

    def _add(self, name: str, *labels: str, amount: float = 1) -> None:
        assert len(labels) == len(KINDS[name].labels), name
        self._totals[name, labels] += amount
        self._counts[name, labels] += 1

    def _observe(self, observation: Observation) -> None:
        match observation:
            case TurnBegan():
                self._add("claims", short_name(observation.workflow))
                self._turns[observation.run_id, observation.epoch] = time.perf_counter()
            case TurnEnded():
                self._add("turns", observation.how)
                began = self._turns.pop((observation.run_id, observation.epoch), None)
                if began is not None:
                    self._add("turn_seconds", amount=time.perf_counter() - began)
            case Stored():
                self._stored(observation)
            case AttemptBegan():
                self._attempts[observation.step_id, observation.attempt] = time.perf_counter()
            case AttemptEnded():
                self._ended(observation)
            case RunSnoozed():
                self._add("snoozes")
            case Retried():
                self._add("retries", "engine")

    def _stored(self, stored: Stored) -> None:
        workflow = short_name(stored.workflow)
        for event in stored.events:
            if event.type in RUN_ENDINGS:
                self._add("runs_ended", workflow, event.type.removeprefix("run_"))
            elif event.type == "run_started":
                self._add("runs_started", workflow)
        for late in stored.late_ms:
            self._add("wake_seconds", amount=late / 1000)
        if stored.snapshot_bytes:
            self._add("snapshot_bytes", amount=stored.snapshot_bytes)

    def _ended(self, ended: AttemptEnded) -> None:
        step = short_name(ended.name)
        self._add("step_attempts", step, ended.outcome)
        if ended.outcome == "retrying":
            self._add("retries", "step")
        began = self._attempts.pop((ended.step_id, ended.attempt), None)
        if began is not None:
            self._add("step_seconds", step, amount=time.perf_counter() - began)
