"""The points of the engine at which a process may die; tests see to it that it dies at each."""

from __future__ import annotations

from enum import StrEnum


class Failpoint(StrEnum):
    """
    A moment between two effects, in the order in which a turn passes them; the last is passed by steps that are tasks.

    A commit is either ``BEFORE_COMMIT`` or, when it gives the claim up, ``WHILE_PARKING``; ``AFTER_ENDING`` follows the
    ``AFTER_COMMIT`` of the commit that ended the run. Those from ``AFTER_DELIVER`` to ``AFTER_COMMIT`` may be passed in
    a VM's thread.
    """

    AFTER_CLAIM = "after claim"
    BEFORE_DELIVER = "before deliver"
    AFTER_DELIVER = "after deliver"
    BEFORE_COMMIT = "before commit"
    WHILE_PARKING = "while parking"
    AFTER_COMMIT = "after commit"
    AFTER_ENDING = "after ending"
    BEFORE_STEP_OUTCOME = "before step outcome"


class InjectedError(Exception):
    """
    An observer raises it at a failpoint so that the engine fails there, as if of itself.

    Args:
        error: what it fails with.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error
