"""Guest builds in a world: who can have which, and what becomes of runs whose build is nowhere."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, has_event, until
from tests.releases.upgrades import installed, newer_cpython, newer_quickjs
from tests.semantics.support import SECOND, MovableClock
from torpor import RunHandle, Torpor, WorkerSettings, codec
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring
from torpor.engine import builds as engine_builds
from torpor.engine.builds import Builds, piece_keys, stored_manifest
from torpor.engine.upkeep import Upkeep
from torpor.errors import BuildMissingError, DivergenceError
from torpor.guests.quickjs import QuickJS
from torpor.model import Runtime, build_key
from torpor.parked import parked
from torpor.vm.guest import Guest
from torpor.vm.manifest import StoredBuild, build_of
from torpor.worlds.memory import MemoryWorld

OLD = QuickJS()
DIVERGES = ("hooks.js", "name: token", "name: `another ${token}`")
"""A change after which workflows ask for something else."""

MORE = "(delivery) => this.#receive(delivery), interrupt); emit('more', { type: 'wait', due: 1 }, () => {});"
"""In place of the end of what a hook asks for: it asks for a wait, too."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of the test."""
    return tmp_path / "torpor.db"


@pytest.fixture
def clock() -> MovableClock:
    """A clock that may be put forward."""
    return MovableClock()


@pytest.fixture
async def app(file: Path, clock: MovableClock) -> AsyncIterator[Torpor]:
    """An open application whose installed guest is an old one; it stores no builds by itself."""
    settings = WorkerSettings(upkeep_ms=3_600_000)
    with installed(application, {"quickjs": OLD}):
        async with application.on(f"sqlite:///{file}", runtime="snapshot", clock=clock, settings=settings) as opened:
            yield opened


def made(_name: str, stored: StoredBuild | None = None) -> Guest:
    """Give the old guest, and those of stored builds."""
    return OLD if stored is None else QuickJS(stored=stored)


async def asleep(app: Torpor, token: str) -> RunHandle:
    """Return a run that sleeps at a hook, with no worker left."""
    async with app.worker():
        run = await app.start("waits", token)
        await until(app, lambda: app.world.snapshot(run.id))
    return run


async def store(app: Torpor, guest: Guest = OLD) -> None:
    """Put a guest's build into the application's world."""
    builds = Builds(app.world, made)
    builds.use(guest)
    await builds.store_used()


async def result(app: Torpor, run: RunHandle, token: str) -> object:
    """Resume a run and return what it returns."""
    await app.resume_hook(token, {"n": 1})
    return (await run.result(timeout=TIMEOUT))["sum"]


async def snoozed(app: Torpor, run: RunHandle) -> str:
    """Return why a run is snoozed, as soon as it is."""

    async def why() -> str:
        return (await app.world.get_run(run.id)).snoozed

    return await until(app, why)


async def notes(run: RunHandle) -> list[str]:
    """Return the engine's lines in a run's log."""
    return [line.text for line in await run.logs() if line.n < 0]


def change(file: Path, statement: str, *values: object) -> None:
    """Change the database behind the world's back."""
    with sqlite3.connect(file) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


# Storing


async def test_a_worker_stores_the_build_that_snapshots_need(app: Torpor) -> None:
    """In the background, whole; who has not used it stores nothing."""
    app.settings = WorkerSettings(upkeep_ms=10)
    async with app.worker():
        await (await app.start("addTen", 1)).result(timeout=TIMEOUT)
        assert not await app.world.has_blob(build_key(OLD.build))
        run = await app.start("waits", "b-1")
        await until(app, lambda: app.world.has_blob(build_key(OLD.build)))
    assert (await app.world.get_run(run.id)).build == OLD.build
    assert await stored_manifest(app.world, OLD.build) == OLD.manifest
    found = await Builds(app.world, lambda _, stored=None: made("", stored) if stored else newer_cpython()).guest(
        "quickjs", OLD.build
    )
    assert found.build == OLD.build


async def test_a_build_is_stored_once(app: Torpor) -> None:
    """Who finds a sound manifest stores nothing; who finds a damaged one stores what is missing."""
    await store(app)
    entries = engine_builds.files_of(OLD.manifest)
    lost = piece_keys(entries["quickjs.wasm"])[0]
    await app.world.delete_blob(lost)
    await store(app)
    assert not await app.world.has_blob(lost)

    await app.world.put_blob(build_key(OLD.build), codec.pack_binary(b"{}"))
    await store(app)

    assert await app.world.has_blob(lost)
    assert await stored_manifest(app.world, OLD.build) == OLD.manifest


async def test_files_that_builds_share_are_stored_once(app: Torpor, tmp_path: Path) -> None:
    """A build that differs in a few lines costs its manifest, which holds our own code, and none of the large files."""
    await store(app)
    before = await app.world.blob_sizes("")
    await store(app, newer_quickjs(tmp_path / "newer"))
    after = await app.world.blob_sizes("")

    assert len(after) == len(before) + 1
    assert sum(after.values()) - sum(before.values()) < sum(before.values()) / 5


