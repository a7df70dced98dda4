"""Small pictures: how long runs took, how large one was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from torpor.inspection.overview import SPANS
from torpor.inspection.timestamps import span_text
from torpor.moments import SnapshotSize

COLUMNS_MIN: Final = 9
"""A few durations are shown among places for others, so that they look like what they are."""


def columns(counts: Sequence[int]) -> list[tuple[float, float, float, float, str]]:
    """
    Return the columns of a picture of durations as x, y, width, height in hundredths, and what each says.

    Args:
        counts: how many runs each class of :data:`torpor.inspection.overview.SPANS` has.
    """
    used = [place for place, count in enumerate(counts) if count]
    if not used:
        return []
    around = max(1, (COLUMNS_MIN - (used[-1] - used[0] + 1) + 1) // 2)
    first, last = max(0, used[0] - around), min(len(counts) - 1, used[-1] + around)
    width, most = 100 / (last - first + 1), max(counts)
    found = []
    for place in range(first, last + 1):
        height = 100 * counts[place] / most
        text = f"{counts[place]} took up to {span_text(round(SPANS[place]))}"
        found.append((round((place - first) * width, 2), round(100 - height, 2), round(width * 0.84, 2), height, text))
    return found


def outline(sizes: Sequence[SnapshotSize], first: int, last: int) -> str:
    """
    Return the path of an area of steps in a square of a hundred: how large a run was, over its log.

    Args:
        sizes: what is known of it.
        first, last: the places at the left and the right edge.
    """
    if not sizes:
        return ""
    wide, most = max(1, last - first), max(each.bytes for each in sizes)
    points = [(round(100 * (each.seq - first) / wide, 2), round(100 - 90 * each.bytes / most, 2)) for each in sizes]
    steps = "".join(f"H{x}V{y}" for x, y in points[1:])
    return f"M{points[0][0]} 100V{points[0][1]}{steps}V100Z"
