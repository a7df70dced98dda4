"""Deployments: what workers bring, for whoever has no code."""

from __future__ import annotations

from msgspec.structs import replace

from torpor.limits import DEPLOYMENTS_KEPT
from torpor.model import DeployedWorkflow, Deployment
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import WORKER, T, worker_row
from torpor.testing.worlds.suite import MakeWorld, Suite, opened
from torpor.world import World

SHOP = Deployment(
    "d1",
    "shop",
    {"app.checkout": DeployedWorkflow("5f" * 32, "cpython", "b1", "(cart: Cart)"), "ä": DeployedWorkflow("", "", "")},
    {"app.pay": "(n: int = 1)", "app.refund": ""},
)


class DeploymentsSuite(Suite):
    """The ``Deployments`` protocol."""

    async def test_a_deployment_comes_back(self, world: World) -> None:
        """With all that was said of it, and the world's time."""
        assert await world.deployments() == []
        await world.put_deployment(SHOP)
        assert await world.deployments() == [replace(SHOP, created_at=T)]

    async def test_deployments_are_listed_newest_first(self, world: World, clock: ManualClock) -> None:
        """Of one application, or of all."""
        for n, app in enumerate(("shop", "", "shop")):
            await world.put_deployment(Deployment(f"d{n}", app))
            clock.advance(1)
        assert [found.id for found in await world.deployments()] == ["d2", "d1", "d0"]
        assert [found.id for found in await world.deployments("shop")] == ["d2", "d0"]
        assert [found.id for found in await world.deployments("")] == ["d1"]
        assert await world.deployments("sho") == []

    async def test_storing_a_deployment_again_makes_it_the_newest(self, world: World, clock: ManualClock) -> None:
        """It keeps the time of its first storing, and there is one of it."""
        await world.put_deployment(SHOP)
        clock.advance(1)
        await world.put_deployment(Deployment("d2", "shop"))
        clock.advance(1)
        await world.put_deployment(SHOP)
        assert [(found.id, found.created_at) for found in await world.deployments("shop")] == [("d1", T), ("d2", T + 1)]

    async def test_clocks_do_not_decide_which_is_the_newest(self, world: World, clock: ManualClock) -> None:
        """The order of storing does, whatever the time was set to."""
        await world.put_deployment(SHOP)
        clock.jump(-1000)
        await world.put_deployment(Deployment("d2", "shop"))
        assert [found.id for found in await world.deployments()] == ["d2", "d1"]

    async def test_the_oldest_deployments_of_an_application_are_forgotten(self, world: World) -> None:
        """A bounded number stays; other applications have theirs."""
        await world.put_deployment(Deployment("other", ""))
        for n in range(DEPLOYMENTS_KEPT + 2):
            await world.put_deployment(Deployment(f"d{n}", "shop"))
        await world.put_deployment(Deployment("d2", "shop"))
        found = [found.id for found in await world.deployments("shop")]
        assert found == ["d2", *(f"d{n}" for n in range(DEPLOYMENTS_KEPT + 1, 2, -1))]
        assert [found.id for found in await world.deployments("")] == ["other"]

    async def test_what_a_worker_brings_is_kept(self, world: World) -> None:
        """For as long as it has a row."""
        await world.put_deployment(SHOP)
        await world.register(worker_row())
        for n in range(2, DEPLOYMENTS_KEPT + 3):
            await world.put_deployment(Deployment(f"d{n}", "shop"))
        assert (await world.deployments("shop"))[-1].id == worker_row().deployment == SHOP.id
        await world.release([WORKER])
        await world.put_deployment(Deployment("last", "shop"))
        assert SHOP.id not in [found.id for found in await world.deployments("shop")]

    async def test_others_see_it(self, world: World, make_world: MakeWorld) -> None:
        """Through another world on the same store."""
        await world.put_deployment(SHOP)
        async with opened(make_world()) as other:
            assert [found.id for found in await other.deployments("shop")] == ["d1"]
