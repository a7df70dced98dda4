"""What a worker does for the schedules of its application."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.support import TIMEOUT, until
from tests.semantics.support import HOUR, MovableClock
from torpor import Client, Registry, SyncTorpor, Torpor
from torpor.codec.crypto.keys import generate, key_text
from torpor.errors import ConfigurationError, ScheduleNotFoundError, UsageError
from torpor.schedules import ScheduleInfo, Schedules
from torpor.worlds.memory.store import Store
from torpor.worlds.memory.world import MemoryWorld

DOUBLE = 'export async function double(n) {\n  "use workflow";\n  return 2 * n;\n}\n'
DELTA = timedelta(hours=1)
TREBLE = DOUBLE.replace("double", "treble").replace("2 * n", "3 * n")

Make = Callable[..., Torpor]


@pytest.fixture
def clock() -> MovableClock:
    """The world's clock."""
    return MovableClock()


@pytest.fixture
def make(tmp_path: Path, clock: MovableClock) -> Make:
    """Make applications that have workflows in JavaScript and share a world."""
    store = Store("memory://")

    def make(name: str | None = "shop", *, flows: str = DOUBLE, keys: str = "") -> Torpor:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "flows.js").write_text(flows)
        app = Torpor(MemoryWorld("memory://", clock, store), name=name, root=folder, keys=keys)
        app.workflows("flows.js")
        return app

    return make


async def told(app: Torpor, name: str, is_so: Callable[[ScheduleInfo], bool]) -> ScheduleInfo:
    """Return a schedule once it is so."""

    async def look() -> ScheduleInfo | None:
        info = await app.schedules.get(name)
        return info if is_so(info) else None

    found = await until(app, look)
    assert found is not None
    return found


async def test_what_is_declared_is_kept(make: Make) -> None:
    """A worker stores it; another one like it changes nothing; one that declares it otherwise changes it."""
    app = make()
    app.schedule("@daily", args=[1])("double")
    async with app, app.worker():
        [first] = await app.schedules.list()
        assert (first.name, first.declared, first.cron) == ("double", True, "@daily")
        await app.schedules.pause("double", "for now")
    again = make()
    again.schedule("@daily", args=[1])("double")
    async with again, again.worker():
        assert (await again.world.schedule("shop", "double")).version == 2
    other = make()
    other.schedule("@hourly", args=[2])("double")
    async with other, other.worker():
        [changed] = await other.schedules.list()
        assert (changed.cron, changed.paused, changed.note) == ("@hourly", True, "for now")


async def test_what_is_not_declared_any_more_is_deleted(make: Make) -> None:
    """What was made at run time stays, and what another application declares."""
    app, stranger, later = make(), make("other"), make()
    app.schedule(every="1h", args=[1])("double")
    stranger.schedule(every="1h", args=[1])("double")
    async with app, app.worker():
        await app.schedules.create("made", "double", 3, every="1h")
    async with stranger, stranger.worker():
        pass
    async with later, later.worker():
        assert [(info.app, info.name) for info in await Schedules(Client(later.world)).list()] == [
            ("other", "double"),
            ("shop", "made"),
        ]


async def test_applications_without_a_name_leave_each_others_schedules(make: Make) -> None:
    """One forgets what it does not declare any more of its own workflows, and nothing of those that it has not."""
    app, stranger, later = make(None), make(None, flows=TREBLE), make(None, flows=DOUBLE)
    assert app.name == ""
    app.schedule(every="1h", args=[1])("double")
    stranger.schedule(every="1h", args=[1])("treble")
    for each, left in ((app, ["double"]), (stranger, ["double", "treble"]), (later, ["treble"])):
        async with each, each.worker():
            assert [info.name for info in await Schedules(Client(each.world)).list()] == left


def test_schedules_and_queues_of_scripts(make: Make, clock: MovableClock) -> None:
    """What awaits elsewhere blocks here; runs are those of scripts."""
    with SyncTorpor(make(), worker=True) as torpor:
        made = torpor.schedules.create("nightly", "double", 4, every="1h")
        assert torpor.schedules.list() == [made]
        assert torpor.schedules.pause("nightly", "for now").note == "for now"
        assert torpor.schedules.get("nightly").paused
        assert not torpor.schedules.unpause("nightly").paused
        assert len(torpor.schedules.upcoming("nightly", 3)) == 3
        run = torpor.schedules.trigger("nightly")
        assert run is not None
        assert run.result(timeout=TIMEOUT) == 8
        now = datetime.fromtimestamp(clock.now() / 1000, UTC)
        assert [
            each.result(timeout=TIMEOUT) for each in torpor.schedules.backfill("nightly", now - 2 * DELTA, now)
        ] == [8, 8]
        torpor.schedules.delete("nightly")
        assert torpor.schedules.debounce("key", "double", 5, wait="1h").name == "debounce key"
        limited = torpor.queues.set("slow", concurrency=2)
        assert torpor.queues.list() == [limited] == [torpor.queues.get("slow")]
        torpor.queues.delete("slow")
        assert torpor.queues.list() == []


