"""What a testbed does to an application: time, substitutes, waits, deaths."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest

from tests.engine.support import TIMEOUT
from tests.testing.application import Order, app, buy, nap, naps, note, parent, pay, reads
from torpor import RunFailedError, UsageError
from torpor.engine.failpoints import Failpoint
from torpor.errors import WaitTimeoutError
from torpor.model import Runtime
from torpor.testing import Testbed

DAY = timedelta(days=1)


@pytest.mark.parametrize("runtime", ["snapshot", "replay"])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_time_jumps_to_the_next_timer(runtime: Runtime, store: str, tmp_path: Path) -> None:
    """Runs that sleep for long end at once, each at its own time, whatever the world and the runtime."""
    world = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/t.db"
    async with Testbed(app, world=world, runtime=runtime, now=datetime(2026, 1, 1, tzinfo=UTC)) as torpor:
        long, short = await torpor.start(nap, "somebody"), await torpor.start(naps, 3)
        assert await short.result() == 3
        assert torpor.now() == datetime(2026, 1, 4, tzinfo=UTC)
        assert await long.result() == "somebody slept"
        assert torpor.now() == datetime(2026, 1, 31, tzinfo=UTC)


async def test_time_stands_still_while_the_test_acts() -> None:
    """A timer that is not due yet never overtakes what the test does."""
    async with Testbed(app) as torpor:
        run = await torpor.start(buy, "o-1")
        await run.waiting_for(hook="approve-o-1")
        before = torpor.now()
        for _ in range(100):
            await asyncio.sleep(0)
        assert torpor.now() == before
        await torpor.resume_hook("approve-o-1", "somebody")
        assert await run.result() == "noted really paid 42, approved by somebody"
        assert torpor.now() == before


async def test_time_runs_out_where_the_test_waits() -> None:
    """Nobody approves, and the timeout of the workflow comes."""
    async with Testbed(app) as torpor:
        began = torpor.now()
        run = await torpor.start(buy, "o-1")
        assert await run.result() == "noted really paid 42, approved by nobody"
        assert torpor.now() - began == DAY


async def test_skip_lets_happen_what_is_due() -> None:
    """After two and a half days a run that sleeps day by day waits for its third morning."""
    async with Testbed(app) as torpor:
        began = torpor.now()
        run = await torpor.start(naps, 5)
        await torpor.skip("2.5d")
        assert torpor.now() - began == 2.5 * DAY
        awaited = await run.waiting_for(sleep=began + 3 * DAY)
        assert awaited.due == round((began + 3 * DAY).timestamp() * 1000)


async def test_a_run_waits_for_a_message() -> None:
    """Which is told by its mailbox."""
    async with Testbed(app) as torpor:
        run = await torpor.start(reads)
        assert (await run.waiting_for(message="letter")).name == "letter"
        await run.send("letter", "dear")
        assert await run.result() == "read dear"


async def test_a_step_that_waits_for_a_run_does_not_stop_time() -> None:
    """Its run sleeps for a month, and the step is all that runs."""
    async with Testbed(app) as torpor:
        assert await (await torpor.start(parent)).result() == "a child slept"


async def test_a_plain_handle_lets_time_pass_too() -> None:
    """Handles that the application gives are those of the test."""
    async with Testbed(app):
        assert await (await app.start(nap, "I")).result() == "I slept"


async def test_the_application_is_what_it_was_afterwards() -> None:
    """World, clock, client and steps are restored, also after a test that failed."""
    before = dict(vars(app))

    async def fail() -> None:
        async with Testbed(app) as torpor:
            torpor.replace(pay, Mock())
            assert app.world is not before["world"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert vars(app) == before
    definition = app.names.step("step//./application.py//pay")
    assert definition is not None
    assert definition.function is pay


@pytest.mark.parametrize(
    "fake",
    [
        pytest.param(lambda order: f"fake {order.cents}", id="function"),
        pytest.param(AsyncMock(side_effect=lambda order: f"fake {order.cents}"), id="async mock"),
        pytest.param(Mock(side_effect=lambda order: f"fake {order.cents}"), id="mock"),
    ],
)
@pytest.mark.parametrize("step", [pay, "pay", "step//./application.py//pay"])
async def test_a_fake_stands_in_for_a_step(fake: Mock, step: object) -> None:
    """Given by function, short name or full name, it gets what the step's annotations say."""
    async with Testbed(app) as torpor:
        substitute = torpor.replace(step, fake)
        run = await torpor.start(buy, "o-1")
        assert await run.result() == "noted fake 42, approved by nobody"
        assert substitute.calls == [((Order("o-1", 42),), {})]


