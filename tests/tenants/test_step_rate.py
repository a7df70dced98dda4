"""How many steps of a tenant begin in a while, whichever of its runs asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.engine.support import until
from tests.semantics.support import HOUR, MovableClock
from tests.tenants.application import app as application
from tests.tenants.application import done, fails, note, queued, queued_fails
from torpor import Quotas, RunHandle, Torpor
from torpor.engine.tenancy import Tenancy
from torpor.model.tenants import TenantInfo
from torpor.tenants import Tenant

SECONDS = 30
QUOTAS = Quotas(step_rate="2/h")
STEPS = """
import { fails, note, queued, queued_fails } from "steps";
import { start } from "workflow";
export async function inTurn(n) { "use workflow"; for (let i = 0; i < n; i++) await note(i); return n; }
export async function atOnce(n) {
  "use workflow";
  return (await Promise.all([...Array(n).keys()].map((i) => note(i)))).length;
}
export async function again(n) { "use workflow"; return await fails(n); }
export async function children(n) { "use workflow"; for (let i = 0; i < n; i++) await start(atOnce, [0]); return n; }
export async function elsewhere(n) {
  "use workflow";
  return (await Promise.all([...Array(n).keys()].map((i) => queued(i)))).length;
}
export async function elsewhereAgain(n) { "use workflow"; return await queued_fails(n); }
"""


@pytest.fixture
def clock() -> MovableClock:
    """Real time, which a test puts forward."""
    return MovableClock()


@pytest.fixture
async def app(clock: MovableClock) -> AsyncIterator[Torpor]:
    """The application with a worker; what its steps did before is forgotten."""
    done.clear()
    async with application.on("memory://", clock=clock) as opened, opened.worker():
        yield opened


@pytest.fixture
def acme(app: Torpor) -> Tenant:
    """A tenant whose steps have a rate."""
    return app.tenant("acme", quotas=QUOTAS, allow=[fails, note, queued, queued_fails])


async def start(tenant: Tenant, workflow: str, n: int) -> RunHandle:
    """Start a run that takes so many steps."""
    return await tenant.start(STEPS, [n], language="javascript", workflow=workflow)


async def step_waits(app: Torpor, count: int, *, begun: int) -> None:
    """Return once so many steps have begun, none is at work, and so many wait."""

    async def wait() -> bool:
        info = await app.queues.get("@acme:steps")
        return len(done) >= begun and (info.waiting, info.held) == (count, 0)

    await until(app, wait)
    assert len(done) == begun


async def test_steps_of_all_runs_share_the_rate(app: Torpor, acme: Tenant, clock: MovableClock) -> None:
    """Those beyond it wait until there is room again, and none is lost; others wait for nothing."""
    runs = [await start(acme, "atOnce", 3) for _ in range(2)]
    for begun in (2, 4):
        await step_waits(app, 6 - begun, begun=begun)
        if begun == 2:
            bolt = app.tenant("bolt", allow=[fails, note, queued, queued_fails])
            assert await (await start(bolt, "inTurn", 5)).result(timeout=SECONDS) == 5
            assert await (await app.start("victim")).result(timeout=SECONDS) == "ours"
            del done[2:]
        clock.put_forward(2 * HOUR)
    assert [await run.result(timeout=SECONDS) for run in runs] == [3, 3]
    assert sorted(done) == [0, 0, 1, 1, 2, 2]
    assert (await acme.info()).usage.steps == 6


async def test_a_rate_may_change_while_steps_wait(app: Torpor, acme: Tenant) -> None:
    """Once it is taken away, they begin."""
    run = await start(acme, "inTurn", 5)
    await step_waits(app, 1, begun=2)
    await app.tenant("acme", quotas=Quotas()).save()
    assert await run.result(timeout=SECONDS) == 5


async def test_attempts_and_starts_of_children_count(app: Torpor, acme: Tenant, clock: MovableClock) -> None:
    """They begin as steps do."""
    run = await start(acme, "again", 2)
    await step_waits(app, 1, begun=2)
    clock.put_forward(2 * HOUR)
    assert await run.result(timeout=SECONDS) == 3
    clock.put_forward(2 * HOUR)
    run = await start(acme, "children", 3)

    async def two_have_begun() -> bool:
        return (await acme.info()).usage.runs == 1 + 1 + 2

    await until(app, two_have_begun)
    await step_waits(app, 1, begun=3)
    assert await two_have_begun()
    clock.put_forward(2 * HOUR)
    assert await run.result(timeout=SECONDS) == 3


async def test_steps_with_a_queue_wait_for_the_rate_before_it(app: Torpor, acme: Tenant, clock: MovableClock) -> None:
    """So do their attempts; neither limit is passed, and what waits for the rate is in nobody's way in the queue."""
    await app.queues.set("ours", concurrency=1)
    run = await start(acme, "elsewhere", 4)
    await step_waits(app, 2, begun=2)
    assert (await app.queues.get("ours")).waiting == 0
    bolt = app.tenant("bolt", allow=[fails, note, queued, queued_fails])
    assert await (await start(bolt, "elsewhere", 5)).result(timeout=SECONDS) == 5
    del done[2:]
    clock.put_forward(2 * HOUR)
    assert await run.result(timeout=SECONDS) == 4
    done.clear()
    clock.put_forward(2 * HOUR)
    run = await start(acme, "elsewhereAgain", 2)
    await step_waits(app, 1, begun=2)
    clock.put_forward(2 * HOUR)
    assert await run.result(timeout=SECONDS) == 3


async def test_steps_with_a_queue_go_on_where_the_rate_is_gone(app: Torpor, acme: Tenant) -> None:
    """They wait in their queue alone, attempt after attempt."""
    run = await start(acme, "elsewhere", 4)
    await step_waits(app, 2, begun=2)
    await app.tenant("acme", quotas=Quotas()).save()
    assert await run.result(timeout=SECONDS) == 4
    assert await (await start(acme, "elsewhereAgain", 2)).result(timeout=SECONDS) == 3


async def test_the_rate_holds_when_a_worker_knows_many_tenants(
    app: Torpor, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have forgotten a tenant while its run is awake."""
    look = Tenancy.of

    async def of(self: Tenancy, run_id: str) -> TenantInfo | None:
        """Find others right after this one, more than are kept."""
        found = await look(self, run_id)
        self._known.clear()
        return found

    monkeypatch.setattr(Tenancy, "of", of)
    bolt = app.tenant("bolt", allow=[fails, note, queued, queued_fails])
    assert await (await start(bolt, "atOnce", 3)).result(timeout=SECONDS) == 3
    done.clear()
    await asyncio.gather(*(start(acme, "atOnce", 3) for _ in range(2)))
    await step_waits(app, 4, begun=2)
