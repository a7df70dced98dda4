"""When schedules start runs: the rules, against the library that they build on and a model that forgets nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from torpor.errors import ConfigurationError
from torpor.limits import CATCH_UP_MAX
from torpor.model.schedules import NEVER, Schedule, Timing
from torpor.worlds import schedules as rules
from torpor.worlds.schedules import LATE_MS

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")
TIMES = st.integers(1_500_000_000_000, 2_000_000_000_000)


def at(text: str) -> int:
    """Return a moment in milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def moments(timing: Timing, after: str, count: int) -> list[str]:
    """Return the next slots as the clocks of their zone show them, with the offset."""
    zone = ZoneInfo(timing.zone)
    found = itertools.islice(rules.slots(timing, at(after)), count)
    return [datetime.fromtimestamp(slot / 1000, UTC).astimezone(zone).isoformat(timespec="minutes") for slot in found]


@st.composite
def crons(draw: st.DrawFn) -> Timing:
    """Draw a cron expression that names a moment at least once a year, in any zone."""
    field = {"minute": (0, 59), "hour": (0, 23), "day": (1, 28), "month": (1, 12), "weekday": (0, 7)}
    words = []
    for name, (low, high) in field.items():
        number = st.integers(low, high)
        lists = st.lists(number, min_size=1, max_size=3).map(lambda each: ",".join(map(str, each)))
        ranges = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
        words.append(draw(st.one_of(st.just("*"), st.sampled_from(["*/2", "*/7", "*/15"]), lists, ranges)))
        if name in ("day", "month") and draw(st.booleans()):
            words[-1] = "*"
    return Timing(cron=" ".join(words), zone=draw(st.sampled_from(ZONES)))


timings = st.one_of(
    crons(),
    st.integers(1, 100_000).map(lambda seconds: Timing(every_ms=seconds * SECOND)),
    TIMES.map(lambda moment: Timing(at=moment)),
)


def made(timing: Timing, now: int, catch_up: int = 1, jitter_ms: int = 0) -> Schedule:
    """Return a schedule as it was stored at a time."""
    wanted = Schedule("shop", "nightly", "order", timing, b"", catch_up=catch_up, jitter_ms=jitter_ms)
    return rules.put(None, wanted, now)


@given(timings, TIMES)
@settings(max_examples=200, deadline=None)
def test_slots_are_those_of_the_library(timing: Timing, after: int) -> None:
    """In order, none twice, none that is over, and for cron no other than cronsim's."""
    found = list(itertools.islice(rules.slots(timing, after), 10))
    assert found == sorted(set(found))
    assert all(slot > after for slot in found)
    if timing.cron:
        begin = datetime.fromtimestamp(after / 1000, ZoneInfo(timing.zone))
        theirs = [round(moment.timestamp() * 1000) for moment in itertools.islice(CronSim(timing.cron, begin), 12)]
        assert found == [slot for slot in theirs if slot > after][: len(found)]


@given(crons(), TIMES)
@settings(max_examples=100, deadline=None)
def test_a_later_look_sees_the_same_slots(timing: Timing, after: int) -> None:
    """Whoever looks from between two slots sees the same ones behind: what was fired decides nothing."""
    first, second, third = itertools.islice(rules.slots(timing, after), 3)
    assert rules.first_after(timing, first) == second
    assert rules.first_after(timing, second - 1) == second
    assert rules.first_after(timing, (second + third) // 2) == third


@given(crons(), TIMES)
@settings(max_examples=60, deadline=None)
def test_cron_names_what_a_calendar_has(timing: Timing, after: int) -> None:
    """In a zone without clock changes each slot is the next minute that all fields fit, plainly read."""
    timing = replace(timing, zone="UTC")
    minute, hour, day, month, weekday = timing.cron.split()

    def fits(word: str, value: int, low: int) -> bool:
        for part in word.split(","):
            if part.startswith("*"):
                if (value - low) % int(part[2:] or 1) == 0:
                    return True
            else:
                begin, _, end = part.partition("-")
                if int(begin) <= value <= int(end or begin):
                    return True
        return False

    def matches(moment: datetime) -> bool:
        of_month = fits(day, moment.day, 1)
        of_week = fits(weekday, moment.isoweekday(), 0) or fits(weekday, moment.isoweekday() % 7, 0)
        both = day.startswith("*") or weekday.startswith("*")
        return (
            fits(minute, moment.minute, 0)
            and fits(hour, moment.hour, 0)
            and fits(month, moment.month, 1)
            and ((of_month and of_week) if both else (of_month or of_week))
        )

    found = rules.first_after(timing, after)
    moment = datetime.fromtimestamp(found / 1000, UTC)
    assert matches(moment)
    looked = datetime.fromtimestamp(max(after, found - 2 * DAY) / 1000, UTC).replace(second=0, microsecond=0)
    looked += timedelta(minutes=1)
    while looked < moment:
        assert not matches(looked), looked
        looked += timedelta(minutes=1)


def test_a_job_in_the_gap_of_a_clock_change_is_done_behind_it() -> None:
    """Once: at three, and on the next day at half past two."""
    timing = Timing(cron="30 2 * * *", zone="Europe/Berlin")
    assert moments(timing, "2026-03-28T12:00Z", 2) == ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]


