"""Sleep, timers, the clock and randomness of a Python run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.guests.cpython.conftest import BEGAN_AT, SEED, Author
from torpor.errors import UsageError

MOMENT = datetime.fromtimestamp(BEGAN_AT / 1000, UTC)


@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("sleep(1.5)", 1500),
        ("sleep('1h 30m')", 5_400_000),
        ("sleep(timedelta(days=3))", 259_200_000),
        (f"sleep({MOMENT + timedelta(seconds=9)!r})", 9000),
        (f"sleep({(MOMENT + timedelta(seconds=9)).isoformat()!r})", 9000),
        ("asyncio.sleep(2)", 2000),
        ("asyncio.sleep(0.0001)", 1),
        ("asyncio.sleep(0.1 + 0.2)", 300),
    ],
)
def test_sleep_is_one_wait(author: Author, duration: str, ms: int) -> None:
    """However a duration is given, it is one wait of the host's with the right end."""
    run = author.body(f"await {duration}; return 1", before="import datetime\nfrom datetime import timedelta\n").begin()

    (op,) = run.ops
    assert (op.type, op.due) == ("wait", BEGAN_AT + ms)
    assert run.park().wake(1, ms).value == 1


@pytest.mark.parametrize(
    "duration",
    [
        "sleep(0)",
        "sleep(-1)",
        "sleep('-1h 30m')",
        "sleep(datetime.timedelta(-1))",
        f"sleep({MOMENT - timedelta(1)!r})",
        f"sleep({(MOMENT - timedelta(1)).isoformat()!r})",
        "asyncio.sleep(0)",
        "asyncio.sleep(-1)",
    ],
)
def test_nothing_to_wait_for(author: Author, duration: str) -> None:
    """A past or empty wait asks for nothing."""
    run = author.body(f"await {duration}; return 1", before="import datetime\n").begin()

    assert run.ops == []
    assert run.value == 1


@pytest.mark.parametrize(
    "duration",
    [
        "sleep('soon')",
        "sleep(float('nan'))",
        "sleep(datetime.datetime(2030, 1, 1))",
        "sleep('2030-01-01T00:00')",
        "sleep(None)",
    ],
)
def test_no_duration(author: Author, duration: str) -> None:
    """What is no time is refused where it is written; a datetime without zone too."""
    failure = author.body(f"await {duration}", before="import datetime\n").begin().failure

    assert isinstance(failure, UsageError)


@pytest.mark.parametrize("wait", ["sleep('1000000 years')", "asyncio.sleep(1e300)", "sleep(datetime.timedelta.max)"])
def test_a_very_long_sleep(author: Author, wait: str) -> None:
    """What no side could write is due at the last moment that all can."""
    (op,) = author.body(f"await {wait}", before="import datetime\n").begin().ops

    assert op.due == 2**53 - 1


def test_sleep_returns_its_result(author: Author) -> None:
    """asyncio.sleep has its second parameter."""
    assert author.body("return await asyncio.sleep(1, 'x')").begin().wake(1, 1000).value == "x"


def test_sleep_for_ever(author: Author) -> None:
    """An infinite sleep asks for nothing and never ends."""
    run = author.body("await asyncio.sleep(float('inf'))").begin()

    assert (run.ops, run.status) == ([], "pending")


def test_timeout_fires(author: Author) -> None:
    """A timeout is a durable timer."""
    run = author.body("""
        try:
            async with asyncio.timeout(60):
                await charge(1)
        except TimeoutError:
            return "too late"
    """).begin()
    assert [(op.type, op.due) for op in run.ops] == [("step", 0), ("wait", BEGAN_AT + 60_000)]

    assert run.park().wake(2, 60_000).value == "too late"


def test_wait_for_fires(author: Author) -> None:
    """wait_for is the same timer."""
    body = "try:\n    await asyncio.wait_for(charge(1), 5)\nexcept asyncio.TimeoutError:\n    return 'late'"

    assert author.body(body).begin().wake(2, 5000).value == "late"


def test_call_later_is_durable(author: Author) -> None:
    """call_later and call_at share one wait, and callbacks of one moment keep their order."""
    run = author.body("""
        loop, got, done = asyncio.get_running_loop(), [], asyncio.Event()
        loop.call_later(2, done.set)
        loop.call_at(loop.time() + 1, got.append, "b")
        loop.call_later(1, got.append, "c")
        loop.call_later(0, got.append, "a")
        await done.wait()
        return got
    """).begin()
    assert [op.due - BEGAN_AT for op in run.ops] == [1000]
    run.park().wake(1, 1000)
    assert [op.due - BEGAN_AT for op in run.ops] == [1000, 2000]

    assert run.park().wake(2, 1000).value == ["a", "b", "c"]


def test_ten_thousand_timeouts_are_one_wait(author: Author) -> None:
    """Timeouts that are cancelled in time leave neither waits nor timers behind."""
    run = author.body("""
        for _ in range(10_000):
            async with asyncio.timeout(3600):
                await asyncio.sleep(0)
        await charge(1)
        async with asyncio.timeout(3600):
            await charge(2)
        return len(asyncio.get_running_loop()._timers)
    """).begin()
    run.complete(1)

    assert [op.type for op in run.ops] == ["step", "step", "wait"]
    assert run.complete(2).value <= 101


