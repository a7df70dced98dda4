"""What a benchmark is doing, told on standard error: standard output belongs to the figures."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Tell the user one line."""
    print(f"… {line}", file=sys.stderr, flush=True)
