"""Sleeping, and the clock that only events move."""

from __future__ import annotations

import pytest

from tests.guests.quickjs.conftest import BEGAN_AT, Author
from torpor.durations import due_at


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("0", 0),
        ("1500", 1_500),
        ("1.6", 2),
        ("-1500", -1_500),
        ('"500ms"', 500),
        ('"30s"', 30_000),
        ('"1h 30m"', 5_400_000),
        ('"1h30m"', 5_400_000),
        ('"1 hour, 30 minutes"', 5_400_000),
        ('" 2.5 Days "', 216_000_000),
        ('".5s"', 500),
        ('"1w"', 604_800_000),
        ('"2y"', 63_115_200_000),
        ('"3 secs 4 msecs"', 3_004),
    ],
)
def test_sleep_asks_for_a_wait(author: Author, duration: str, ms: int) -> None:
    """Numbers are milliseconds; texts are numbers with units."""
    (op,) = author.body(f"await sleep({duration})").begin().ops

    assert (op.type, op.due) == ("wait", BEGAN_AT + ms)


@pytest.mark.parametrize(
    "text",
    [
        "500ms",
        "30s",
        "1h 30m",
        "1h30m",
        "2.5 days",
        ".5s",
        "1w",
        "2y",
        "1 hour, 30 minutes",
        "-5s",
        " - 1h 30m",
        "2030-02-28T12:00:00Z",
        "2030-02-28t12:00z",
        " 2030-02-28 12:00:00.000001+05:30 ",
        "2024-02-29T23:59:59,9999999-08",
        "2020-01-01T00:00Z",
        "0099-12-31T00:00-0000",
        "1969-12-31T23:59:59.9Z",
    ],
)
def test_texts_mean_the_same_in_both_languages(author: Author, text: str) -> None:
    """The guest's grammars are those of the host; nothing is due before 1970."""
    (op,) = author.body("await sleep(input)").begin(text).ops

    assert op.due == max(0, due_at(text, BEGAN_AT))


@pytest.mark.parametrize(
    "text",
    [
        "2030-02-28T12:00:00",
        "2030-02-28",
        "2030-02-30T12:00Z",
        "2030-13-01T12:00Z",
        "2030-02-28T24:00Z",
        "2030-02-28T12:60Z",
        "2030-02-28T12:00:60Z",
        "2030-02-28T12:00+24:00",
        "2030-02-28T12:00 Z",
        "0000-01-01T00:00Z",
        "2030-02-28T12Z",
        "2030-02-28T12:00:00.Z",
    ],
)
def test_texts_that_are_no_moments_are_refused_in_both_languages(author: Author, text: str) -> None:
    """A date without a zone means another moment in each place."""
    run = author.body("try { await sleep(input) } catch (error) { return String(error) }").begin(text)

    assert run.value.startswith(f'RangeError: "{text}" is no moment; write it with time and zone, such as "2026-')
    with pytest.raises(ValueError, match="is no moment; write it with time and zone, such as '2026-"):
        due_at(text, BEGAN_AT)


@pytest.mark.parametrize("offset", [-10_000, 0, 86_400_000])
def test_sleep_takes_a_date(author: Author, offset: int) -> None:
    """A Date is the moment to wake at; one in the past is fine."""
    (op,) = author.body(f"await sleep(new Date(Date.now() + {offset}))").begin().ops

    assert op.due == BEGAN_AT + offset


@pytest.mark.parametrize(
    ("duration", "error"),
    [
        ("-Infinity", "RangeError: -Infinity is not"),
        ("NaN", "RangeError: NaN is not"),
        ("Infinity", "RangeError: Infinity is not"),
        ('"soon"', 'RangeError: "soon" is not a duration'),
        ('""', 'RangeError: "" is not a duration'),
        ('"1"', 'RangeError: "1" is not a duration'),
        ('"1h 3"', 'RangeError: "1h 3" is not a duration'),
        ('"1 fortnight"', 'RangeError: "1 fortnight" is not a duration'),
        ('"-"', 'RangeError: "-" is not a duration'),
        ('"1h -1m"', 'RangeError: "1h -1m" is not a duration'),
        ('"1000000y"', "RangeError: 1000000y ends after"),
        ("new Date(NaN)", "RangeError: the Date is invalid"),
        ("null", "TypeError: null is not a duration"),
        ("undefined", "TypeError: undefined is not a duration"),
        ("{}", "TypeError: object is not a duration"),
        ("1, { name: 'nap' }", "TypeError: sleep takes a duration, and no options"),
    ],
)
def test_duration_without_meaning_is_an_error(author: Author, duration: str, error: str) -> None:
    """The message shows the value and what is expected; nothing is asked of the host."""
    run = author.body(f"try {{ await sleep({duration}) }} catch (error) {{ return String(error) }}").begin()

    assert run.value.startswith(error)
    assert run.ops == []


def test_clock_is_that_of_the_last_event(author: Author) -> None:
    """Time stands still between events and is the delivered event's afterwards."""
    run = author.body("const a = Date.now(); await sleep('1h'); return [a, Date.now(), +new Date()]").begin()
    run.wake(1, after_ms=3_600_000)

    assert run.value == [BEGAN_AT, run.now, run.now]


def test_op_carries_the_time_of_its_cause(author: Author) -> None:
    """An op's time is that of the event that made the workflow ask."""
    run = author.body("await sleep(1); await sleep(1)").begin().wake(1, after_ms=50)

    assert [op.at for op in run.ops] == [BEGAN_AT, run.now]


def test_many_sleeps_wait_together(author: Author) -> None:
    """Sleeps that are started together are all due at the same time."""
    run = author.body("await Promise.all(['10s', '10s', '10s'].map(sleep))").begin()

    assert {op.due for op in run.ops} == {BEGAN_AT + 10_000}


def test_metadata_tells_of_the_run(author: Author) -> None:
    """Id, name, start and address are known to workflow code."""
    run = author.body("return getWorkflowMetadata()").begin(run_id="wrun_7")
    found = run.value

    assert found["workflowRunId"] == "wrun_7"
    assert found["workflowName"] == "workflow//./flow.js//main"
    assert found["workflowStartedAt"].timestamp() * 1000 == BEGAN_AT
    assert found["url"] == "https://host.example"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("setTimeout", "await sleep"),
        ("setInterval", "await sleep"),
        ("setImmediate", "queueMicrotask"),
    ],
)
def test_absent_global_says_what_to_use(author: Author, name: str, advice: str) -> None:
    """Calling what a durable run cannot have names the durable way."""
    run = author.body(f"try {{ {name}(() => 1, 5) }} catch (error) {{ return error.message }}").begin()

    assert run.value.startswith(f"{name} is not available in workflow code")
    assert advice in run.value
