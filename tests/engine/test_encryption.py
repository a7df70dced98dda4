"""Runs under deployment keys: nothing readable on disk, rotation, and workers without a key."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.engine.encrypted.application import app as application
from tests.engine.encrypted.application import gate
from tests.engine.family.application import app as family
from tests.engine.support import TIMEOUT, has_event, keep_nothing, logged, resumed, until
from torpor import RunHandle, Torpor, WorkerSettings, codec, ids
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring, generate
from torpor.codec.crypto.run_codec import PLAIN
from torpor.codec.values import RunReference
from torpor.engine import plan
from torpor.engine.attempts import Attempt
from torpor.engine.images import program_key
from torpor.engine.settings import TurnOptions
from torpor.engine.steps import Steps
from torpor.errors import (
    DamagedError,
    DecryptionError,
    EntityConflictError,
    KeyMissingError,
    RunCancelledError,
    RunFailedError,
    TorporError,
    UsageError,
)
from torpor.inspection.archive import archive
from torpor.inspection.reading import Reader
from torpor.lifecycle import EventType
from torpor.model import NOTHING, ClaimRequest, Claims, Event

K1, K2 = generate(), generate()
ONE, BOTH, OTHER = Keyring([K1]), Keyring([K2, K1]), Keyring([K2])

MARKERS = (
    "qArgumentxK41", "qGivenxK41", "qReturnedxK41", "qMessagexK41", "qFatalxK41", "qThrownxK41", "qMetadataxK41",
    "qPayloadxK41", "qLogxK41", "qReasonxK41", "qVariablexK41", "qProgramxK41",
)  # fmt: skip


@pytest.fixture(autouse=True)
def closed_gate() -> Iterator[None]:
    """Close the gate that a test may have opened."""
    yield
    gate.clear()


def files_of(folder: Path) -> bytes:
    """Return all bytes that a world has on disk: the database, its log and its index."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.iterdir()))


def blobs_of(database: Path) -> Iterator[bytes]:
    """Yield every blob of a database."""
    db = sqlite3.connect(database)
    try:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608  # the database's own names
                yield from (value for value in row if isinstance(value, bytes))
    finally:
        db.close()


def unpacked(data: bytes) -> bytes:
    """Return what is inside compression."""
    return codec.unpack_binary(data) if data.startswith(b"zstd") else data