def test_a_cancelled_timer_leaves_its_wait_for_the_next(author: Author) -> None:
    """A wait that ends earlier than the first timer is waited for, and then the timer's own is asked for."""
    run = author.body("""
        for seconds in (10, 20):
            try:
                async with asyncio.timeout(seconds):
                    await charge(seconds)
            except TimeoutError:
                return "timed out"
    """).begin()
    run.complete(1)
    assert [op.type for op in run.ops] == ["step", "wait", "step"]
    run.wake(2, 10_000)
    assert (run.ops[3].type, run.ops[3].due) == ("wait", BEGAN_AT + 20_001)

    assert run.wake(4, 10_000).value == "timed out"


def test_a_timeout_that_was_left_is_given_up(author: Author) -> None:
    """The host is told once, in the call that leaves it; an end that comes all the same is ignored."""
    run = author.body("""
        async with asyncio.timeout(60):
            await charge(1)
        return await hook("approval")
    """).begin()
    assert [(op.type, op.n) for op in run.ops] == [("step", 1), ("wait", 2)]
    assert run.last.left == []

    assert run.complete(1).last.left == [2]
    assert [op.type for op in run.ops] == ["step", "wait", "hook"]
    assert run.park().wake(2, 60_000).last.left == []
    assert run.receive("yes", op=3).value == "yes"


def test_a_sleep_that_was_cancelled_is_given_up(author: Author) -> None:
    """Alone of all that still sleep."""
    run = author.body("""
        first, second = (asyncio.create_task(sleep(hours * 3600)) for hours in (1, 2))
        await charge(1)
        second.cancel()
        await first
    """).begin()
    assert [(op.type, op.n) for op in run.ops] == [("step", 1), ("wait", 2), ("wait", 3)]

    assert run.complete(1).last.left == [3]
    assert run.wake(2, 3_600_000).value is None


def test_a_wait_is_kept_for_the_timers_that_are_left(author: Author) -> None:
    """One wait serves timeouts that follow one another; it is given up with the last of them."""
    run = author.body("""
        for number in (1, 2, 3):
            async with asyncio.timeout(60):
                await charge(number)
        await hook("approval")
    """).begin()

    assert [run.complete(op).last.left for op in (1, 3, 4)] == [[], [], [2]]
    assert [op.type for op in run.ops] == ["step", "wait", "step", "step", "hook"]


def test_a_run_that_ends_gives_nothing_up(author: Author) -> None:
    """Its end does."""
    run = author.body("async with asyncio.timeout(60):\n    await charge(1)\nreturn 5").begin()

    assert run.complete(1).value == 5
    assert run.last.left == []


def test_a_wait_that_was_ended_early_fires_its_timers(author: Author) -> None:
    """Who wakes a run early means the timers that it waits for."""
    body = (
        "try:\n    async with asyncio.timeout(60):\n        await charge(1)\nexcept TimeoutError:\n    return 'woken'"
    )

    assert author.body(body).begin().wake(2, 5).value == "woken"


def test_the_clock_is_the_runs(author: Author) -> None:
    """Every clock of Python tells the time of the event being delivered, in UTC."""
    read = "[time.time(), datetime.datetime.now(datetime.UTC).timestamp(), asyncio.get_running_loop().time()]"
    run = author.body(
        f"a, m = {read}, time.monotonic(); await charge(1); b = {read}; "
        "return [a, b, time.monotonic() - m, time.perf_counter() > 0, datetime.datetime.now().astimezone().tzname()]",
        before="import time, datetime\n",
    ).begin()
    run.now += 4999
    first, second, passed, *rest = run.park().complete(1).value

    assert first == [BEGAN_AT / 1000] * 3
    assert second == [BEGAN_AT / 1000 + 5] * 3
    assert passed == pytest.approx(5)
    assert rest == [True, "UTC"]


def test_the_clock_never_goes_back(author: Author) -> None:
    """An event with an earlier time does not turn the clock back."""
    run = author.body("await charge(1); await ship(2); return time.time()", before="import time\n").begin()
    run.now += 1000
    run.complete(1)
    run.now -= 500

    assert run.complete(2).value == BEGAN_AT / 1000 + 1.001


DRAW = "[random.random(), secrets.token_hex(8), str(uuid.uuid4()), os.urandom(8), random.SystemRandom().random()]"


def test_randomness_is_the_runs(author: Author) -> None:
    """The same seed gives the same values, another seed others, and a second draw others again."""
    run = author.body(f"a = {DRAW}; await charge(1); return [a, {DRAW}]", before="import os, random, secrets, uuid\n")
    image = run.image
    drawn = [author.run(image).begin(seed=seed).park().complete(1).value for seed in (SEED, SEED, bytes(32))]

    assert drawn[0] == drawn[1]
    flat = [value for pair in (drawn[0], drawn[2]) for draw in pair for value in draw]
    assert len(set(flat)) == len(flat)


def test_uuid1_does_not_look_for_a_network(author: Author) -> None:
    """uuid1 has no machine to ask and draws its node."""
    value = author.body("return str(uuid.uuid1())", before="import uuid\n").begin().value

    assert value[14] == "1"
