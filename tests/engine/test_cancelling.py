"""Cancelling runs of old guest builds, encrypted ones, and steps that other workers carry out."""

from __future__ import annotations

import msgspec
import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, until
from tests.releases.upgrades import installed
from torpor import Client, RunHandle, Torpor, WorkerSettings
from torpor.codec.crypto.keys import Keyring, generate
from torpor.errors import KeyMissingError, RunCancelledError
from torpor.guests.quickjs import QuickJS
from torpor.guests.quickjs.manifest import JavaScriptManifest
from torpor.model import Event
from torpor.vm.manifest import FileEntry, StoredBuild, manifest_bytes

KEYS = Keyring([generate()])


def deaf() -> QuickJS:
    """Return the guest as it was before it could be told of a cancellation."""
    guest = QuickJS()
    manifest = msgspec.json.decode(guest.manifest, type=JavaScriptManifest)
    older = manifest_bytes(msgspec.structs.replace(manifest, hears=[]))

    def fetch(entry: FileEntry) -> bytes:
        raise AssertionError(f"{entry.sha256} is installed")

    return QuickJS(stored=StoredBuild(older, fetch, guest))


async def asleep(app: Torpor, run: RunHandle) -> None:
    """Return once a run sleeps at its hook."""

    async def sleeps() -> bool:
        return not (await app.world.get_run(run.id)).worker and bool((await run.info()).waits_for)

    await until(app, sleeps)


@pytest.mark.parametrize("newer", [False, True], ids=["the same", "with a newer one"])
async def test_a_run_of_an_older_build_ends_at_once(database: str, newer: bool) -> None:
    """Its code cannot be told; so it is whatever build a worker has by now, and without a worker."""
    old = deaf()
    async with application.on(database) as app:
        with installed(application, {"quickjs": old}):
            async with app.worker():
                run = await app.start("waits", "old")
                await asleep(app, run)
        with installed(application, {"quickjs": QuickJS() if newer else old}):
            async with app.worker():
                await run.cancel("too old")
                assert await run.status() == "cancelled"
        with pytest.raises(RunCancelledError, match="too old"):
            await run.result(timeout=TIMEOUT)


async def test_a_run_that_sleeps_without_a_worker_is_asked(database: str) -> None:
    """It stays as it is until a worker wakes it, and then it ends."""
    async with application.on(database) as app:
        async with app.worker():
            run = await app.start("waits", "new")
            await asleep(app, run)
        await run.cancel("not wanted")
        assert await run.status() == "running"
        assert (await run.info()).cancel_by > app.clock.now()
        async with app.worker():
            with pytest.raises(RunCancelledError, match="not wanted"):
                await run.result(timeout=TIMEOUT)


async def test_the_reason_of_an_encrypted_run_is_a_secret(database: str) -> None:
    """Who has no key may cancel it, with a reason that only holders of the key can read."""
    async with application.on(database, keys=KEYS) as app, app.worker():
        run = await app.start("waits", "secret")
        await asleep(app, run)
        blind = Client(app.world).run(run.id)
        await blind.cancel("qReasonx")
        with pytest.raises(RunCancelledError, match="qReasonx"):
            await run.result(timeout=TIMEOUT)
        with pytest.raises(KeyMissingError):
            await blind.result(timeout=TIMEOUT)
        told = [event for event in await run.events() if event.type in {"run_cancelling", "run_cancelled"}]
        assert len(told) == 2
        assert all(event.ref and "qReasonx" not in event.ref for event in told)


async def test_a_step_of_another_worker_is_cancelled(database: str) -> None:
    """One worker has the turns, another carries the steps out, and hears that the step was given up."""
    only_turns = WorkerSettings(steps=0)
    async with (
        application.on(database, settings=only_turns) as turns,
        application.on(database) as others,
        turns.worker(),
        others.worker(guest_names=[]) as worker,
    ):
        run = await turns.start("runsSlow", 600_000)

        async def runs() -> bool:
            return any(awaited.status == "running" for awaited in (await run.info()).waits_for)

        await until(turns, runs)
        await run.cancel("not wanted")
        with pytest.raises(RunCancelledError):
            await run.result(timeout=TIMEOUT)
        await worker.wait_idle(timeout=TIMEOUT)
        assert await ends(run) == ["run_cancelling", "step_cancelled", "run_cancelled"]


async def ends(run: RunHandle) -> list[str]:
    """Return the types of the events of a cancellation."""
    events: list[Event] = await run.events()
    return [event.type for event in events if "cancel" in event.type]
