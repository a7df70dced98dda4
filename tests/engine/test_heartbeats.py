"""What an attempt tells of itself: that it is alive, and how far it is."""

from __future__ import annotations

import asyncio

import pytest

from torpor.codec import loads
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine.attempts import Attempt
from torpor.engine.heartbeats import WRITE_MS, Heartbeats
from torpor.engine.metadata import StepMetadata
from torpor.errors import HeartbeatTimeoutError, LeaseLostError, LimitExceededError, SerializationError, WorldError
from torpor.limits import PROGRESS_BYTES_MAX
from torpor.testing.clock import ManualClock


class Kept:
    """Where progress goes."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.failing: list[Exception] = []

    async def keep(self, run_id: str, step_id: str, attempt: int, progress: bytes) -> None:
        """Take it, unless that fails."""
        assert (run_id, step_id, attempt) == ("wrun_1", "step_1", 2)
        if self.failing:
            raise self.failing.pop()
        self.told.append(loads(progress))


@pytest.fixture
def kept() -> Kept:
    """Return a place for progress."""
    return Kept()


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock()


def heartbeats(kept: Kept, clock: ManualClock, before: object = None) -> tuple[Heartbeats, StepMetadata]:
    """Return an attempt's heartbeats, and what the step has of them."""
    progress = None if before is None else PLAIN.dumps(before)
    beats = Heartbeats(Attempt("wrun_1", "step_1", 1, "pay", 2, 1, b"", PLAIN, progress=progress), kept.keep, clock)
    return beats, StepMetadata(step_id="step_1", name="pay", run_id="wrun_1", attempt=2, started_at=0, beats=beats)


async def settled() -> None:
    """Let everything happen that is ready to."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_is_stored_at_once_and_then_the_newest_of_a_second(kept: Kept, clock: ManualClock) -> None:
    """However often it is told."""
    _, step = heartbeats(kept, clock)
    for n in range(5):
        step.heartbeat(n)
        await settled()
    assert kept.told == [0]
    assert step.progress == 4
    clock.advance(WRITE_MS)
    await settled()
    assert kept.told == [0, 4]
    step.heartbeat(5)
    await settled()
    assert kept.told == [0, 4]
    clock.advance(WRITE_MS)
    await settled()
    assert kept.told == [0, 4, 5]


async def test_a_failure_is_told_behind_the_newest_progress(kept: Kept, clock: ManualClock) -> None:
    """So the next attempt has it; one that ends well takes it with it."""
    for failed, told in ((True, ["a", "c"]), (False, ["a"])):
        kept.told.clear()
        beats, step = heartbeats(kept, clock)
        step.heartbeat("a")
        await settled()
        step.heartbeat("b")
        step.heartbeat("c")
        await beats.finish(failed=failed)
        assert kept.told == told


async def test_what_was_told_before_is_there(kept: Kept, clock: ManualClock) -> None:
    """And a heartbeat without progress leaves it, and stores nothing."""
    _, step = heartbeats(kept, clock, {"cursor": 7})
    step.heartbeat()
    await settled()
    assert step.progress == {"cursor": 7}
    assert kept.told == []


async def test_it_may_be_told_in_a_thread(kept: Kept, clock: ManualClock) -> None:
    """``def`` steps run in one."""
    _, step = heartbeats(kept, clock)
    await asyncio.to_thread(step.heartbeat, "there")
    await settled()
    assert kept.told == ["there"]


async def test_what_cannot_be_kept_is_refused(kept: Kept, clock: ManualClock) -> None:
    """Where it is told."""
    _, step = heartbeats(kept, clock)
    with pytest.raises(LimitExceededError, match=f"up to {PROGRESS_BYTES_MAX} are kept"):
        step.heartbeat([f"{n:>9}{n * n}" for n in range(PROGRESS_BYTES_MAX)])
    with pytest.raises(SerializationError, match="the progress of step pay"):
        step.heartbeat(object())
    with pytest.raises(TypeError, match="one value at most"):
        step.heartbeat(1, 2)
    await settled()
    assert kept.told == []


async def test_a_world_that_fails_is_told_with_the_next_second(kept: Kept, clock: ManualClock) -> None:
    """It is no matter of the step's."""
    _, step = heartbeats(kept, clock)
    kept.failing = [WorldError("disk full")]
    step.heartbeat("a")
    await settled()
    assert kept.told == []
    clock.advance(WRITE_MS)
    await settled()
    assert kept.told == ["a"]


async def test_an_attempt_that_is_over_stores_nothing_more(kept: Kept, clock: ManualClock) -> None:
    """The world says so, or the worker."""
    beats, step = heartbeats(kept, clock)
    kept.failing = [LeaseLostError("over")]
    step.heartbeat("a")
    await settled()
    clock.advance(WRITE_MS)
    step.heartbeat("b")
    await settled()
    await beats.finish(failed=True)
    step.heartbeat("c")
    await settled()
    assert kept.told == []


async def test_silence_ends_what_is_watched(kept: Kept, clock: ManualClock) -> None:
    """Each heartbeat gives it the whole time again."""
    beats, _ = heartbeats(kept, clock)
    with pytest.raises(HeartbeatTimeoutError, match=r"step pay was silent .* heartbeat of 0\.001 s \(attempt 2\)"):
        async with beats.watched(0.001):
            await asyncio.Event().wait()


async def test_a_heartbeat_puts_the_end_off(kept: Kept, clock: ManualClock) -> None:
    """By the time that is allowed, from then on."""
    beats, step = heartbeats(kept, clock)
    async with beats.watched(3_600):
        loop = asyncio.get_running_loop()
        before = beats.silent_until
        step.heartbeat()
        await settled()
        assert before is not None
        assert before <= (beats.silent_until or 0) <= loop.time() + 3_600
    assert beats.silent_until is None


async def test_other_timeouts_are_the_steps_own(kept: Kept, clock: ManualClock) -> None:
    """Such as one that it meets inside."""
    beats, _ = heartbeats(kept, clock)
    with pytest.raises(TimeoutError, match="the bank") as caught:
        async with beats.watched(3_600):
            raise TimeoutError("the bank")
    assert type(caught.value) is TimeoutError
