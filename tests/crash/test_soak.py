"""A short round of the soak, and that its verdict sees what it is to see."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.crash.soak.fleet import NEXT_VERSION, Fleet
from tests.crash.soak.gateway import Gateway
from tests.crash.soak.place import Place
from tests.crash.soak.soak import soak
from tests.crash.soak.verdict import log_faults
from tests.crash.soak.worker import REFUSED
from torpor.http.tokens import make_token, store_token
from torpor.lifecycle import EventType
from torpor.model import Event, RunFilter
from torpor.worlds import open_world

STEP = "step_1"


@pytest.mark.timeout(600)
async def test_a_short_soak(tmp_path: Path) -> None:
    """Workers die, freeze and are robbed, clocks jump, a version is deployed; no run is lost, doubled or failed."""
    report = await soak(tmp_path, seed=5, rounds=1, seconds=8, runs=70, lease_ms=2_000, say=lambda _: None)
    assert report.faults == []
    assert report.runs == 70
    assert report.done["killed"] > 0
    assert report.done[NEXT_VERSION] > 0


@pytest.mark.timeout(600)
async def test_a_short_soak_on_a_database_server(tmp_path: Path) -> None:
    """The same, and the server's connections are cut, it stands still, restarts, crashes, and is replaced."""
    report = await soak(
        tmp_path, seed=3, rounds=1, seconds=8, runs=60, lease_ms=2_000, say=lambda _: None, world="postgres"
    )
    assert report.faults == []
    assert report.runs == 60
    assert any(kind.startswith("database") for kind in report.done), report.done


async def test_a_worker_that_ends_by_itself_is_a_fault(tmp_path: Path) -> None:
    """Only an end that the soak has seen to is none: its signals, and want at the beginning where it made want."""
    fleet = Fleet(Place(str(tmp_path), 2_000), 3)
    for number in fleet.numbers:
        await fleet.start(number)

    os.kill(fleet.pid(0), signal.SIGABRT)
    await fleet.gone(0)
    await fleet.kill(0)
    await fleet.terminate(1, 30)
    await fleet.kill(2)

    (fault,) = fleet.faults
    assert "ended by itself with -6" in fault


async def test_a_worker_that_cannot_come_to_work_is_a_fault_unless_it_was_robbed(tmp_path: Path) -> None:
    """It says so by its exit code, so that nothing else passes for it."""
    place = Place(str(tmp_path), 2_000)
    (tmp_path / "torpor.db").mkdir()
    fleet = Fleet(place, 2)
    for number in fleet.numbers:
        await fleet.start(number)
    fleet.rob_of_memory(1)()

    for number in fleet.numbers:
        await fleet.gone(number)
        await fleet.kill(number)

    (fault,) = fleet.faults
    assert f"{fleet.pid(0)} ended by itself with {REFUSED}" in fault
    assert "cannot come to work" in place.log.read_text()


async def test_what_is_cut_is_asked_for_again(tmp_path: Path) -> None:
    """The way to a world behind a URL is cut inside of requests and answers, and its server dies; all is answered."""
    place = Place(str(tmp_path), 2_000)
    world = open_world(place.url)
    await world.open()
    made = make_token(world.clock.now(), ("work",))
    await store_token(world, made.token)
    await world.close()
    gateway = Gateway(place, random.Random(1))
    async with gateway.open() as url:
        far = replace(place, server=url, token=made.text).world()
        await far.open()
        for count in (1, 150, 700):
            gateway.cut_within(count)
            assert await far.list_runs(RunFilter(limit=1)) == []
        await gateway.kill()
        waiting = asyncio.create_task(far.list_runs(RunFilter(limit=1)))
        await gateway.mend()
        assert await waiting == []
        await far.close()
    assert gateway.done["cut inside of a message"] >= 2


def event(kind: EventType, attempt: int = 0) -> Event:
    """Return an event of the step, or of the run."""
    return Event(kind, 5, STEP if kind.startswith("step") else "", name="step//./a.py//add", attempt=attempt)


def numbered(*events: Event) -> list[Event]:
    """Return a log of these events."""
    made = replace(event("step_created", 1), op=1, digest=b"digest")
    whole = [event("run_created"), event("run_started"), made, *events]
    return [replace(each, seq=n) for n, each in enumerate(whole, 1)]


SOUND = numbered(event("step_completed", 2), event("run_completed"))


def test_a_sound_log_has_no_faults() -> None:
    """Attempts that died are no faults either."""
    assert list(log_faults(SOUND, {STEP: [1, 2]}, whole=True)) == []


@pytest.mark.parametrize(
    ("log", "executed", "fault"),
    [
        ([*SOUND[:2], *SOUND[3:]], [1, 2], "is not dense"),
        ([replace(SOUND[0], at=9), *SOUND[1:]], [1, 2], "times go back"),
        (numbered(event("step_completed", 2)), [1, 2], "does not end once"),
        (numbered(event("run_completed"), event("run_completed")), [], "does not end once"),
        (
            numbered(event("step_completed", 1), event("step_completed", 1), event("run_completed")),
            [1],
            "more than once",
        ),
        (numbered(event("run_completed")), [1], "0 outcomes"),
        (SOUND, [1, 2, 2], "executed twice"),
        (SOUND, [1], "was not executed"),
        (SOUND, [1, 2, 3], "outcome is of 2"),
        ([*SOUND[:2], replace(SOUND[2], op=2), *SOUND[3:]], [1, 2], "its ops are"),
    ],
)
def test_each_fault_is_seen(log: list[Event], executed: list[int], fault: str) -> None:
    """A soak that could not fail would prove nothing."""
    assert fault in "; ".join(log_faults(log, {STEP: executed}, whole=True))
