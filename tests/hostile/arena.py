"""Lets hostile programs run in processes of their own, and judges what became of them."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from tests.hostile.corpus import Hostile

SILENCE_SECONDS = 120
"""A process that says nothing for so long is stuck, which is harm."""

ROOT = Path(__file__).parent.parent.parent


class Verdict(msgspec.Struct, frozen=True):
    """
    What became of a program.

    Attributes:
        name: its name.
        outcome: the code of its failure; ``ended`` by itself, ``refused`` before it began, ``cancelled`` as it slept.
        said: what it returned, or why it failed.
        seconds: how long it took.
        latencies: seconds that each trivial run beside it took.
        harm: what happened to a neighbour, ``""`` for nothing.
        escaped: what it did that it may not.
    """

    name: str
    outcome: str
    said: str = ""
    seconds: float = 0.0
    latencies: list[float] = []
    harm: str = ""
    escaped: list[str] = []


def fight(programs: Sequence[Hostile], folder: Path, tell: Callable[[Verdict], None] = lambda _: None) -> list[Verdict]:
    """Run programs, in a new process behind each that ended or hung the one before, and return what became of them."""
    left = [program.name for program in programs]
    found: list[Verdict] = []
    rounds = 0
    while left:
        rounds += 1
        here = folder / f"round-{rounds}"
        here.mkdir()
        for verdict in _lines(here, left):
            found.append(verdict)
            tell(verdict)
            left.remove(verdict.name)
        if left and (not found or not found[-1].harm):
            lost = Verdict(left.pop(0), "process lost", harm="the worker's process ended or hung")
            found.append(lost)
            tell(lost)
    return found


def _lines(folder: Path, names: list[str]) -> Iterator[Verdict]:
    env = {**os.environ, "HOSTILE_CANARY": secrets.token_hex(16)}
    command = [sys.executable, "-m", "tests.hostile.child", str(folder), *names]
    with (
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process,
        selectors.DefaultSelector() as ready,
    ):
        assert process.stdout is not None
        ready.register(process.stdout, selectors.EVENT_READ)
        while ready.select(SILENCE_SECONDS) and (line := process.stdout.readline()):
            if line.startswith("{"):
                yield msgspec.convert(json.loads(line), Verdict)
        process.kill()


def table(programs: Sequence[Hostile], verdicts: Sequence[Verdict]) -> str:
    """Return families, programs and outcomes in columns, and what neighbours have waited."""
    by_name = {program.name: program for program in programs}
    kinds = [(by_name[verdict.name].family, by_name[verdict.name].language) for verdict in verdicts]
    lines = [f"{'family':<12} {'language':<11} {'programs':>8}  outcomes"]
    for family, language in sorted({*kinds}):
        mine = [each for each, kind in zip(verdicts, kinds, strict=True) if kind == (family, language)]
        told = ", ".join(f"{count} {what}" for what, count in Counter(each.outcome for each in mine).most_common())
        lines.append(f"{family:<12} {language:<11} {len(mine):>8}  {told}")
    waited = sorted(1_000 * each for verdict in verdicts for each in verdict.latencies)
    escapes = sum(bool(verdict.escaped) for verdict in verdicts)
    harmed = sum(bool(verdict.harm) for verdict in verdicts)
    lines.append(f"{len(verdicts)} programs: {escapes} escapes, {harmed} that harmed a neighbour")
    if waited:
        late = waited[int(0.99 * (len(waited) - 1))]
        lines.append(
            f"{len(waited)} trivial runs beside them: median {statistics.median(waited):.0f} ms, 99 of 100 within "
            f"{late:.0f} ms, the longest {waited[-1]:.0f} ms"
        )
    return "\n".join(lines)
