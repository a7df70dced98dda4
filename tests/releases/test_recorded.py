"""
Runs of every release, and of this version before an upgrade, go on wherever they were when their last worker died.

From 0.1.0 only logs are of use, because it did not keep its guest builds. What this version has recorded wakes from its
snapshots, in the guests that took them, also when nothing else is left of the logs.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from tests.engine.support import TIMEOUT
from tests.releases.record import GUESTS
from tests.semantics.support import DAY, MovableClock
from torpor import HookNotFoundError, RunCancelledError, RunFailedError, Torpor
from torpor.inspection.soundness import find_damage

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUNTIMES = ("snapshot", "replay")
in_each_runtime = pytest.mark.parametrize("runtime", RUNTIMES)


async def result(shop: Torpor, run_id: str) -> Any:
    """Return what a recorded run returns."""
    return await shop.run(run_id).result(timeout=TIMEOUT)


async def resume(shop: Torpor, token: str, *payloads: object) -> None:
    """Give a recorded run what it waits for, unless another test has done so in this process."""
    for payload in payloads:
        with suppress(HookNotFoundError):
            await shop.resume_hook(token, payload)


def put_forward(shop: Torpor, days: int) -> None:
    """Let days pass."""
    cast("MovableClock", shop.clock).put_forward(days * DAY)


async def test_nothing_is_taken_for_damaged(shop: Torpor) -> None:
    """What other versions stored makes sense, and agrees with itself."""
    assert await find_damage(shop.world, shop.keyring) == {}


@pytest.mark.parametrize("run_id", ["hold-snapshot", "hold-secret"])
async def test_sleeping_runs_are_forked(shop: Torpor, recording: tuple[str, Path], run_id: str) -> None:
    """At the present, with what they hold: by replay, or where the log is gone from their snapshots; they sleep on."""
    run, release = shop.run(run_id), recording[0]
    info = await run.info()
    assert not info.ended_at, "this test stands before those that let it go on"
    forked = await run.fork(at=-1)
    assert (await shop.world.get_run(forked.id)).key_id == info.key_id
    assert ((await shop.world.get_run(forked.id)).base > 0) == (release == "this-version-without-logs")
    [waits] = [each for each in (await forked.info()).waits_for if each.kind == "hook"]
    assert waits.name != run_id
    await shop.resume_hook(waits.name, {"paid": "by the heir"})
    found = await result(shop, forked.id)
    assert (found["payload"], found["cost"], found["bag"]) == ({"paid": "by the heir"}, 600, 5)
    assert (await run.info()).head == info.head


@pytest.mark.parametrize("run_id", ["sold-snapshot", "sold-replay", "sold-secret"])
async def test_runs_that_ended_are_forked(shop: Torpor, run_id: str) -> None:
    """From before their end, to the same end."""
    assert await (await shop.run(run_id).fork(at=-2)).result(timeout=TIMEOUT) == 301


@pytest.mark.parametrize("run_id", ["sold-snapshot", "sold-replay", "sold-secret"])
async def test_results_are_read(shop: Torpor, run_id: str) -> None:
    """A run that had ended tells what it returned."""
    assert await result(shop, run_id) == 301


@in_each_runtime
async def test_failures_are_read(shop: Torpor, runtime: str) -> None:
    """A run that had failed tells why."""
    with pytest.raises(RunFailedError, match="tea is out of stock"):
        await result(shop, f"never_sold-{runtime}")
    with pytest.raises(RunFailedError, match="the scale shows nothing"):
        await result(shop, f"badly_weighed-{runtime}")


async def test_cancellations_are_read(shop: Torpor) -> None:
    """A run that had been cancelled tells for what reason."""
    with pytest.raises(RunCancelledError, match="the customer thought better of it"):
        await result(shop, "cancelled")


async def test_an_unclaimed_run_begins(shop: Torpor) -> None:
    """A run that no worker had seen is carried out."""
    assert await result(shop, "never-claimed") == 601


@pytest.mark.parametrize("run_id", ["hold-snapshot", "hold-replay", "hold-secret"])
async def test_local_variables_are_as_they_were(shop: Torpor, run_id: str) -> None:
    """What a workflow held while it waited is there after the wait, whatever it is."""
    await resume(shop, run_id, {"paid": True})

    found = await result(shop, run_id)

    drawn = found.pop("drawn")
    (line,) = await shop.run(run_id).logs(after=0)
    assert json.loads(line.text.removeprefix("drawn ").replace("'", '"')) == drawn
    assert found.pop("payload") == {"paid": True}
    assert found.pop("basket") == ["Åsa", ["tea", "cup"], *(["LARGE"] if "total" in found else []), True, True]
    assert (found["cost"], found["counted"], found["big"]) == (600, [2, 2], str(2**70))
    assert (found["bag"], found["tags"]) == (5, ["x", "y"])


@in_each_runtime
async def test_a_token_that_was_taken_stays_so(shop: Torpor, runtime: str) -> None:
    """A run that met another's token goes on with the error that it got."""
    token = f"hold-{runtime}"
    await shop.resume_hook(f"{token}-instead", "thanks")

    assert await result(shop, f"too_late-{runtime}") == ["HookConflictError", token, "thanks"]


