"""
Simulates many worlds and tells the stories of those in which something is wrong.

::

    python -m torpor.testing.simulation --seeds 10000     # seeds 0 to 9999, on all cores
    python -m torpor.testing.simulation --seed 184        # one, with its story; the same to the byte each time
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import get_args

import msgspec

from torpor.testing.simulation.crowd import Summary, simulate_all
from torpor.testing.simulation.machinery import Machine
from torpor.testing.simulation.scenario import Outcome, simulate

_STORIES_MAX = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 1 when something is wrong."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        outcome = simulate(options.seed, machine=options.machine, tell=True)
        if options.json:
            _print(msgspec.json.encode(outcome).decode())
        else:
            _tell(outcome)
        return bool(outcome.faults)
    seeds = range(options.first, options.first + options.seeds)
    summary = Summary()
    begun = time.monotonic()
    for outcome in simulate_all(seeds, options.processes, options.machine):
        summary.add(outcome)
        if sys.stderr.isatty() and summary.seeds % 50 == 0:
            sys.stderr.write(f"\r{summary.seeds} of {len(seeds)} seeds, {len(summary.faults)} with faults ")
            sys.stderr.flush()
    if sys.stderr.isatty():
        sys.stderr.write("\r")
    if options.json:
        _print(msgspec.json.encode(summary).decode())
        return bool(summary.faults)
    for seed in list(summary.faults)[:_STORIES_MAX]:
        _tell(simulate(seed, machine=options.machine, tell=True))
    seconds = time.monotonic() - begun
    _print(f"{summary.seeds} seeds in {seconds:.1f} s, {summary.seeds / seconds:.0f} a second")
    for what, count in sorted(summary.happened.items()):
        _print(f"{count:9} {what}")
    for seed, faults in summary.faults.items():
        _print(f"seed {seed}: {faults[0]}")
    return bool(summary.faults)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torpor.testing.simulation", description="Simulate whole worlds.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, and tell its story")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--machine", choices=get_args(Machine), default="model", help="VMs by model, or real ones")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _tell(outcome: Outcome) -> None:
    _print("\n".join(outcome.story))
    for fault in outcome.faults:
        _print(f"seed {outcome.seed}: {fault}")
    if outcome.faults:
        _print(f"again: python -m torpor.testing.simulation --seed {outcome.seed}\n")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
