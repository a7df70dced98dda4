"""
Makes random programs and tells of those that do not do what they should.

::

    python -m torpor.testing.programs --seeds 200          # seeds 0 to 199
    python -m torpor.testing.programs --seed 17            # one, with its sources
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

from torpor.testing.programs.judge import Fault, judge
from torpor.testing.programs.script import make
from torpor.testing.programs.sources import javascript, python

_TOGETHER = 10
"""Programs of one application: it is made once for all of them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m torpor.testing.programs", description="Judge random programs.")
    parser.add_argument("--seeds", type=int, default=100, help="how many programs")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, and show its sources")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        made = make(options.seed)
        _print(f"{python(made)}\n{javascript(made)}\n{made.arrivals}\nreturns {made.value} after {made.ends} ms")
        seeds = [options.seed]
    else:
        seeds = list(range(options.first, options.first + options.seeds))
    faults: list[Fault] = []
    begun = time.monotonic()
    for start in range(0, len(seeds), _TOGETHER):
        found = asyncio.run(judge(seeds[start : start + _TOGETHER]))
        for fault in found:
            _print(f"seed {fault.seed}: {fault.what}")
        faults += found
    _print(f"{len(seeds)} programs in {time.monotonic() - begun:.1f} s, {len(faults)} faults")
    return bool(faults)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
