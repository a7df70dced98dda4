"""The points of the engine at which a process may die; tests see to it that it dies at each."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """
    A moment between two effects, in the order in which a turn passes them; the last is passed by steps that are tasks.

    A commit is either ``BEFORE_COMMIT`` or, when it gives the claim up, ``WHILE_PARKING``; ``AFTER_ENDING`` follows the
    ``AFTER_COMMIT`` of the commit that ended the run.
    """

    AFTER_CLAIM = "after claim"
    BEFORE_DELIVER = "before deliver"
    AFTER_DELIVER = "after deliver"
    BEFORE_COMMIT = "before commit"
    WHILE_PARKING = "while parking"
    AFTER_COMMIT = "after commit"
    AFTER_ENDING = "after ending"
    BEFORE_STEP_OUTCOME = "before step outcome"


PassFailpoint = Callable[[Failpoint], None]
"""Told each failpoint that is passed; what it raises is an error of the engine at that point."""


def pass_by(_point: Failpoint) -> None:
    """Let the engine pass, as it does outside of tests."""