@pytest.mark.parametrize("run_id", ["mailbox-snapshot", "mailbox-secret"])
async def test_an_iterated_hook_goes_on(shop: Torpor, run_id: str) -> None:
    """A hook that had received payloads receives more."""
    await resume(shop, run_id, 8, None)

    assert await result(shop, run_id) == [5, 7, 9, 11]


async def test_a_payload_from_between_the_workers_arrives(shop: Torpor) -> None:
    """What a hook received while no worker lived is taken."""
    await shop.resume_hook("mailbox-replay", None)

    assert await result(shop, "mailbox-replay") == [5, 7, 9, 11]


@in_each_runtime
async def test_parents_hear_of_their_children(shop: Torpor, runtime: str) -> None:
    """A run that waits for its child gets the child's result."""
    for letter in (8, None):
        await shop.resume_hook(f"parent-{runtime}", letter)

    assert await result(shop, f"parent-{runtime}") == ["the child says", [5, 9]]


@in_each_runtime
async def test_steps_of_a_dead_worker_run_again(shop: Torpor, runtime: str) -> None:
    """A step that was handed over, and one that was not, get the next attempt."""
    assert await result(shop, f"parcel-{runtime}") == "attempt 2"
    assert await result(shop, f"caught-{runtime}") == "attempt 2"


@in_each_runtime
async def test_freed_tokens_are_free(shop: Torpor, runtime: str) -> None:
    """A run that has disposed of a hook, and made another with its token, receives through that one."""
    await shop.resume_hook(f"second_thoughts-{runtime}", "three")

    assert await result(shop, f"second_thoughts-{runtime}") == ["one", "two", "three"]


@in_each_runtime
async def test_long_logs_are_no_hindrance(shop: Torpor, runtime: str) -> None:
    """A run with two hundred events in its log goes on."""
    await resume(shop, f"long_story-{runtime}", "at last")

    assert await result(shop, f"long_story-{runtime}") == [1770, "at last", 1771]


@in_each_runtime
async def test_timers_and_retries_become_due(shop: Torpor, runtime: str) -> None:
    """Retries, sleeps and timeouts that were far away when they were recorded come when their time has come."""
    for name in ("one", "two"):
        await shop.resume_hook(f"crowd-{runtime}-{name}", 1)
    put_forward(shop, 150)

    assert await result(shop, f"patience-{runtime}") == 2

    put_forward(shop, 150)

    assert await result(shop, f"hibernate-{runtime}") == "slept after 2, then 4"
    assert await result(shop, f"crowd-{runtime}") == [22, "slept", 1]


async def test_runs_stay_in_the_guest_builds_that_they_are_asleep_in(shop: Torpor, recording: tuple[str, Path]) -> None:
    """A run whose build is kept goes on in it; one whose build is nowhere is carried over, and its log says so."""
    release, _ = recording
    installed = {shop.programs.guest(guest).build for guest in GUESTS}
    letters: dict[str, tuple[object, ...]] = {
        "hold-snapshot": ({"paid": True},),
        "long_story-snapshot": ("at last",),
        "mailbox-secret": (8, None),
        "hold-replay": ({"paid": True},),
    }
    for run_id, payloads in letters.items():
        await resume(shop, run_id, *payloads)
        await result(shop, run_id)
        run = await shop.world.get_run(run_id)
        notes = [line.text for line in await shop.run(run_id).logs() if line.n < 0]
        assert (run.build in installed) == (release == "0.1.0")
        assert [note.partition(" by ")[0] for note in notes] == (
            [f"carried over to guest build {run.build}"] if release == "0.1.0" else []
        )
