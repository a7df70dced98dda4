"""
A run's story as bars on a scale of time: steps with their attempts, waits, hooks, other runs.

Times become places between 0 and 100. Where a long sleep would leave no room for all else, the scale is elastic: each
span between two things that happened takes room by the logarithm of its length, so that everything is seen and the
order is kept.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

import msgspec

from torpor.inspection.details import RunDetails
from torpor.inspection.history import Attempt, HookStory, Message, StepStory, WaitStory
from torpor.inspection.timestamps import span_text
from torpor.programs.catalogue import short_name

LONGEST_SHARE: Final = 0.5
"""A span that takes more of the whole than this makes the scale elastic, where that is left to us."""

WIDTH_MIN: Final = 0.4
TICKS: Final = 5

Scaling = Literal["auto", "linear", "elastic"]


class Scale:
    """
    Where times stand.

    Args:
        times: all that happens, in any order.
        scaling: how.

    Attributes:
        elastic: whether it is.
        start, end: the first and the last time.
    """

    def __init__(self, times: Iterable[int], scaling: Scaling) -> None:
        self._times = sorted(set(times))
        self.start, self.end = self._times[0], self._times[-1]
        gaps = [after - before for before, after in zip(self._times, self._times[1:], strict=False)]
        whole = max(1, self.end - self.start)
        self.elastic = scaling == "elastic" or (
            scaling == "auto" and len(gaps) > 2 and max(gaps) > LONGEST_SHARE * whole and whole > 1_000
        )
        places = [0.0]
        for gap in gaps:
            places.append(places[-1] + (math.log1p(gap / 10) if self.elastic else gap))
        self._places = [100 * place / (places[-1] or 1) for place in places]

    def at(self, time: int) -> float:
        """Return the place of a time."""
        right = bisect_right(self._times, time)
        if right == 0:
            return 0.0
        if right == len(self._times):
            return 100.0
        before, after = self._times[right - 1], self._times[right]
        share = (time - before) / (after - before)
        return self._places[right - 1] + share * (self._places[right] - self._places[right - 1])

    def time(self, place: float) -> int:
        """Return the time that stands at a place."""
        right = min(max(bisect_right(self._places, place), 1), len(self._places) - 1) if len(self._places) > 1 else 0
        if right == 0:
            return self.start
        low, high = self._places[right - 1], self._places[right]
        share = (place - low) / (high - low) if high > low else 0.0
        return round(self._times[right - 1] + share * (self._times[right] - self._times[right - 1]))


class Bar(msgspec.Struct, frozen=True):
    """
    A bar.

    Attributes:
        x, width: where, in hundredths of the whole.
        kind: how it looks: the outcome of an attempt, ``queued``, ``backoff``, ``asleep``, ``waiting``, ``received`` …
        text: what it says.
        goes_on: it has no end yet.
    """

    x: float
    width: float
    kind: str
    text: str
    goes_on: bool = False


class Row(msgspec.Struct, frozen=True):
    """
    A row of the picture.

    Attributes:
        kind: ``step``, ``wait``, ``hook``, ``child`` or ``message``.
        label: its name.
        status: the state of it.
        at: when it began, epoch milliseconds.
        took: how long it has taken, milliseconds.
        goes_on: it has not ended.
        bars: from left to right.
        story: all of it.
    """

    kind: str
    label: str
    status: str
    at: int
    took: int
    goes_on: bool
    bars: list[Bar]
    story: Any


class Tick(msgspec.Struct, frozen=True):
    """A time on the scale: its place, and how long after the beginning."""

    x: float
    text: str


class Picture(msgspec.Struct, frozen=True):
    """
    The picture of a run.

    Attributes:
        rows: in the order in which the run asked for them.
        life: when steps were at work, and when the run slept.
        ticks: times along it.
        elastic: whether the scale is.
        asleep: how long nothing of the run was anywhere but in the world, milliseconds.
    """

    rows: list[Row]
    life: list[Bar]
    ticks: list[Tick]
    elastic: bool
    asleep: int


def picture_of(found: RunDetails, scaling: Scaling = "auto") -> Picture:
    """Return the picture of a run, or of a part of its log."""
    start = found.events[0].at if found.events else found.run.created_at
    end = found.run.ended_at or max(found.now, start)
    stories = found.history.stories()
    rows = sorted([*stories, *found.history.messages], key=_order)
    scale = Scale([start, end, *(time for story in rows for time in _times(story) if start < time < end)], scaling)
    drawn = [_row(story, scale) for story in rows]
    work = _joined(
        (max(attempt.started_at or attempt.ended_at, start), attempt.ended_at or end)
        for step in found.history.steps.values()
        for attempt in step.attempts
    )
    return Picture(
        rows=drawn,
        life=[*_life(scale, work, started=found.run.started_at)],
        ticks=[*_ticks(scale)],
        elastic=scale.elastic,
        asleep=max(
            0, scale.end - max(start, found.run.started_at or end) - sum(until - since for since, until in work)
        ),
    )


Drawn = StepStory | WaitStory | HookStory | Message


def _order(story: Drawn) -> tuple[int, int]:
    return (story.at, 0) if isinstance(story, Message) else (_begun(story), story.op)


def _begun(story: StepStory | WaitStory | HookStory) -> int:
    """Return when something was asked for, as far as that is known."""
    known = [story.created_at, story.ended_at]
    if isinstance(story, StepStory):
        known[1:1] = [attempt.started_at for attempt in story.attempts]
    return next(filter(None, known), 0)


def _times(story: Drawn) -> Iterator[int]:
    """Yield all times of a story that are known."""
    if isinstance(story, Message):
        yield story.at
        return
    yield from filter(None, (story.created_at, story.ended_at))
    if isinstance(story, StepStory):
        for attempt in story.attempts:
            yield from filter(None, (attempt.started_at, attempt.ended_at))
    elif isinstance(story, HookStory):
        yield from (receipt.at for receipt in story.received)


def _row(story: Drawn, scale: Scale) -> Row:
    if isinstance(story, Message):
        mark = _bar(scale, story.at, story.at, "received", "received")
        return Row("message", story.name, "received", story.at, 0, False, [mark], story)
    began = _begun(story) or scale.start
    until = story.ended_at or scale.end
    goes_on = not story.ended_at
    if isinstance(story, StepStory):
        bars, kind, label = [*_step_bars(story, scale)], "step", short_name(story.name)
    elif isinstance(story, WaitStory):
        left = story.due - story.created_at if story.created_at else 0  # it may be due before it is asked for
        kind, label = "wait", f"sleep {span_text(left)}" if left > 0 else "sleep"
        bars = [_bar(scale, began, until, "asleep", story.status, goes_on)]
    else:
        kind, label = ("child", story.watch) if story.watch else ("hook", story.token)
        bars = [_bar(scale, began, until, "waiting", story.status, goes_on)]
        bars += [_bar(scale, receipt.at, receipt.at, "received", "received") for receipt in story.received]
        if story.watch and story.received:
            return Row(kind, label, "ended", began, story.received[0].at - began, False, bars, story)
    return Row(kind, label, story.status, began, until - began, goes_on, bars, story)


def _step_bars(step: StepStory, scale: Scale) -> Iterator[Bar]:
    at = step.created_at or scale.start
    for attempt in step.attempts:
        begun = attempt.started_at or attempt.ended_at or at
        if begun > at:
            yield _bar(scale, at, begun, "queued" if attempt.number == 1 else "backoff", "waits for its turn")
        at = attempt.ended_at or scale.end
        yield _bar(scale, begun, at, attempt.outcome, _attempt_text(attempt), not attempt.ended_at)
    if not step.ended_at and (not step.attempts or step.attempts[-1].ended_at):
        yield _bar(scale, at, scale.end, "queued" if not step.attempts else "backoff", step.status, True)


def _attempt_text(attempt: Attempt) -> str:
    took = span_text(attempt.ended_at - attempt.started_at) if attempt.started_at and attempt.ended_at else ""
    return f"attempt {attempt.number} {attempt.outcome}" + (f" after {took}" if took else "")


def _bar(scale: Scale, since: int, until: int, kind: str, text: str, goes_on: bool = False) -> Bar:
    x = scale.at(since)
    width = max(WIDTH_MIN, scale.at(until) - x)
    return Bar(round(min(x, 100 - WIDTH_MIN), 3), round(width, 3), kind, text, goes_on)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans without those that overlap, in their order."""
    found: list[tuple[int, int]] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        else:
            found.append((since, until))
    return found


def _life(scale: Scale, work: Sequence[tuple[int, int]], *, started: int) -> Iterator[Bar]:
    """Yield when a run waited to begin, slept, and had steps at work."""
    at = scale.start
    if started > at:
        yield _bar(scale, at, started, "queued", f"waited {span_text(started - at)} to begin")
        at = started
    for since, until in work:
        if since > at:
            yield _bar(scale, at, since, "asleep", f"asleep for {span_text(since - at)}")
        yield _bar(scale, since, until, "working", f"steps at work for {span_text(until - since)}")
        at = max(at, until)
    if scale.end > at:
        yield _bar(scale, at, scale.end, "asleep", f"asleep for {span_text(scale.end - at)}")


def _ticks(scale: Scale) -> Iterator[Tick]:
    for step in range(TICKS + 1):
        x = 100 * step / TICKS
        yield Tick(round(x, 2), f"+{span_text(scale.time(x) - scale.start)}")