def forms_of(marker: str) -> list[bytes]:
    """Return how a marker looks in UTF-8, in UTF-16, and in base64 wherever it may begin."""
    plain = marker.encode()
    forms = [plain, marker.encode("utf-16-le"), marker.encode("utf-16-be")]
    for ahead in range(3):
        text = b64encode(bytes(ahead) + plain + bytes(3))
        # Without the characters that depend on the neighbours.
        forms.append(text[-(-ahead * 8 // 6) : (ahead + len(plain)) * 8 // 6])
    return forms


def readable_markers(folder: Path) -> set[str]:
    """Return the markers that anybody can find on disk, unpacking what is compressed."""
    everything = files_of(folder) + b"\n".join(unpacked(blob) for blob in blobs_of(folder / "torpor.db"))
    return {marker for marker in MARKERS if any(form in everything for form in forms_of(marker))}


async def ended(run: RunHandle) -> None:
    """Wait for a run's end, whichever."""
    try:
        await run.result(timeout=TIMEOUT)
    except TorporError:
        return


async def live_with_markers(app: Torpor) -> RunHandle:
    """Put every marker into runs, so that it was stored; the first of them is left parked with a snapshot."""
    async with app.worker():
        parked = await app.start("secrets", "qArgumentxK41")
        await has_event(app, parked, "hook_created")
        await ended(await app.start("failing"))
        await ended(await app.start("throwing", "qThrown"))
        again = await app.start("patient", "cancelled")
        await has_event(app, again, "hook_created")
        await again.cancel("qReasonxK41")
        other = await app.start("patient", "resumed")
        await resumed(app, "resumed", "qPayloadxK41")
        await ended(other)

        async def is_parked() -> bool:
            snapshot = await app.world.snapshot(parked.id)
            return snapshot is not None and snapshot.cursor >= (await parked.info()).head - 1

        await until(app, is_parked)
    return parked


def on(path: Path, keys: Keyring, application: Torpor = application) -> Torpor:
    """Return an application on a database, with these keys."""
    settings = WorkerSettings(turns=4, grace_seconds=0.2, turn=TurnOptions(inline_ms=10))
    return application.on(f"sqlite:///{path}/torpor.db", keys=keys, settings=settings)


def test_every_form_of_a_marker_is_recognised() -> None:
    """The search finds what it is to find."""
    for ahead in range(6):
        text = b64encode(b"x" * ahead + b"qArgumentxK41" + b"yz" * ahead)
        assert any(form in text for form in forms_of("qArgumentxK41"))
    assert any(form in "so qArgumentxK41".encode("utf-16") for form in forms_of("qArgumentxK41"))


@pytest.fixture(params=["javascript", "python"])
def bilingual(request: pytest.FixtureRequest) -> Torpor:
    """The application with its markers, in each language."""
    if request.param == "javascript":
        return application
    from tests.engine.encrypted.python_application import app  # noqa: PLC0415  # see above

    return app


async def test_without_a_key_every_marker_is_readable(tmp_path: Path, bilingual: Torpor) -> None:
    """So the next test can fail: arguments, results, errors, hooks, log lines, variables and source are all there."""
    async with on(tmp_path, Keyring(), bilingual) as app:
        await live_with_markers(app)
        assert readable_markers(tmp_path) == set(MARKERS)


async def test_with_a_key_no_marker_is_readable(
    tmp_path: Path, bilingual: Torpor, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Neither while the world is open nor after it was closed, nor in what the engine logs; and the run still goes on
    from what is stored.
    """
    caplog.set_level(logging.DEBUG, "torpor")
    async with on(tmp_path, ONE, bilingual) as app:
        parked = await live_with_markers(app)
        assert readable_markers(tmp_path) == set()
    assert readable_markers(tmp_path) == set()
    async with on(tmp_path, ONE, bilingual) as app, app.worker():
        await app.resume_hook("secret-hook", "qPayloadxK41")
        expected = [len("qVariablexK41"), "qReturnedxK41", "qPayloadxK41", len("qProgramxK41")]
        assert await app.run(parked.id).result(timeout=TIMEOUT) == expected
        [first, _] = await app.run(parked.id).logs()
        assert first.text == "qLogxK41 13"
    assert readable_markers(tmp_path) == set()
    assert [marker for marker in MARKERS if marker in caplog.text] == []


async def test_a_seed_is_not_stored(tmp_path: Path) -> None:
    """The randomness of an encrypted run is derived from its key, the same in snapshot and replay."""
    async with on(tmp_path, ONE) as app:
        run_id = "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV"
        run = await app.start("patient", "drawn", run_id=run_id)
        stored = await app.world.get_run(run.id)
        assert stored.seed == b""
        assert ONE.run(run_id, stored.key_id).seed(b"") != Keyring([K2]).run(run_id, OTHER.current).seed(b"")
        async with app.worker():
            await resumed(app, "drawn", 1)
            first = await run.result(timeout=TIMEOUT)
    replayed = application.on("memory://", keys=ONE, runtime="replay")
    async with replayed, replayed.worker():
        again = await replayed.start("patient", "drawn", run_id=run_id)
        await resumed(replayed, "drawn", 1)
        assert await again.result(timeout=TIMEOUT) == first


async def test_errors_and_reasons_come_back(tmp_path: Path) -> None:
    """Whoever has the key reads results, failures, log lines and the reason of a cancellation as ever."""
    async with on(tmp_path, ONE) as app, app.worker():
        with pytest.raises(RunFailedError, match="qFatalxK41"):
            await (await app.start("failing")).result(timeout=TIMEOUT)
        run = await app.start("patient", "token")
        await run.cancel("for qReason")
        with pytest.raises(RunCancelledError, match="for qReason"):
            await run.result(timeout=TIMEOUT)


async def test_the_past_takes_the_key(tmp_path: Path) -> None:
    """A moment of an encrypted run is shown to who has the key, and asks to decrypt."""
    async with on(tmp_path, ONE) as app, app.worker():
        run = await app.start("patient", "token")
        await has_event(app, run, "hook_created")
        assert (await run.at(-1)).status == "running"
        with pytest.raises(KeyMissingError):
            await Client(app.world).run(run.id).at(-1)
        with pytest.raises(UsageError, match="--decrypt"):
            async with Reader(app.client).travelling(run.id):
                pass


async def test_a_fork_has_a_key_of_its_own(tmp_path: Path) -> None:
    """What it takes along is packed anew, whether by its log or by its snapshot; the origin's key opens none of it."""
    async with on(tmp_path, ONE) as app, app.worker():
        run = await app.start("patient", "token")
        await has_event(app, run, "hook_created")
        forks = [await run.fork(at=at) for at in (-1, 1)]  # and where its code had asked for nothing that is stored

        async def is_parked() -> bool:
            return await app.world.snapshot(run.id) is not None

        await until(app, is_parked)
        assert (await archive(app.client, run.id))[1] > 0
        forks.append(await run.fork(at=-1))
        for fork in forks:
            stored = await app.world.load(fork.id)
            origin = ONE.run(run.id, ONE.current)
            times = [event.at for event in await fork.events()]
            assert times == sorted(times)
            assert times[0] > 0
            sealed = [event.payload for event in stored.events if event.payload]
            sealed += [stored.snapshot.data] if stored.snapshot else []
            assert sealed
            for payload in sealed:
                with pytest.raises(DecryptionError):
                    origin.decrypt(payload)
            [waits] = [each for each in (await fork.info()).waits_for if each.kind == "hook"]
            await app.resume_hook(waits.name, "heir")
            assert (await fork.result(timeout=TIMEOUT))[1] == "heir"
        with pytest.raises(KeyMissingError):
            await Client(app.world).run(run.id).fork(at=-1)


async def test_runs_go_on_after_a_rotation(tmp_path: Path) -> None:
    """A run of the older key goes on under [newer, older] and stays with its key; new runs take the newer one."""
    async with on(tmp_path, ONE) as app, app.worker():
        old = await app.start("patient", "old")
        await has_event(app, old, "hook_created")
    async with on(tmp_path, BOTH) as app, app.worker():
        new = await app.start("patient", "new")
        await app.resume_hook("old", "one")
        await resumed(app, "new", "two")
        assert (await app.run(old.id).result(timeout=TIMEOUT))[1] == "one"
        assert (await new.result(timeout=TIMEOUT))[1] == "two"
        assert [(await app.run(run.id).info()).key_id for run in (old, new)] == [ONE.current, OTHER.current]


async def test_a_dropped_key_does_not_hurt_newer_runs(tmp_path: Path) -> None:
    """Programs and images of the newer key are stored under it, so nothing of them needs the older one."""
    async with on(tmp_path, ONE) as app, app.worker():
        await ended(await app.start("throwing", "q"))
    async with on(tmp_path, BOTH) as app, app.worker():
        run = await app.start("patient", "token")
        await has_event(app, run, "hook_created")
    async with on(tmp_path, OTHER) as app, app.worker():
        await app.resume_hook("token", "word")
        assert (await app.run(run.id).result(timeout=TIMEOUT))[1] == "word"


async def test_a_run_waits_for_a_worker_with_its_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A worker without the key says so and leaves turns and steps alone; nothing is lost, and its own runs go on."""
    caplog.set_level(logging.WARNING, "torpor.engine")
    async with on(tmp_path, ONE) as app:
        waiting = await app.start("patient", "token")
        in_a_step = await app.start("holds")
        async with app.worker():
            await has_event(app, in_a_step, "step_created")
            await has_event(app, waiting, "hook_created")
            over = await app.start("throwing", "word")
            await ended(over)
    async with on(tmp_path, OTHER) as app:
        before = [await app.run(run.id).events() for run in (waiting, in_a_step)]
        async with app.worker() as worker:
            await app.resume_hook("token", "word")  # by its public key
            gate.set()
            assert await (await app.start("holds")).result(timeout=TIMEOUT) == "qHeldxK41"
            await worker.wait_idle(timeout=TIMEOUT)
        after = [await app.run(run.id).events() for run in (waiting, in_a_step)]
        assert [len(log) for log in after] == [len(before[0]) + 1, len(before[1])]
        assert f"2 unfinished runs: encrypted under key {ONE.current}, which is not configured here" in caplog.text
        with pytest.raises(KeyMissingError, match=f"run {over.id}: encrypted under key {ONE.current}.*TORPOR_KEYS"):
            await app.run(over.id).result(timeout=TIMEOUT)
    async with on(tmp_path, BOTH) as app, app.worker():
        assert (await app.run(waiting.id).result(timeout=TIMEOUT))[1] == "word"
        assert await app.run(in_a_step.id).result(timeout=TIMEOUT) == "qHeldxK41"


async def test_a_sender_without_keys_resumes_a_hook(tmp_path: Path) -> None:
    """It encrypts the payload to the run's public key, and cannot read it any more itself."""
    async with on(tmp_path, ONE) as app, app.worker():
        run = await app.start("patient", "token")
        await has_event(app, run, "hook_created")
        async with on(tmp_path, Keyring()) as outside:
            await outside.resume_hook("token", {"word": "qPayloadxK41"})
            with pytest.raises(KeyMissingError):
                await outside.run(run.id).result(timeout=TIMEOUT)
        assert (await run.result(timeout=TIMEOUT))[1] == {"word": "qPayloadxK41"}
        [received] = [event for event in await run.events() if event.type == "hook_received"]
        assert received.payload is not None
        assert received.payload.startswith(b"encp")


async def test_a_caller_without_keys_cancels_with_a_reason(tmp_path: Path) -> None:
    """The reason is encrypted like a payload."""
    async with on(tmp_path, ONE) as app:
        run = await app.start("patient", "token")
        async with on(tmp_path, Keyring()) as outside:
            await outside.cancel([run.id], "qReasonxK41")
        assert readable_markers(tmp_path) == set()
        with pytest.raises(RunCancelledError, match="qReasonxK41"):
            await run.result(timeout=TIMEOUT)


async def test_a_start_is_told_again_after_a_rotation(tmp_path: Path) -> None:
    """An id with the same input is the same run, encrypted or not, and with other input a conflict."""
    run_id = "wrun_01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for keys in (Keyring(), ONE):
        folder = tmp_path / (keys.current or "plain")
        folder.mkdir()
        async with on(folder, keys) as app:
            await app.start("patient", "token", run_id=run_id)
            assert (await app.start("patient", "token", run_id=run_id)).id == run_id
        async with on(folder, BOTH) as app:
            assert (await app.start("patient", "token", run_id=run_id)).id == run_id
            with pytest.raises(EntityConflictError):
                await app.start("patient", "another", run_id=run_id)


async def test_a_payload_of_another_run_is_refused(tmp_path: Path) -> None:
    """What was moved from one run to another does not open, though both are of the same key."""
    async with on(tmp_path, ONE) as app:
        one, two = await app.start("throwing", "one"), await app.start("throwing", "two")
        [moved] = await app.world.events(one.id)
        assert moved.payload is not None
        with pytest.raises(DecryptionError, match=f"run {two.id}, key {ONE.current}"):
            ONE.run(two.id, ONE.current).loads(moved.payload)


async def test_a_changed_log_stops_the_run(tmp_path: Path) -> None:
    """What somebody has written into the database without the key is not believed, and the run does not fail of it."""
    async with on(tmp_path, ONE) as app:
        run = await app.start("throwing", "word")
        db = sqlite3.connect(tmp_path / "torpor.db")
        with db:
            db.execute("UPDATE events SET payload = ? WHERE type = 0", (codec.dumps(["forged"]),))
        db.close()
        async with app.worker():

            async def given_back() -> str:
                return (await app.world.get_run(run.id)).snoozed

            assert "is not encrypted" in await until(app, given_back)


async def test_a_changed_snapshot_is_rebuilt_from_the_log(tmp_path: Path) -> None:
    """One flipped bit is found, noted in the run's own log, and costs a replay."""
    async with on(tmp_path, ONE) as app:
        run = await live_with_markers(app)
        db = sqlite3.connect(tmp_path / "torpor.db")
        with db:
            [(run_key, data)] = db.execute(
                "SELECT run, data FROM snapshots WHERE run = (SELECT k FROM runs WHERE id = ?)", (run.id,)
            ).fetchall()
            changed = data[:40] + bytes([data[40] ^ 1]) + data[41:]
            db.execute("UPDATE snapshots SET data = ? WHERE run = ?", (changed, run_key))
        db.close()
        async with app.worker():
            await app.resume_hook("secret-hook", "word")
            assert (await run.result(timeout=TIMEOUT))[2] == "word"
        [note, *_] = await run.logs()
        assert "rebuilt from its log" in note.text
        stored = await app.world.log_entries(run.id)
        assert "rebuilt" not in "".join(entry.text for entry in stored)


async def test_digests_need_the_key(tmp_path: Path) -> None:
    """What a step was asked for cannot be guessed from the digest of its op."""
    async with on(tmp_path, ONE) as app, app.worker():
        runs = [await app.start("holds") for _ in range(2)]
        for run in runs:
            await has_event(app, run, "step_created")
        gate.set()
        digests = [next(event.digest for event in await run.events() if event.type == "step_created") for run in runs]
        assert len(set(digests)) == 2
        inputs = [(await app.world.events(run.id, limit=1))[0].digest for run in runs]
        assert len(set(inputs)) == 2
        await asyncio.gather(*(run.result(timeout=TIMEOUT) for run in runs))


async def test_a_hook_that_moved_to_another_run_is_not_given_the_payload(tmp_path: Path) -> None:
    """The payload was encrypted for the run that had the token; the sender looks again and encrypts it anew."""
    async with on(tmp_path, ONE) as app, app.worker():
        first = await app.start("patient", "token")
        await has_event(app, first, "hook_created")
        stale = await app.world.hook("token")
        await first.cancel()
        with pytest.raises(RunCancelledError):
            await first.result(timeout=TIMEOUT)
        second = await app.start("patient", "token")
        await has_event(app, second, "hook_created")
        hook, looks = app.world.hook, []

        async def late(token: str) -> object:
            looks.append(token)
            return stale if len(looks) == 1 else await hook(token)

        app.world.hook = late  # type: ignore[assignment, method-assign]  # the look-up was a moment too early
        assert (await app.resume_hook("token", "word")).id == second.id
        assert (await second.result(timeout=TIMEOUT))[1] == "word"
        assert (await second.info()).key_id == ONE.current


async def test_a_turn_without_the_key_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a world hand out a run to a worker without its key, the run is snoozed as it is, and not failed."""
    async with on(tmp_path, ONE) as app:
        run = await app.start("throwing", "word")
    async with on(tmp_path, OTHER) as app:
        claim = app.world.claim

        async def careless(request: ClaimRequest) -> Claims:
            return await claim(replace(request, key_ids=("", ONE.current)))

        monkeypatch.setattr(app.world, "claim", careless)
        with logged("torpor.engine", "by no fault of its own: blob program/") as said:
            async with app.worker() as worker:
                await asyncio.wait_for(said.wait(), TIMEOUT)
                await worker.wait_idle(timeout=TIMEOUT)
        assert [event.type for event in await app.run(run.id).events()] == ["run_created"]
        assert (await app.run(run.id).info()).status == "pending"


async def test_a_result_of_a_newer_key_waits_for_a_worker_that_has_it(tmp_path: Path) -> None:
    """While keys are rolled out, a parent that a worker without the child's key wakes does not fail of it."""
    async with on(tmp_path, OTHER, family) as app, app.worker():
        child = await app.start("addAll", [1, 2])
        assert await child.result(timeout=TIMEOUT) == 3
    async with on(tmp_path, ONE, family) as app:
        parent = await app.start("awaitsRun", child.id)
        async with app.worker():
            await has_event(app, parent, "step_retrying")
    async with on(tmp_path, BOTH, family) as app, app.worker():
        assert await app.run(parent.id).result(timeout=TIMEOUT) == ["ended", 3, 3]


async def test_a_missing_key_is_no_failure_of_a_step(tmp_path: Path) -> None:
    """Not for good, however many attempts there were; and a start that has happened needs no key."""
    async with on(tmp_path, OTHER, family) as app:
        child = await app.start("addAll", [1, 2])
        await child.cancel("encrypted")
        step_id = ids.correlation("step", bytes(32), 1, app.clock.now())
        begun = await app.start("addAll", [5], run_id=ids.child(step_id))
    async with on(tmp_path, ONE, family) as app:
        steps = Steps(app.steps, app.clock, app.client.streams, keep_nothing)
        parent = await app.start("addAll", [])

        async def attempt(name: str, *args: object) -> Event:
            given = codec.dumps({"args": [*args]})
            return await steps.attempt(Attempt(parent.id, step_id, 1, f"step//torpor//{name}", 9, 8, given, PLAIN))

        assert (await attempt("result", child.id)).type == "step_retrying"
        assert (await attempt("status", child.id)).type == "step_completed"
        started = await attempt("start", "addAll", [5])  # by an earlier attempt, in a process with the newer key
        assert started.type == "step_completed"
        assert codec.loads(started.payload or b"") == RunReference(begun.id)
        steps.shutdown()


def test_only_a_hook_receives_what_is_plain() -> None:
    """The world's own null is believed where worlds write it, and nowhere else; and no result may be absent."""
    run_codec = ONE.run("wrun_1", ONE.current)
    received = plan.delivery("wrun_1", Event("hook_received", 1, op=1, payload=NOTHING), run_codec)
    assert received is not None
    assert received.value == "devl[null]"
    with pytest.raises(DamagedError, match="is not encrypted"):
        plan.delivery("wrun_1", Event("step_completed", 1, op=1, payload=NOTHING), run_codec)
    kinds: tuple[EventType, ...] = ("step_completed", "step_failed", "hook_received")
    for kind in kinds:
        with pytest.raises(DamagedError, match=f"{kind} of op 1.* has lost its payload"):
            plan.delivery("wrun_1", Event(kind, 1, op=1), run_codec)


async def test_a_program_in_anothers_place_is_not_run(tmp_path: Path) -> None:
    """Not even for a run that is not encrypted: who has the true program stores it anew."""
    async with on(tmp_path, ONE) as app:
        first = await app.start("patient", "token")
        await first.cancel()
        address = (await first.info()).program
        name = program_key(address, ONE.current)
        stored = await app.world.blob(name)
        assert stored is not None
        source = ONE.blob(name, ONE.current).unpack_binary(stored)
        changed = source.replace(b"words + ", b"666 + ")
        assert changed != source
        await app.world.put_blob(program_key(address, ""), codec.pack_binary(changed))
        async with on(tmp_path, Keyring()) as outside:
            bait = app.run((await outside.start("throwing", "word")).id)
        assert (await bait.info()).program == address
        await app.world.put_blob(program_key(address, ""), codec.pack_binary(changed))
        async with app.worker():
            run = await app.start("throwing", "word")
            for started in (bait, run):
                with pytest.raises(RunFailedError, match="wordxK41"):
                    await started.result(timeout=TIMEOUT)