async def test_an_async_fake_is_awaited_and_a_block_ends_it() -> None:
    """Outside the block the step is the real one again."""

    async def fake(order: Order) -> str:
        return f"awaited {order.id}"

    async with Testbed(app) as torpor:
        with torpor.replace(pay, fake):
            assert "awaited o-1" in str(await (await torpor.start(buy, "o-1")).result())
        assert "really paid" in str(await (await torpor.start(buy, "o-2")).result())


async def test_errors_of_a_fake_are_retried_as_the_step_says() -> None:
    """`pay` is tried three times, with pauses that are skipped, and fails with the fake's error."""
    async with Testbed(app) as torpor:
        fake = torpor.replace(pay, Mock(side_effect=ConnectionError("bank is down")))
        run = await torpor.start(buy, "o-1")
        with pytest.raises(RunFailedError, match="failed after 3 attempts: ConnectionError: bank is down"):
            await run.result()
        assert len(fake.calls) == 3


async def test_the_first_attempts_fail() -> None:
    """And the one after them does what the step does."""
    async with Testbed(app) as torpor:
        failing = torpor.fail(note, 2, ValueError("full"))
        run = await torpor.start(buy, "o-1")
        assert "really paid" in str(await run.result())
        assert len(failing.calls) == 3


async def test_a_slow_step_meets_its_timeout() -> None:
    """An hour is more than ten seconds, nine seconds are not; neither takes any time."""
    async with Testbed(app) as torpor:
        began = torpor.now()
        with torpor.slow(pay, "1h"):
            run = await torpor.start(buy, "o-1")
            with pytest.raises(RunFailedError, match="longer than its timeout of 10 s"):
                await run.result()
        assert torpor.now() - began >= timedelta(seconds=30)
        torpor.slow(pay, "9s")
        assert "really paid" in str(await (await torpor.start(buy, "o-2")).result())


async def test_a_held_step_waits_for_the_test() -> None:
    """The run stands in it until the test lets it go on; time does not pass meanwhile."""
    async with Testbed(app) as torpor:
        began = torpor.now()
        gate = torpor.hold(pay)
        run = await torpor.start(buy, "o-1")
        awaited = await run.waiting_for(step=pay)
        assert (awaited.name, awaited.status) == ("pay", "running")
        gate.release()
        await run.waiting_for(hook=True)
        assert torpor.now() == began


async def test_time_passes_a_held_step_by() -> None:
    """What a test waits for beside it comes."""
    async with Testbed(app) as torpor:
        torpor.hold(pay)
        bought, slept = await torpor.start(buy, "o-1"), await torpor.start(nap, "I")
        assert await slept.result() == "I slept"
        assert await bought.status() == "running"


@pytest.mark.parametrize("step", ["charge", len, "step//./other.py//pay"])
async def test_what_is_no_step_is_told(step: object) -> None:
    """The message lists the steps that there are."""
    async with Testbed(app) as torpor:
        with pytest.raises(UsageError, match="is no step of the application; it has: nap_in_a_child, note, pay"):
            torpor.replace(step, lambda: None)


async def test_what_cannot_be_called_stands_in_for_nothing() -> None:
    """A value instead of a function is refused at once."""
    async with Testbed(app) as torpor:
        with pytest.raises(UsageError, match="'paid' cannot be called"):
            torpor.replace(pay, "paid")  # type: ignore[arg-type]


async def test_waiting_for_a_sleep_by_its_length() -> None:
    """A timer of another length is passed by."""
    async with Testbed(app) as torpor:
        run = await torpor.start(nap, "I")
        await run.waiting_for(sleep="30d")
        with pytest.raises(WaitTimeoutError, match="did not wait for sleep 1d before it ended"):
            await run.waiting_for(sleep="1d")


