"""
What goes wrong in a simulated world, and how often: each seed has a weather of its own.

A seed has some kinds of faults and not others, some often and some rarely, because faults hide one another: a worker
that is killed every second never gets to where a lost notice matters. When the storm is over nothing goes wrong any
more, and what was begun must come to its end.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final, Literal

from torpor.engine.failpoints import Failpoint

Fault = Literal[
    "kill at a failpoint",
    "kill at any time",
    "bug",
    "freeze",
    "stop",
    "clock jump",
    "store fails",
    "store outage",
    "store answer lost",
    "commit answer lost",
    "store slow",
    "notice lost",
    "notice twice",
    "notice late",
    "host lacks something",
    "snapshot damaged",
    "worker lacks steps",
    "worker is old",
    "worker lacks key",
    "archive",
    "cancel",
    "pause",
    "wake up",
    "deadline",
]

_RATES: Final[dict[Fault, tuple[float, ...]]] = {
    # of each time that it could happen; of processes and clocks, of each second of the storm and each of them
    "kill at a failpoint": (0.2, 0.5, 0.9),
    "bug": (0.01, 0.05),
    "kill at any time": (0.02, 0.1, 0.3),
    "freeze": (0.05, 0.2, 0.4),
    "stop": (0.02, 0.1),
    "clock jump": (0.05, 0.2),
    "store fails": (0.01, 0.05, 0.2),
    "store outage": (0.01, 0.03),
    "store answer lost": (0.05, 0.2, 0.4),
    "commit answer lost": (0.1, 0.3),
    "store slow": (0.02, 0.1, 0.4),
    "notice lost": (0.2, 0.6, 1.0),
    "notice twice": (0.1, 0.5),
    "notice late": (0.1, 0.5),
    "host lacks something": (0.05, 0.2),
    "snapshot damaged": (0.1, 0.5),
    "worker lacks steps": (0.5, 1.0),  # of each worker
    "worker is old": (0.3, 0.8),  # as above
    "worker lacks key": (0.3, 0.6),  # as above
    "archive": (0.3, 1.0),  # of each run, twice a second
    "cancel": (0.3, 0.9),
    "pause": (0.3, 1.0),
    "wake up": (0.3, 1.0),
    "deadline": (0.3, 1.0),
}


class Weather:
    """
    The faults of one seed.

    Args:
        random: the dice.

    Attributes:
        rates: how often each kind happens that there is.
        happened: how often which fault has happened.
        is_over: nothing goes wrong any more.
        skew_ms: by how much clocks differ, at most.
        deadly: the failpoint at which workers are killed; at others that come first they would never get to it.
        remote: the store is a server, which carries on with what a process has asked for when that process is gone.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        share = random.choice((0.0, 0.2, 0.4, 0.6))
        self.rates: dict[Fault, float] = {
            fault: random.choice(rates) for fault, rates in _RATES.items() if random.random() < share
        }
        self.happened: Counter[str] = Counter()
        self.is_over = False
        self._out_until_us = 0
        self.deadly = random.choice(list(Failpoint))
        self.remote = random.random() < 0.5
        self.skew_ms = random.choice((0, 50, 50, 50 if self.remote else 5_000))

    def happens(self, fault: Fault) -> bool:
        """Return whether a fault happens now."""
        rate = self.rates.get(fault)
        happens = rate is not None and not self.is_over and self._random.random() < rate
        self.happened[fault] += happens
        return happens

    def is_out(self, now_us: int) -> bool:
        """Return whether the store answers nobody; an outage may begin whenever somebody asks it something."""
        if now_us >= self._out_until_us and self.happens("store outage"):
            self._out_until_us = now_us + self._random.choice((2, 60, 100)) * 1_000_000
        return now_us < self._out_until_us

    def describe(self) -> str:
        """Return the kinds of faults that there are."""
        faults = ", ".join(f"{fault} {rate:g}" for fault, rate in self.rates.items()) or "fair"
        return f"{faults}; clocks differ by {self.skew_ms} ms; store {'remote' if self.remote else 'local'}"
