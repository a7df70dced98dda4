"""The runs of a recording: what is started, what happens to each while it is recorded, and where it then stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

KEYS = "kd05ce0025d:dG9ycG9yIHJlY29yZGVkIHRlc3Qga2V5IDMyYnl0ZXM"
"""Deployment key of the runs that are encrypted; it protects nothing."""

Then = Literal["resumed", "cancelled"]


@dataclass(frozen=True)
class Part:
    """
    What runs of one workflow go through.

    Attributes:
        workflow: its name in Python.
        stands: events that the log has when the run is where it is to be recorded.
        args: its arguments; ``{id}`` in them is the run's id.
        letters: payloads that its hook is given, one after another.
        hook: the hook's token, where it is not the run's id.
        runtimes: of its runs, one in each.
        secret: whether there is one more, encrypted.
    """

    workflow: str
    stands: Counter[str]
    args: tuple[Any, ...] = ()
    letters: tuple[Any, ...] = ()
    runtimes: tuple[Literal["snapshot", "replay"], ...] = ("snapshot", "replay")
    secret: bool = False


PARTS = (
    Part("sold", Counter(run_completed=1), ("tea",), secret=True),
    Part("never_sold", Counter(run_failed=1), ("tea",)),
    Part("badly_weighed", Counter(run_failed=1)),
    Part("hold", Counter(hook_created=1), ("{id}",), secret=True),
    Part("too_late", Counter(hook_conflict=1, hook_created=1), ("hold-{runtime}",)),
    Part("hibernate", Counter(wait_created=1)),
    Part("parent", Counter(hook_created=1), ("{id}",), letters=(5,)),
    Part("mailbox", Counter(step_completed=3), ("{id}",), letters=(5, 6, 7), secret=True),
    Part("patience", Counter(step_retrying=1)),
    Part("parcel", Counter(step_created=1)),
    Part("crowd", Counter(hook_created=2, wait_created=1, step_completed=1), ("{id}",)),
    Part("second_thoughts", Counter(hook_created=2, hook_received=2), ("{id}",), letters=("one", "two")),
    Part("long_story", Counter(hook_created=1), (60, "{id}")),
)
