"""``python -m tests.crash.soak``; see the package."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.crash.soak.soak import soak
from tests.crash.soak.stages import STAGES

ROUND_SECONDS = 60.0


def main() -> int:
    """Soak, say what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.soak", description="Torment workers.")
    parser.add_argument("--minutes", type=float, default=10.0, help="of chaos; settling comes besides (10)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the dice")
    parser.add_argument("--runs", type=int, default=100, help="started in each minute (100)")
    parser.add_argument("--lease", type=float, default=3.0, help="of workers, in seconds (3)")
    parser.add_argument("--folder", type=Path, default=None, help="for all files; kept (a temporary one)")
    parser.add_argument(
        "--world",
        choices=[*STAGES],
        default="sqlite",
        help="as its workers have it (sqlite)",
    )
    arguments = parser.parse_args()
    seconds = min(ROUND_SECONDS, arguments.minutes * 60)
    rounds = max(1, round(arguments.minutes * 60 / seconds))
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="torpor-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"seed {arguments.seed}, {rounds} rounds of {seconds:.0f} s, files in {folder}")
    report = asyncio.run(
        soak(
            folder,
            seed=arguments.seed,
            rounds=rounds,
            seconds=seconds,
            runs=round(arguments.runs * seconds / 60),
            lease_ms=int(arguments.lease * 1000),
            say=_say,
            world=arguments.world,
        )
    )
    _say(f"{report.runs} runs and their children; {dict(report.done)}")
    _say("\n".join(report.faults) or "nothing lost, nothing doubled, nothing failed")
    return 1 if report.faults else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