def test_a_job_in_the_hour_that_comes_twice_is_done_once() -> None:
    """The first time; also for who looks while the hour comes again."""
    timing = Timing(cron="30 2 * * *", zone="Europe/Berlin")
    assert moments(timing, "2026-10-24T12:00Z", 2) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]
    assert moments(timing, "2026-10-25T01:10Z", 1) == ["2026-10-26T02:30+01:00"]


def test_a_job_of_every_hour_goes_by_hours_as_they_pass() -> None:
    """Twenty-three or twenty-five times on the days of the change."""
    timing = Timing(cron="0 * * * *", zone="Europe/Berlin")
    spring = [moment for moment in moments(timing, "2026-03-28T22:59Z", 23) if moment.startswith("2026-03-29")]
    autumn = [moment for moment in moments(timing, "2026-10-24T21:59Z", 25) if moment.startswith("2026-10-25")]
    assert (len(spring), len(autumn)) == (23, 25)


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        (Timing(), "one of cron=, every= and at="),
        (Timing(cron="* * * * *", every_ms=5_000), "one of cron=, every= and at="),
        (Timing(every_ms=999), "at least 1000"),
        (Timing(cron="* * *"), "no cron expression"),
        (Timing(cron="0 0 30 2 *"), "no cron expression"),
        (Timing(cron="0 0 29 2 1#5"), ""),
        (Timing(cron="* * */20 * 1L"), "names no moment"),
        (Timing(cron="@sometimes"), "no cron expression"),
        (Timing(cron="* * * * *", zone="Mars/Olympus"), "pip install tzdata"),
        (Timing(cron="* * * * *", zone="../etc/passwd"), "no time zone"),
    ],
)
def test_what_names_no_slots_is_refused(timing: Timing, words: str) -> None:
    """With what to write instead."""
    if not words:
        rules.check_timing(timing)
        return
    with pytest.raises(ConfigurationError, match=words):
        rules.check_timing(timing)


@pytest.mark.parametrize("catch_up", [-1, CATCH_UP_MAX + 1])
def test_what_is_made_up_for_is_bounded(catch_up: int) -> None:
    """By a limit with a name."""
    with pytest.raises(ConfigurationError, match=f"catch_up={catch_up}"):
        made(Timing(every_ms=MINUTE), 0, catch_up=catch_up)


@pytest.mark.parametrize("name", ["@daily", "@Hourly", "@weekly", "@monthly", "@yearly"])
def test_common_expressions_have_names(name: str) -> None:
    """As in cron."""
    rules.check_timing(Timing(cron=name))


@given(timings, TIMES, st.integers(0, 2 * DAY))
@settings(max_examples=100, deadline=None)
def test_jitter_keeps_the_order(timing: Timing, after: int, jitter_ms: int) -> None:
    """A slot is due at or after its time, by at most the jitter, before the next slot, and equally at each look."""
    schedule = made(timing, after, jitter_ms=jitter_ms)
    slots = list(itertools.islice(rules.slots(timing, after), 3))
    for slot, following in itertools.zip_longest(slots, slots[1:], fillvalue=1 << 60):
        due = rules.due_of(schedule, slot)
        assert slot <= due <= slot + jitter_ms
        assert due < following
        assert due == rules.due_of(replace(schedule, version=9), slot)


