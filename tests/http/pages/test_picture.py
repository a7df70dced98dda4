"""Where times stand in a picture, and what a run's story becomes in it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor.http.pages.picture import Scale, Scaling, picture_of
from torpor.http.pages.sparks import columns
from torpor.inspection.details import EventView, RunDetails, RunSummary
from torpor.inspection.history import Attempt, History, HookStory, Message, Receipt, StepStory, WaitStory
from torpor.inspection.overview import SPANS, spans_of
from torpor.run_info import RunInfo

DAY = 86_400_000


@given(st.lists(st.integers(0, 10 * DAY), min_size=1), st.sampled_from(["auto", "linear", "elastic"]))
def test_order_is_kept(times: list[int], scaling: Scaling) -> None:
    """Whatever the scale: what happened later stands further right, and a place leads back to its time."""
    scale = Scale(times, scaling)
    places = [scale.at(time) for time in sorted(times)]
    assert all(0 <= place <= 100 for place in places)
    assert places == sorted(places)
    back = [scale.time(place) for place in (0.0, 20.0, 50.0, 100.0)]
    assert back == sorted(back)
    assert scale.start <= back[0] <= back[-1] <= scale.end


def test_a_long_sleep_is_folded() -> None:
    """A second of work beside a day of sleep is seen, unless true lengths are asked for."""
    times = [0, 200, 700, 1_000, DAY]
    assert Scale(times, "auto").at(1_000) > 30
    assert Scale(times, "linear").at(1_000) < 0.01
    assert not Scale([0, 200, 700, 1_000], "auto").elastic


def details(*, ended: int, history: History) -> RunDetails:
    """A run that began at 1 000, was created at 0, and is looked at when it ends."""
    run = RunInfo(
        id="run",
        workflow="workflow//a//b",
        name="b",
        status="running",
        created_at=1,
        started_at=1_000,
        ended_at=ended,
        program="p",
        guest="cpython",
        runtime="snapshot",
    )
    return RunDetails(RunSummary(run), 10_000, [EventView(1, "run_created", 1)], history)


def test_a_story_becomes_rows() -> None:
    """In the order in which things were asked for; attempts, pauses and what goes on are bars; the rest is sleep."""
    tried = [Attempt(1, 1_000, "w", 2_000, "failed", retry_at=3_000), Attempt(2, 0, "", 3_500, "completed")]
    step = StepStory("s", 1, "step//a//charge", 1_000, [], 3_500, "completed", attempts=tried)
    running = StepStory("t", 4, "step//a//send", 8_000, [], status="running", attempts=[Attempt(1, 9_000, "w")])
    wait = WaitStory("w", 2, 3_500, 5_500, 5_600, "completed")
    hook = HookStory("h", 3, "token", 5_600, None, received=[Receipt(7_000, "", 1)])
    child = HookStory("c", 5, "token", 8_000, None, watch="other")
    history = History({"s": step, "t": running}, {"w": wait}, {"h": hook, "c": child}, [Message(6_000, "box", "", 1)])
    picture = picture_of(details(ended=0, history=history), "linear")
    assert [(row.kind, row.label) for row in picture.rows] == [
        ("step", "charge"),
        ("wait", "sleep 2.00 s"),
        ("hook", "token"),
        ("message", "box"),
        ("step", "send"),
        ("child", "other"),
    ]
    assert [bar.kind for bar in picture.rows[0].bars] == ["failed", "backoff", "completed"]
    assert [(bar.kind, bar.goes_on) for bar in picture.rows[4].bars] == [("queued", False), ("running", True)]
    assert [bar.kind for bar in picture.rows[2].bars] == ["waiting", "received"]
    assert picture.rows[1].took == 2_100
    assert [bar.kind for bar in picture.life] == ["queued", "working", "asleep", "working", "asleep", "working"]
    assert picture.asleep == 9_000 - 1_000 - 0 - 1_000
    for bar in itertools.chain(picture.life, *(row.bars for row in picture.rows)):
        assert 0 <= bar.x <= bar.x + bar.width <= 100.5


def test_what_is_not_known_any_more_still_has_a_place() -> None:
    """Of a part of a log: a step whose beginning is not in it, and a timer that was due before it was asked for."""
    step = StepStory("s", 1, "step//a//charge", 0, None, 3_500, "completed")
    wait = WaitStory("w", 2, 3_500, 3_000, 3_600, "completed")
    picture = picture_of(details(ended=4_000, history=History({"s": step}, {"w": wait})))
    assert [(row.label, row.goes_on) for row in picture.rows] == [("charge", False), ("sleep", False)]


@pytest.mark.parametrize(
    ("span", "place"), [(0, 0), (10, 0), (11, 1), (1_000, 6), (1_001, 7), (10**12, len(SPANS) - 1)]
)
def test_durations_are_counted(span: int, place: int) -> None:
    """In classes of which each ends where the next one begins."""
    assert spans_of([span]).index(1) == place


def test_columns_stand_side_by_side() -> None:
    """The most frequent duration fills the height; few of them stand among places for others."""
    assert columns(spans_of([])) == []
    found = columns(spans_of([50, 50, 5_000]))
    assert max(height for _, _, _, height, _ in found) == 100
    assert len(found) >= 9
    assert sum(height for _, _, _, height, _ in found) == 150
