"""``python -m tests.hostile [NAME …]``: run the hostile programs and print a table; ends with 1 if one did harm."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.hostile.arena import Verdict, fight, table
from tests.hostile.corpus import corpus


def _tell(verdict: Verdict) -> None:
    if verdict.escaped or verdict.harm:
        print(f"{verdict.name}: {verdict.escaped or verdict.harm}", file=sys.stderr, flush=True)  # noqa: T201  # a tool


def main(names: list[str]) -> int:
    """Run the programs of these names, or all."""
    chosen = [program for program in corpus() if not names or program.name in names]
    with tempfile.TemporaryDirectory() as folder:
        verdicts = fight(chosen, Path(folder), _tell)
    print(table(chosen, verdicts))  # noqa: T201  # a tool
    return int(any(verdict.escaped or verdict.harm for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
