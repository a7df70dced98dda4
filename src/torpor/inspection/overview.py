"""What the newest runs are, workflow by workflow: how many of each state, and how long those took that completed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from torpor.lifecycle import RunStatus
from torpor.model import Run, RunFilter
from torpor.programs.catalogue import short_name
from torpor.world import World

NEWEST: Final = 1_000
"""Runs that are looked at."""

SPANS: Final = tuple(10 ** (step / 3) for step in range(3, 28))
"""Upper ends of the classes that durations are counted in, milliseconds: three to a power of ten, from 10 ms on."""

_PAGE: Final = 200


class WorkflowFigures(msgspec.Struct, frozen=True):
    """
    The newest runs of a workflow.

    Attributes:
        workflow, name: full and short name.
        counts: how many runs of each state there are.
        spans: how many completed runs took up to so long, by the place in :data:`SPANS`; longer ones are in the last.
        median, p95: of what completed runs took, milliseconds; None when none has completed.
        newest_at: when the newest was created, epoch milliseconds.
    """

    workflow: str
    name: str
    counts: dict[RunStatus, int]
    spans: tuple[int, ...]
    median: int | None
    p95: int | None
    newest_at: int

    @property
    def file(self) -> str:
        """Where the workflow is written, ``""`` when its name does not say."""
        parts = self.workflow.split("//")
        return parts[1].removeprefix("./") if len(parts) > 2 else ""

    @property
    def total(self) -> int:
        """How many runs these are."""
        return sum(self.counts.values())


class Overview(msgspec.Struct, frozen=True):
    """
    The newest runs of a world.

    Attributes:
        workflows: those that have runs among them, most runs first.
        looked_at: how many runs these are.
        is_all: whether there are no others.
    """

    workflows: list[WorkflowFigures]
    looked_at: int
    is_all: bool


async def read_overview(world: World, most: int = NEWEST) -> Overview:
    """Return figures of the newest runs of a world, of so many at most."""
    by_workflow: dict[str, list[Run]] = defaultdict(list)
    before: str | None = None
    looked_at, is_all = 0, False
    while looked_at < most and not is_all:
        page = await world.list_runs(RunFilter(before=before, limit=_PAGE))
        for run in page:
            if not run.damage:
                by_workflow[run.workflow].append(run)
        looked_at += len(page)
        is_all = len(page) < _PAGE
        before = page[-1].id if page else None
    figures = [_figures(workflow, runs) for workflow, runs in by_workflow.items()]
    return Overview(sorted(figures, key=lambda each: (-each.total, each.workflow)), looked_at, is_all)


def _figures(workflow: str, runs: Sequence[Run]) -> WorkflowFigures:
    took = sorted(run.ended_at - run.created_at for run in runs if run.status == "completed")
    return WorkflowFigures(
        workflow=workflow,
        name=short_name(workflow),
        counts=dict(Counter(run.status for run in runs)),
        spans=spans_of(took),
        median=_share(took, 0.5),
        p95=_share(took, 0.95),
        newest_at=runs[0].created_at,
    )


def spans_of(took: Sequence[int]) -> tuple[int, ...]:
    """Return how many of these durations lie in each class of :data:`SPANS`."""
    counts = [0] * len(SPANS)
    for span in took:
        step = math.ceil(math.log10(span) * 3 - 3 - 1e-9) if span > 0 else 0
        counts[min(max(step, 0), len(SPANS) - 1)] += 1
    return tuple(counts)


def _share(took: Sequence[int], share: float) -> int | None:
    """Return the duration that this share of them does not pass."""
    return took[min(len(took) - 1, math.ceil(len(took) * share) - 1)] if took else None