async def test_pieces_that_were_dropped_meanwhile_are_stored_again() -> None:
    """Who stores a build looks for its files again once the manifest says who needs them."""

    class Swept(MemoryWorld):
        """Drops the files just before the manifest comes."""

        async def put_blob(self, key: str, data: bytes) -> None:
            if key.startswith(build_key("")):
                for piece in await self.blob_sizes("file/"):
                    await self.delete_blob(piece)
            await super().put_blob(key, data)

    world = Swept()
    builds = Builds(world, made)
    builds.use(OLD)
    await builds.store_used()

    there = await world.blob_sizes("file/")
    assert set(there) == {key for entry in engine_builds.files_of(OLD.manifest).values() for key in piece_keys(entry)}


async def test_a_world_that_dies_with_its_process_gets_no_build() -> None:
    """Nobody with another build will ever read it."""
    world = MemoryWorld()
    twin = application.on(world, runtime="snapshot", settings=WorkerSettings(upkeep_ms=10))
    async with twin, twin.worker() as worker:
        run = await twin.start("waits", "b-2")
        await until(twin, lambda: twin.world.snapshot(run.id))
        await Upkeep(world, worker._env.images).round()
    assert await world.blob_sizes(build_key("")) == {}


# Waking


@pytest.mark.parametrize("runtime", ["snapshot", "replay"])
async def test_a_run_goes_on_in_its_own_build(app: Torpor, tmp_path: Path, runtime: Runtime) -> None:
    """A worker whose installed build would ask for something else takes the run's own from the world."""
    async with app.worker():
        run = await app.start("waits", "b-3", runtime=runtime)
        await has_event(app, run, "hook_created")
    await store(app)
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer", *DIVERGES)}):
        async with app.worker():
            assert await result(app, run, "b-3") == 2
    assert (await app.world.get_run(run.id)).build == OLD.build
    assert await notes(run) == []