def test_a_declaration_that_makes_no_sense_is_refused(make: Make) -> None:
    """Where it stands."""
    app = make()
    for wrong, words in (
        ({"cron": "often"}, "no cron expression"),
        ({"every": "1h", "overlap": "wait"}, "overlap='wait' is unknown"),
        ({"every": "soon"}, "every='soon'"),
        ({"at": "1h"}, "is no moment"),
        ({"at": "2026-01-01"}, "at='2026-01-01'"),
        ({"every": "1h", "name": "a\nb"}, "no name of a schedule"),
        ({"every": "1h", "retries": 3}, "there is no option retries"),
    ):
        options: dict[str, Any] = wrong
        with pytest.raises(ConfigurationError, match=words):
            app.schedule(**options)("double")
    with pytest.raises(ConfigurationError, match=r"write @app\.schedule"):
        app.schedule("@daily")(test_a_declaration_that_makes_no_sense_is_refused)  # type: ignore[type-var]  # as tested


async def test_two_declarations_of_one_name_are_refused(make: Make) -> None:
    """When a worker begins, with the names."""
    app, registry = make(), Registry()
    app.schedule("@daily", args=[1])("double")
    registry.schedule("@hourly", args=[1])("double")
    app.include(registry)
    async with app:
        with pytest.raises(ConfigurationError, match="declared as 'double'; give each a name="):
            async with app.worker():
                pass


async def test_a_slot_waits_for_a_worker_that_has_the_workflow(make: Make, clock: MovableClock) -> None:
    """The schedule says why; when the workflow is deployed again its run is started, and nothing is wrong any more."""
    app = make(flows=DOUBLE + TREBLE)
    async with app, app.worker():
        made = await app.schedules.create("nightly", "treble", 4, every="1h")
    lacking = make()
    async with lacking, lacking.worker():
        clock.put_forward(HOUR)
        info = await told(lacking, "nightly", lambda info: bool(info.problem))
        assert "no deployment of application 'shop'" in info.problem
        assert "'treble'" in info.problem
        assert info.last_run == ""
    async with app, app.worker():
        info = await told(app, "nightly", lambda info: bool(info.last_run))
        assert (info.last_at, info.problem) == (made.next_at, "")
        assert await app.run(info.last_run).result(timeout=TIMEOUT) == 12


async def test_arguments_are_encrypted(make: Make, clock: MovableClock) -> None:
    """A worker without the key starts nothing and says so; one that has it does."""
    keys = key_text(generate())
    app = make(keys=keys)
    async with app:
        await app.schedules.create("secret", "double", 21, every="1h")
        stored = await app.world.schedule("shop", "secret")
    assert b"21" not in stored.arguments
    keyless = make()
    async with keyless, keyless.worker():
        clock.put_forward(HOUR)
        assert "KEYS" in (await told(keyless, "secret", lambda info: bool(info.problem))).problem
    async with app, app.worker():
        info = await told(app, "secret", lambda info: bool(info.last_run))
        assert (await app.world.get_run(info.last_run)).key_id == app.keyring.current
        assert await app.run(info.last_run).result(timeout=TIMEOUT) == 42


async def test_a_client_sees_the_schedules_of_all_applications(make: Make) -> None:
    """And has to say whose it means where two have the same name."""
    shop, other = make(), make("other")
    async with shop, other, shop.worker(), other.worker():
        await shop.schedules.create("nightly", "double", 1, every="1h")
        everybody = Schedules(Client(shop.world))
        assert (await everybody.get("nightly")).app == "shop"
        await other.schedules.create("nightly", "double", 1, every="1h")
        with pytest.raises(UsageError, match="'other', 'shop'"):
            await everybody.get("nightly")
        await Schedules(Client(shop.world, app="other")).delete("nightly")
        assert (await everybody.pause("nightly")).app == "shop"
        with pytest.raises(ScheduleNotFoundError):
            await everybody.get("weekly")


async def test_a_trigger_of_what_is_not_deployed_is_refused(make: Make) -> None:
    """With what is known."""
    app = make()
    async with app:
        await app.schedules.create("nightly", "double", 1, every="1h")
        with pytest.raises(UsageError, match="knows no workflow"):
            await app.schedules.trigger("nightly")