async def test_a_wait_in_vain_says_where_the_run_stands() -> None:
    """The message has the timeline, and the stack with its variables."""
    async with Testbed(app) as torpor:
        torpor.hold(note)
        run = await torpor.start(buy, "o-1")
        with pytest.raises(WaitTimeoutError) as caught:
            await run.waiting_for(hook="approve-o-2", timeout=0.2)
    told = str(caught.value)
    assert "it does not wait for hook approve-o-2, 0.2 s after" in told
    assert "waits for step note, running" in told
    assert "answer = 'nobody'" in told


async def test_a_result_in_vain_says_where_the_run_stands() -> None:
    """The same for a run that does not end."""
    async with Testbed(app, timeout=0.2) as torpor:
        torpor.hold(pay)
        with pytest.raises(WaitTimeoutError, match=r"it has not ended, 0\.2 s after(.|\n)*step pay, running"):
            await (await torpor.start(buy, "o-1")).result()


@pytest.mark.parametrize("asked", [{}, {"hook": True, "sleep": True}])
async def test_one_thing_is_waited_for(asked: dict[str, bool]) -> None:
    """Nothing and several things are refused."""
    async with Testbed(app) as torpor:
        with pytest.raises(UsageError, match="takes one of hook=, sleep=, step= and message="):
            await (await torpor.start(nap, "I")).waiting_for(**asked)


async def test_where_a_run_stands_can_be_asserted() -> None:
    """What it waits for, its variables, and what its snapshot takes."""
    async with Testbed(app) as torpor:
        run = await torpor.start(buy, "o-1")
        await run.waiting_for(hook=True)
        standing = await run.standing()
        assert [each.kind for each in standing.waits_for] == ["hook", "timer"]
        assert standing.locals["receipt"] == "'really paid 42'"
        assert 0 < standing.snapshot_bytes < 20_000


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("point", list(Failpoint))
async def test_a_worker_dies_at_a_point(point: Failpoint, store: str, tmp_path: Path) -> None:
    """Another one takes over, and the run ends as if nothing had been; SQLite is written on threads of VMs too."""
    world = "memory://" if store == "memory" else f"sqlite:///{tmp_path}/t.db"
    async with Testbed(app, world=world) as torpor:
        dead = torpor.kill_worker_at(point)
        gate = torpor.hold(note)  # it is handed over, so that its outcome is stored on its own
        run = await torpor.start(buy, "o-1")
        await run.waiting_for(step=note)
        await torpor.skip(0)  # until it is a task
        gate.release()
        assert await run.result() == "noted really paid 42, approved by nobody"
        async with asyncio.timeout(TIMEOUT):
            while not dead.died:  # noqa: ASYNC110  # who waits for the run may hear of its end before the worker does
                await asyncio.sleep(0)


async def test_a_killed_worker_leaves_its_step_to_the_next() -> None:
    """The step is begun a second time, by the worker that took over."""
    async with Testbed(app) as torpor:
        gate = torpor.hold(pay)
        run = await torpor.start(buy, "o-1")
        await run.waiting_for(step=pay)
        await torpor.kill_worker()
        gate.release()
        assert "really paid" in str(await run.result())
        assert len(gate.calls) == 2


async def test_an_unknown_point_is_told() -> None:
    """With those that there are."""
    async with Testbed(app) as torpor:
        with pytest.raises(UsageError, match="no point 'at noon'; it has 'after claim', "):
            torpor.kill_worker_at("at noon")


async def test_a_testbed_that_is_not_open_says_so() -> None:
    """Before and after its block."""
    bed = Testbed(app)
    with pytest.raises(UsageError, match="this testbed is not open"):
        bed.run("wrun_1")


def test_a_naive_time_is_refused() -> None:
    """Without a zone nobody knows which moment is meant."""
    with pytest.raises(UsageError, match="aware datetime"):
        Testbed(app, now=datetime(2026, 1, 1))  # noqa: DTZ001  # that is the mistake
