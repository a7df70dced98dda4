"""What a worker holds of steps is bounded in sum, whatever each of them returns."""

from __future__ import annotations

import asyncio

import pytest

from tests.engine.application import app as application
from tests.engine.steps import text_of_size
from tests.engine.support import TIMEOUT
from torpor import codec, limits
from torpor.codec.crypto.keys import Keyring
from torpor.engine.attempts import Attempt
from torpor.engine.holding import Holding, Outcomes
from torpor.model import Event, Runtime

KIB = 1024
LARGE = 300 * KIB
SIZE = 800 * KIB


def attempt(name: str = "step", input_bytes: int = 0) -> Attempt:
    """Return an attempt of a step with an input of so many bytes."""
    run_codec = Keyring().run("wrun_1", "")
    return Attempt("wrun_1", "step_1", 1, name, attempt=1, failures=0, input=bytes(input_bytes), run_codec=run_codec)


def outcome(step_id: str = "step_1", size: int = LARGE, name: str = "step") -> Event:
    """Return the outcome of a step that returned so many bytes."""
    return Event("step_completed", 0, step_id, name=name, payload=bytes(size))


@pytest.fixture
def rooms() -> list[str]:
    """Return, filled as it goes, an entry for each time that there was room again."""
    return []


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch, rooms: list[str]) -> Holding:
    """A holding that has room for four large outcomes."""
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 4 * LARGE)
    return Holding(lambda: rooms.append("room"))


def test_any_number_of_steps_may_start_while_none_returned_much(holding: Holding) -> None:
    """What each of them holds then is little."""
    holding.learn(outcome(size=10))

    assert holding.room is None


async def test_what_is_small_counts_for_nothing(holding: Holding) -> None:
    """It is as little as what Python keeps around it, and nearly every step's is."""
    small = limits.HELD_BYTES_MIN - 1
    outcomes = Outcomes(holding)

    async with holding.attempt(attempt(input_bytes=small)):
        outcomes.add(outcome(size=small))
        assert holding.bytes == 0

    async with holding.attempt(attempt(input_bytes=small + 1)):
        outcomes.add(outcome("step_2", size=small + 1))
        assert holding.bytes == 2 * limits.HELD_BYTES_MIN
    assert holding.bytes == limits.HELD_BYTES_MIN

    outcomes.keep([])
    assert holding.bytes == 0


def test_no_step_may_start_once_nothing_more_may_be_held(holding: Holding, rooms: list[str]) -> None:
    """Whoever waits for room hears of it when something was stored."""
    outcomes = Outcomes(holding)
    for number in range(4):
        outcomes.add(outcome(f"step_{number}"))
    assert holding.room == 0

    outcomes.keep([outcome("step_3")])

    assert holding.bytes == LARGE
    assert rooms == ["room"]


def test_there_is_room_for_as_many_as_would_return_what_one_returned_before(holding: Holding) -> None:
    """The largest is what counts, because nobody knows which will be claimed."""
    holding.learn(outcome(size=2 * LARGE))
    holding.learn(outcome(name="another"))

    assert holding.room == 2


def test_what_a_step_once_returned_counts_for_less_and_less(holding: Holding) -> None:
    """One large result does not slow it down for ever."""
    holding.learn(outcome(size=4 * LARGE))
    for _ in range(4):
        holding.learn(outcome(size=10))

    assert holding.room is None


async def test_a_step_starts_when_there_is_room_for_what_it_returned_before(holding: Holding) -> None:
    """One of another name does not wait."""
    holding.learn(outcome(size=3 * LARGE))
    begun = asyncio.Event()

    async def begin() -> None:
        async with holding.attempt(attempt()):
            begun.set()

    async with holding.attempt(attempt()):
        second = asyncio.create_task(begin())
        async with holding.attempt(attempt("another")):
            assert holding.bytes == 3 * LARGE
        assert not begun.is_set()
    await second

    assert begun.is_set()
    assert holding.bytes == 0


async def test_steps_whose_arguments_take_all_room_start_one_after_another(holding: Holding) -> None:
    """Nothing would ever get better if they waited for one another."""
    holding.learn(outcome(size=4 * LARGE))

    async def one() -> None:
        async with holding.attempt(attempt(input_bytes=2 * LARGE)):
            await asyncio.sleep(0)

    async with asyncio.timeout(TIMEOUT):
        await asyncio.gather(*(one() for _ in range(3)))

    assert holding.bytes == 0


async def test_an_attempt_that_is_cancelled_while_it_waits_holds_nothing(holding: Holding) -> None:
    """Its arguments go with it."""
    holding.learn(outcome(size=4 * LARGE))
    async with holding.attempt(attempt()):

        async def one() -> None:
            async with holding.attempt(attempt(input_bytes=10)):
                pass

        waiting = asyncio.create_task(one())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert holding.bytes == 4 * LARGE


async def test_runs_with_large_results_end_though_few_of_these_may_be_held(
    url: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once their size is known, no more steps start than there is room for; the others wait as tasks."""
    packed = len(codec.dumps(text_of_size(SIZE)))
    monkeypatch.setattr(limits, "HELD_BYTES_MAX", 3 * packed)
    held: list[int] = []
    hold = Holding.hold

    def noted(holding: Holding, event: Event) -> None:
        hold(holding, event)
        held.append(holding.bytes)

    monkeypatch.setattr(Holding, "hold", noted)
    async with application.on(url, runtime=runtime) as app, app.worker():
        first = await app.start("lengthsOf", 1, SIZE)
        assert await first.result(timeout=TIMEOUT) == SIZE
        runs = [await app.start("lengthsOf", 4, SIZE) for _ in range(3)]
        assert await asyncio.gather(*(run.result(timeout=TIMEOUT) for run in runs)) == [4 * SIZE] * 3
    assert packed > limits.OFF_LOOP_BYTES
    assert 2 * packed <= max(held) < 4 * packed
