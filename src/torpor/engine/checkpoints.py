"""
Diagnostic checkpoints: what becomes of the VM of a run and its snapshots, for whoever looks for the cause of something.

They go to the logger ``torpor.snapshots`` at DEBUG, and cost nothing while it does not listen there.
"""

from __future__ import annotations

import logging
from typing import Final

LOGGER: Final = "torpor.snapshots"

_log = logging.getLogger(LOGGER)


def tell(run_id: str, what: str, **figures: float) -> None:
    """
    Log a checkpoint.

    Args:
        run_id: whose VM it is.
        what: has happened to it, such as ``restored``.
        figures: numbers that go with it: bytes, events, ops.
    """
    if _log.isEnabledFor(logging.DEBUG):
        told = ", ".join(f"{name} {number}" for name, number in figures.items())
        _log.debug("run %s: %s (%s)", run_id, what, told, extra={"run_id": run_id})