async def test_few_builds_are_kept_ready(app: Torpor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was not needed for longest goes, and comes again when it is needed."""
    monkeypatch.setattr(engine_builds, "MADE_MAX", 1)
    runs = []
    for n in range(4):
        guest = newer_quickjs(tmp_path / f"{n}", new=f"// {n % 2}\n")
        with installed(app, {"quickjs": guest}):
            runs.append(await asleep(app, f"b-4-{n}"))
            await store(app, guest)
    async with app.worker():
        for n, run in enumerate(runs):
            assert await result(app, run, f"b-4-{n}") == 2


async def test_a_look_into_a_run_is_one_into_its_build(app: Torpor, tmp_path: Path) -> None:
    """A prompt finds the run where it sleeps, whatever is installed."""
    run = await asleep(app, "b-5")
    await store(app)
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer", *DIVERGES)}):
        async with parked(app.world, app.programs.guest, run.id, app.clock, app.keyring) as copy:
            assert (await copy.evaluate("1 + 1")).text == "2"


async def test_the_past_of_a_run_is_replayed_in_its_build(app: Torpor, tmp_path: Path) -> None:
    """Where the installed one would ask for something else; without the run's own build that is told."""
    run = await asleep(app, "b-5-past")
    now = (await run.info()).head
    shown = await run.at(now)
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer", *DIVERGES)}):
        elsewhere = Client(app.world, app.keyring)
        elsewhere.guests = app.programs.guest
        with pytest.raises(DivergenceError):
            await elsewhere.run(run.id).at(now)
        await store(app)
        assert await elsewhere.run(run.id).at(now) == shown


async def test_a_build_that_takes_long_to_make_keeps_nobody_waiting(
    app: Torpor, tmp_path: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run gives its turn up meanwhile, and goes on afterwards."""
    run = await asleep(app, "b-6")
    await store(app)
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer", *DIVERGES)}):
        async with app.worker() as worker:
            monkeypatch.setattr(worker._env.images.builds, "_wait_seconds", 0)
            await app.resume_hook("b-6", {"n": 1})
            assert "still being compiled" in await snoozed(app, run)
            await asyncio.gather(*worker._env.images.builds._making.values())
            clock.put_forward(31 * SECOND)
            assert (await run.result(timeout=TIMEOUT))["sum"] == 2


# When a build is nowhere


async def test_a_run_is_carried_over_when_its_replay_agrees(app: Torpor, tmp_path: Path) -> None:
    """It then belongs to the build that is installed, and its log says why."""
    run = await asleep(app, "b-7")
    newer = newer_quickjs(tmp_path / "newer")
    with installed(app, {"quickjs": newer}):
        async with app.worker():
            assert await result(app, run, "b-7") == 2
    assert (await app.world.get_run(run.id)).build == newer.build
    [note] = await notes(run)
    assert note.startswith(f"carried over to guest build {newer.build} by a replay that agreed: guest build")
    assert OLD.build in note


async def test_a_run_that_is_carried_over_sleeps_in_the_new_build(app: Torpor, tmp_path: Path) -> None:
    """Its next snapshot is of that build, which alone it needs from then on."""
    async with app.worker():
        run = await app.start("collects", "b-8")
        await until(app, lambda: app.world.snapshot(run.id))
    newer = newer_quickjs(tmp_path / "newer")
    with installed(app, {"quickjs": newer}):
        async with app.worker():
            await app.resume_hook("b-8", {"n": 1})

            async def moved() -> bool:
                return (await app.world.get_run(run.id)).build == newer.build

            await until(app, moved)
        await store(app, newer)
    snapshot = await app.world.snapshot(run.id)
    assert snapshot is not None
    await app.world.archive(run.id, snapshot.cursor)
    async with app.worker():
        await app.resume_hook("b-8", {"n": 2, "last": True})
        assert await run.result(timeout=TIMEOUT) == [1, 2]


async def test_a_run_whose_replay_disagrees_waits_for_its_build(
    app: Torpor, tmp_path: Path, clock: MovableClock
) -> None:
    """It keeps its snapshot and is not failed; once the build is there it goes on in it."""
    run = await asleep(app, "b-9")
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer", *DIVERGES)}):
        async with app.worker():
            await app.resume_hook("b-9", {"n": 1})
            why = await snoozed(app, run)
            assert OLD.build in why
            assert "was emitted as hook" in why
            assert await app.world.snapshot(run.id) is not None
            await store(app)
            clock.put_forward(31 * SECOND)
            assert (await run.result(timeout=TIMEOUT))["sum"] == 2
    assert await notes(run) == []


async def test_a_run_that_stood_elsewhere_at_its_snapshot_waits_too(app: Torpor, tmp_path: Path) -> None:
    """An op that the log does not have is not an answer to its next event."""
    run = await asleep(app, "b-10")
    newer = newer_quickjs(tmp_path / "newer", "hooks.js", "(delivery) => this.#receive(delivery), interrupt);", MORE)
    with installed(app, {"quickjs": newer}):
        async with app.worker():
            await app.resume_hook("b-10", {"n": 1})
            assert OLD.build in await snoozed(app, run)
    assert (await run.info()).status == "running"


async def test_a_run_without_its_log_waits_for_its_build(app: Torpor, tmp_path: Path, clock: MovableClock) -> None:
    """Nothing but the snapshot knows how far it is, and nothing but its build can read that."""
    run = await asleep(app, "b-11")
    await store(app)
    snapshot = await app.world.snapshot(run.id)
    assert snapshot is not None
    await app.world.archive(run.id, snapshot.cursor)
    await app.world.delete_blob(build_key(OLD.build))
    with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer")}):
        async with app.worker():
            await app.resume_hook("b-11", {"n": 1})
            assert "its log begins after event" in await snoozed(app, run)
            await store(app)
            clock.put_forward(31 * SECOND)
            assert (await run.result(timeout=TIMEOUT))["sum"] == 2


@pytest.mark.parametrize("fields", [{"protocol": 99}, {"modules": 1}, {"guest": "cobol"}])
async def test_a_build_that_cannot_be_driven_here_is_as_good_as_none(
    app: Torpor, file: Path, fields: dict[str, object]
) -> None:
    """Whatever a manifest says, the run is carried over."""
    run = await asleep(app, "b-12")
    manifest = msgspec.json.encode(msgspec.json.decode(OLD.manifest) | fields, order="sorted")
    await app.world.put_blob(build_key(build_of(manifest)), codec.pack_binary(manifest))
    pretend(file, build_of(manifest))
    async with app.worker():
        assert await result(app, run, "b-12") == 2
    assert (await app.world.get_run(run.id)).build == OLD.build
    assert len(await notes(run)) == 1


@pytest.mark.parametrize("damage", [None, b"\0asm", b""])
async def test_a_build_whose_files_are_damaged_is_as_good_as_none(app: Torpor, damage: bytes | None) -> None:
    """It is noticed before anything is compiled."""
    await store(app)
    piece = piece_keys(engine_builds.files_of(OLD.manifest)["url"])[0]
    await app.world.delete_blob(piece)
    if damage is not None:
        await app.world.put_blob(piece, codec.pack_binary(damage))
    python = newer_cpython()

    with pytest.raises(BuildMissingError, match=r"is lost|is damaged"):
        await Builds(app.world, lambda _, stored=None: QuickJS(stored=stored) if stored else python).guest(
            "quickjs", OLD.build
        )


async def test_an_encrypted_run_trusts_no_build_that_its_key_does_not_name(
    app: Torpor, file: Path, tmp_path: Path
) -> None:
    """Who can write to the world, but has no key, cannot have a guest of his own given what the run holds."""
    secret = app.on(app.world, keys=Keyring([bytes(32)]))
    run = await asleep(secret, "b-13")
    spy = newer_quickjs(tmp_path / "spy", new="// his\n")
    await store(app, spy)
    pretend(file, spy.build)
    async with secret.worker():
        assert await result(secret, run, "b-13") == 2
    assert (await app.world.get_run(run.id)).build == OLD.build
    [note] = await notes(run)
    assert "nothing that is encrypted under key" in note


def pretend(file: Path, build: str) -> None:
    """Let all runs say that they are of some build."""
    change(file, "INSERT INTO labels (text) VALUES (?)", build)
    change(file, "UPDATE runs SET build = (SELECT k FROM labels WHERE text = ?)", build)
