"""
Seeds that have found a fault of Torpor's own, with what it was; they are simulated for ever.

A seed tells another story when the simulation itself is changed. Then the bug is planted again (:mod:`.plants` has
those of one line), and the first seed that finds it takes the old one's place.
"""

from __future__ import annotations

from typing import Final

KEPT: Final = {
    14: "an inline step's result was stored behind a later retry of a step task, and the log's times went back",
    87: "the world failed for longer than a turn tries, and the run's claim stayed with the worker that had given up",
    110: "a commit that handed a step over was stored, its answer was lost, and the step's task was nobody's to report",
}