@given(st.data(), timings, TIMES, st.integers(0, 5), st.integers(0, HOUR))
@settings(max_examples=200, deadline=None)
def test_each_slot_is_wanted_once(data: st.DataObject, timing: Timing, now: int, catch_up: int, jitter_ms: int) -> None:
    """
    Over any sequence of looks, early or late: none twice, none in the wrong order, all that are not late; of those that
    are the newest, as many as are to be made up for.
    """
    schedule = made(timing, now, catch_up, jitter_ms)
    seen: list[int] = []
    for pause in data.draw(st.lists(st.integers(1, 3 * HOUR), max_size=6)):
        before, now = now, now + pause
        wanted = rules.wanted(schedule, now)
        after = min(before, schedule.slot - 1)
        between = itertools.takewhile(lambda slot: slot <= now, rules.slots(timing, after))  # noqa: B023  # used at once
        due = [slot for slot in between if 0 < schedule.slot <= slot and rules.due_of(schedule, slot) <= now]
        late = [slot for slot in due if rules.due_of(schedule, slot) <= now - LATE_MS]
        assert wanted == [*late[len(late) - min(catch_up, len(late)) :], *due[len(late) :]]
        seen += wanted
        schedule = rules.moved(schedule, now)
        assert schedule.slot == NEVER or schedule.due > now
    assert seen == sorted(set(seen))


@example(Timing(cron="* * * * *"), at("2020-01-01T00:00Z"), 10 * 365 * DAY)
@given(st.one_of(crons(), st.just(Timing(every_ms=SECOND))), TIMES, st.integers(HOUR, 3 * 365 * DAY))
@settings(max_examples=30, deadline=None)
def test_a_long_time_without_workers_costs_little(timing: Timing, now: int, downtime: int) -> None:
    """Years of slots are not gone through: what is wanted of them is the same as from close by."""
    schedule = made(timing, now, catch_up=3)
    later = now + downtime
    wanted = rules.wanted(schedule, later)
    close = replace(schedule, slot=max(schedule.slot, rules.first_after(timing, later - max(8 * HOUR, downtime // 64))))
    if len(rules.wanted(close, later)) > 3:
        assert wanted == rules.wanted(close, later)
    assert len(wanted) <= 3 + LATE_MS // SECOND
    assert wanted == sorted(set(wanted))


def test_a_schedule_begins_after_it_was_made() -> None:
    """Slots of the past are not made up for; the one slot of a moment that is over is."""
    now = at("2026-01-01T00:00:30Z")
    assert made(Timing(every_ms=MINUTE), now).slot == at("2026-01-01T00:01Z")
    once = made(Timing(at=now - DAY), now)
    assert rules.wanted(once, now) == [now - DAY]
    assert rules.moved(once, now).slot == NEVER


def test_a_change_of_the_timing_begins_anew_and_any_other_does_not() -> None:
    """What a schedule has done stays."""
    now = at("2026-01-01T00:00:30Z")
    schedule = replace(rules.moved(made(Timing(every_ms=MINUTE), now), now), last_run="wrun_1", skipped=3)
    later = now + 10 * MINUTE
    noted = rules.put(schedule, replace(schedule, note="why"), later)
    assert (noted.slot, noted.version) == (schedule.slot, schedule.version + 1)
    plain = rules.put(noted, replace(made(Timing(every_ms=MINUTE), later), version=noted.version), later)
    assert (plain.slot, plain.last_run, plain.note) == (noted.slot, "wrun_1", "")
    slower = rules.put(noted, replace(noted, timing=Timing(every_ms=HOUR)), later)
    assert (slower.slot, slower.last_run, slower.skipped) == (at("2026-01-01T01:00Z"), "wrun_1", 3)


def test_pausing_lets_go_of_what_waits() -> None:
    """And nothing is wanted until the schedule goes on, after the time at which it does."""
    now = at("2026-01-01T00:00:30Z")
    schedule = replace(made(Timing(every_ms=MINUTE), now), buffered=now - MINUTE)
    paused = rules.put(schedule, replace(schedule, paused=True), now)
    assert rules.wanted(paused, now + HOUR) == []
    assert paused.buffered == NEVER
    going = rules.put(paused, replace(paused, paused=False), now + HOUR)
    assert going.slot == at("2026-01-01T01:01Z")


def test_cancelling_keeps_the_newest_slot() -> None:
    """When the run before does not end at once, each new slot takes the place of the one that waits for it."""
    now = at("2026-01-01T00:00:30Z")
    schedule = replace(made(Timing(every_ms=MINUTE), now), overlap="cancel", last_run="wrun_1")
    verdict, first = rules.fire(schedule, now, busy=True)
    assert (verdict, first.buffered, first.skipped) == ("cancel", now, 0)
    assert rules.fire(first, now, busy=True) == ("buffer", first)
    verdict, second = rules.fire(first, now + MINUTE, busy=True)
    assert (verdict, second.buffered, second.skipped) == ("cancel", now + MINUTE, 1)
    verdict, third = rules.fire(second, now + MINUTE, busy=False)
    assert (verdict, third.buffered, third.last_slot) == ("start", NEVER, now + MINUTE)
