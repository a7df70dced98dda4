"""These tests run the real workflow, in time that skips: `pytest`."""

from app import charge, checkout
from torpor.testing import Testbed


async def test_an_approved_order_is_shipped(torpor: Testbed) -> None:
    charged = torpor.replace(charge, lambda order, cents: f"receipt of {order}")

    run = await torpor.start(checkout, "o-1", 4200)
    await run.waiting_for(hook="approve:o-1")
    await torpor.resume_hook("approve:o-1", "yes")

    assert await run.result() == "receipt of o-1"
    assert len(charged.calls) == 1


async def test_an_order_that_nobody_approves_ends_after_three_days(torpor: Testbed) -> None:
    run = await torpor.start(checkout, "o-2", 4200)
    assert await run.result() == "o-2 was not approved in three days"
