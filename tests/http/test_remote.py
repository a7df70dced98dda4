"""A world behind a URL when answers are lost, servers are replaced, and somebody asks who may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from torpor.client import Client
from torpor.errors import (
    ConfigurationError,
    LeaseLostError,
    LimitExceededError,
    RunNotFoundError,
    TorporError,
    UsageError,
    WorldError,
)
from torpor.http.asgi import asgi
from torpor.http.border import Border
from torpor.http.service import Service
from torpor.http.tokens import Role, Token, make_token, store_token
from torpor.model import ClaimRequest, Claims, RunFilter
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import RUN, WORKER, T, Turn, begin, ending, new_run, request, snapshot, step, types
from torpor.world import READS, World
from torpor.worlds.http import HttpWorld, connection
from torpor.worlds.http.contract import MEDIA, OPERATES, SNAPSHOT, SNAPSHOT_INLINE_MAX, fields_given, methods
from torpor.worlds.memory import MemoryWorld

URL = "http://127.0.0.1:1"
LARGE = bytes(range(256)) * (SNAPSHOT_INLINE_MAX // 256 + 1)


class Way(httpx.AsyncBaseTransport):
    """The way to a server in this process, which may lose answers and be replaced."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.token = make_token(T, ("work",))
        self.tokens = [self.token.token]
        self.lost = 0
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None
        self.replace()

    def replace(self) -> None:
        """Put another process in the server's place, which remembers nothing."""
        self.service = Service(Client(self.world))
        self._inner = httpx.ASGITransport(asgi(self.service.client, tokens=self.tokens, service=self.service))

    async def handle_async_request(self, asked: httpx.Request) -> httpx.Response:
        """Carry a request out; lose its answer if it is to be."""
        self.asked.append(f"{asked.method} {asked.url.path}")
        self.before()
        response = await self._inner.handle_async_request(asked)
        if self.lost and asked.url.path != "/v2/world":
            self.lost -= 1
            if not self.lost and self.is_replaced:
                self.replace()
            raise httpx.ReadError("the answer was lost", request=asked)
        return response

    is_replaced = False

    def lose(self, count: int = 1, *, replaced: bool = False) -> None:
        """Lose the next answers, and have another server after them."""
        self.lost, self.is_replaced = count, replaced

    def remote(self, *roles: Role) -> World:
        """Return the world for who has a token with these roles."""
        made = make_token(T, roles)
        self.tokens.append(made.token)
        self.replace()
        return cast(World, HttpWorld(URL, self.world.clock, made.text, self))


@pytest.fixture
def way() -> Way:
    """A server over a world in memory."""
    return Way(MemoryWorld("memory://", ManualClock(T)))


@pytest.fixture
async def world(way: Way) -> AsyncIterator[World]:
    """That world for a worker."""
    opened = way.remote("work")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_commit_whose_answer_was_lost_is_answered_as_the_first_time(way: Way, world: World) -> None:
    """It is stored once, and the turn goes on."""
    turn = await begin(world)
    way.lose(2)
    committed = await turn.commit(step("step_created", 1))
    assert committed.stored
    assert committed.held is not None
    assert (await turn.commit(step("step_created", 2))).stored
    assert await types(world) == ["run_created", "run_started", "step_created", "step_created"]


async def test_a_claim_whose_answer_was_lost_is_answered_as_the_first_time(way: Way, world: World) -> None:
    """Its tasks are the asker's, and are claimed once."""
    await world.create_run(new_run())
    await begin_worker(world)
    way.lose()
    [task] = (await world.claim(request())).tasks
    assert (task.run_id, task.epoch) == (RUN, 1)


async def begin_worker(world: World) -> None:
    """Register the worker of the stories by a claim of nothing."""
    from torpor.testing.worlds.story import worker_row  # noqa: PLC0415  # nobody else needs it

    await world.register(worker_row())


@pytest.mark.parametrize("parks", [False, True])
async def test_a_commit_that_another_server_has_stored_ends_its_claim(way: Way, world: World, parks: bool) -> None:
    """Nobody knows what the first would have answered: the run goes on from what is stored, at once, for anybody."""
    turn = await begin(world)
    way.lose(replaced=True)
    with pytest.raises(LeaseLostError):
        await turn.commit(step("step_created", 1), park=parks)
    assert await types(world) == ["run_created", "run_started", "step_created"]
    run = await world.get_run(RUN)
    assert run.worker == ""
    assert bool((await world.claim(request())).tasks) is not parks


async def test_a_commit_that_no_server_has_stored_is_stored_by_the_next(way: Way, world: World) -> None:
    """The one that lost it had not come to it."""
    turn = await begin(world)
    way.service.part(Border).server = "another process, which has died before it stored anything"
    calls = iter([True])

    def die() -> None:
        if next(calls, False):
            way.replace()
            raise httpx.ReadError("gone")

    way.before = die
    assert (await turn.commit(step("step_created", 1))).stored


async def test_a_worker_whose_claim_another_server_has_carried_out_begins_anew(way: Way, world: World) -> None:
    """Nobody works on what it got: it counts as dead, and takes all up again under another id."""
    await world.create_run(new_run())
    await begin_worker(world)
    way.lose(replaced=True)
    claims = await world.claim(request())
    assert not claims.known
    assert [worker.id for worker in await world.workers()] == []
    assert (await world.get_run(RUN)).worker == ""


async def test_what_can_be_asked_twice_may_be_lost_anywhere(way: Way, world: World) -> None:
    """Whoever answers the second time."""
    for replaced in (False, True):
        way.lose(replaced=replaced)
        assert (await world.create_run(new_run())).id == RUN
        way.lose(replaced=replaced)
        await world.pause_run(RUN)
    assert await types(world) == ["run_created", "run_paused"]


async def test_a_failed_world_is_asked_again(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is no answer to be repeated."""
    turn = await begin(world)
    commit, failures = way.world.commit, iter([WorldError("the disk is full")])

    async def fail_once(*args: object) -> object:
        for failure in failures:
            raise failure
        return await commit(*args)  # type: ignore[arg-type]  # whatever it was asked

    monkeypatch.setattr(way.world, "commit", fail_once)
    with pytest.raises(WorldError, match="disk is full"):
        await turn.commit(step("step_created", 1))
    assert (await turn.commit(step("step_created", 1))).stored


async def test_what_a_holder_knows_does_not_travel(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps it from commit to commit; a new server reads it."""
    turn = await begin(world)
    known: list[bool] = []
    commit = way.world.commit

    async def look(committed: object, held: object) -> object:
        known.append(held is not None)
        return await commit(committed, held)  # type: ignore[arg-type]  # whatever it was asked

    monkeypatch.setattr(way.world, "commit", look)
    await turn.commit(step("step_created", 1))
    way.replace()
    await turn.commit(step("step_created", 2))
    await turn.commit(step("step_created", 3))
    assert known == [True, False, True]


# Snapshots


async def large(turn: Turn) -> None:
    """Commit a snapshot that does not travel with its commit."""
    await turn.commit(step("step_created", 1), snapshot=snapshot(LARGE))


async def test_a_server_says_that_it_claims_for_others(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their claims must be on its disk, since they outlive its machine."""
    asked: list[ClaimRequest] = []
    claim = way.world.claim

    async def noted(request: ClaimRequest) -> Claims:
        asked.append(request)
        return await claim(request)

    monkeypatch.setattr(way.world, "claim", noted)
    await world.claim(request())
    assert asked == [request(elsewhere=True)]


async def test_a_large_snapshot_travels_beside_its_commit(way: Way, world: World) -> None:
    """It is uploaded under its address, and read from where it is."""
    await large(await begin(world))
    assert f"PUT /v2/runs/{RUN}/snapshot" in way.asked
    stored = await way.world.snapshot(RUN)
    assert stored is not None
    assert stored.data == LARGE
    assert await world.snapshot(RUN) == stored
    state = await world.load(RUN)
    assert state.snapshot == stored
    assert way.asked.count(f"GET /v2/runs/{RUN}/snapshot") == 2


async def test_an_upload_that_a_dead_server_had_is_made_again(way: Way, world: World) -> None:
    """Only the commit that names it makes it the run's."""
    turn = await begin(world)

    def replace_behind_upload() -> None:
        if way.asked[-1].startswith("POST") and way.asked[-2].startswith("PUT") and way.asked.count(way.asked[-2]) == 1:
            way.replace()

    way.before = replace_behind_upload
    await large(turn)
    assert way.asked.count(f"PUT /v2/runs/{RUN}/snapshot") == 2
    assert (await world.load(RUN)).snapshot is not None


async def test_the_routes_of_snapshots(way: Way, world: World) -> None:
    """GET tells bytes and facts, PUT takes what has its address, DELETE lets the log do; each for who may."""
    turn = await begin(world)
    path = f"/v2/runs/{RUN}/snapshot"
    async with httpx.AsyncClient(transport=way, base_url=URL) as plain:
        bearer = {"authorization": f"Bearer {way.token.text}"}
        assert (await plain.get(path)).status_code == 401
        assert (await plain.get(path, headers=bearer)).status_code == 404
        await turn.commit(step("step_created", 1), snapshot=snapshot(b"small"))
        found = await plain.get(path, headers=bearer)
        assert found.content == b"small"
        assert msgspec.json.decode(found.headers["torpor-snapshot-facts"])["cursor"] == turn.head
        wrong = await plain.put(path, content=b"other", headers={**bearer, SNAPSHOT: found.headers[SNAPSHOT]})
        assert wrong.status_code == 400
        right = await plain.put(path, content=b"small", headers={**bearer, SNAPSHOT: found.headers[SNAPSHOT]})
        assert right.status_code == 204
        assert (await plain.delete(path, headers=bearer)).status_code == 204
        assert await way.world.snapshot(RUN) is None


async def test_a_blob_that_is_too_large_is_not_sent(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the limit."""
    monkeypatch.setattr("torpor.worlds.http.world.WORLD_BODY_BYTES_MAX", 2_000)
    with pytest.raises(LimitExceededError, match=str(world.capabilities.blob_bytes_max)):
        await world.put_blob("build/x", bytes(1_000))
    assert "POST /v2/world/put_blob" not in way.asked


# Who may


def test_every_method_has_a_role() -> None:
    """One that nobody has thought of is for workers."""
    known = methods()
    assert {*READS, *OPERATES} <= known.keys()
    assert {known[name].role for name in ("claim", "commit", "load", "put_blob", "release")} == {"work"}
    assert all(known[name].changes for name in known.keys() - READS - {"load"})


async def test_a_reader_reads_and_no_more(way: Way) -> None:
    """What it lacks is named, with what to do; the seeds of runs are not shown."""
    await way.world.create_run(new_run())
    reader = way.remote("read")
    await reader.open()
    assert (await reader.get_run(RUN)).seed == b""
    assert [run.seed for run in await reader.list_runs(RunFilter())] == [b""]
    assert (await reader.open_entities(RUN)).run.seed == b""
    with pytest.raises(ConfigurationError, match=r"role operate.*TORPOR_TOKEN"):
        await reader.cancel_run(RUN, "")
    with pytest.raises(ConfigurationError, match="role work"):
        await reader.load(RUN)
    operator = way.remote("operate", "decrypt")
    await operator.open()
    assert (await operator.cancel_run(RUN, "")).seed == new_run().seed
    with pytest.raises(ConfigurationError, match="role work"):
        await operator.put_blob("build/x", b"")


async def test_who_is_limited_to_queues_has_no_world(way: Way) -> None:
    """A world is whole."""
    made = make_token(T, ("work",), queues=("mail",))
    way.tokens.append(made.token)
    way.replace()
    with pytest.raises(ConfigurationError, match="whole world"):
        await HttpWorld(URL, way.world.clock, made.text, way).open()


@pytest.mark.parametrize("token", ["", "tpr_wrong"])
async def test_who_has_no_valid_token_is_told_where_to_get_one(way: Way, token: str) -> None:
    """On opening, not in the middle of something."""
    with pytest.raises(ConfigurationError, match="torpor tokens create"):
        await HttpWorld(URL, None, token, way).open()


async def test_a_worker_can_make_no_token(way: Way, world: World) -> None:
    """Who could would give itself any role; nor are they shown."""
    mine: Token = make_token(T, ("decrypt",)).token
    await store_token(way.world, mine)
    await way.world.put_blob("build/x", b"1")
    with pytest.raises(ConfigurationError, match="where the world is"):
        await store_token(world, mine)
    with pytest.raises(ConfigurationError, match="where the world is"):
        await world.blob(f"token/{mine.id}")
    assert await world.blob_sizes("") == {"build/x": 1}


# What is said


async def test_errors_name_this_url_and_not_the_servers(world: World) -> None:
    """A database's URL may have a password."""
    with pytest.raises(RunNotFoundError) as caught:
        await world.get_run("wrun_none")
    assert "memory:" not in str(caught.value)
    assert "wrun_none" in str(caught.value)


async def test_errors_keep_what_they_know(way: Way, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Class and attributes; an error of a newer server is the nearest that is known here."""

    class NewerError(WorldError):
        """Unknown to clients."""

    async def fail(run_id: str) -> None:
        error = NewerError(f"something new of {run_id}")
        error.row = "row 7"  # type: ignore[attr-defined]  # made up
        raise error

    monkeypatch.setattr(way.world, "get_run", fail)
    with pytest.raises(WorldError, match="something new") as caught:
        await world.get_run(RUN)
    assert type(caught.value) is WorldError
    assert vars(caught.value) == {"row": "row 7"}


async def test_an_error_of_the_servers_own_is_its_worlds(
    way: Way, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is told but that it was."""

    async def fail(run_id: str) -> None:
        raise KeyError(f"secret of {run_id}")

    monkeypatch.setattr(way.world, "get_run", fail)
    monkeypatch.setattr(way._inner, "raise_app_exceptions", False)
    with pytest.raises(WorldError, match="500") as caught:
        await world.get_run(RUN)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://torpor.example.com", "in the clear"),
        ("https://me:secret@torpor.example.com", "TORPOR_TOKEN"),
        ("https://torpor.example.com?token=x", "parameters"),
        ("https://", "names no server"),
        ("http://localhost:port", "is none"),
    ],
)
def test_a_url_that_cannot_be(url: str, words: str) -> None:
    """The reason is said, and no secret."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        HttpWorld(url, token="")
    assert "secret" not in str(caught.value)


async def test_nobody_answers() -> None:
    """Opening says so at once, and closed worlds are not asked."""
    world = cast(World, HttpWorld("http://127.0.0.1:9", token=""))
    with pytest.raises(WorldError, match=r"does not answer.*torpor serve"):
        await world.open()
    with pytest.raises(UsageError, match="is not open"):
        await world.get_run(RUN)


async def answering(status: int, body: bytes) -> TorporError:
    """Return what opening says of a server that answers so."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers={"content-type": MEDIA}))
    with pytest.raises(TorporError) as caught:
        await HttpWorld(URL, token="", transport=transport).open()
    return caught.value


async def test_something_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A web page, or nothing at that address; a server that is away is waited for, here not long."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.1)
    assert isinstance(await answering(200, b"<html>"), ConfigurationError)
    assert "no /v2/world" in str(await answering(404, b"nothing here"))
    assert isinstance(await answering(500, b""), WorldError)
    assert isinstance(await answering(502, b"the server is away"), WorldError)


@pytest.mark.parametrize("lacks", ["record", "field"])
async def test_a_server_that_is_older_is_refused(lacks: str) -> None:
    """It would drop what it does not know; the first such thing is named."""
    fields = {name: list(known) for name, known in fields_given().items()}
    if lacks == "record":
        del fields["resume_hook"]
    else:
        fields["Commit"].remove("park")
    known = {"protocol": 1, "version": "0.0.9", "server": "s", "fields": fields}
    error = await answering(200, msgspec.msgpack.encode(known))
    assert isinstance(error, ConfigurationError)
    assert "upgrade the server first" in str(error)
    assert ("resume_hook" if lacks == "record" else "Commit.park") in str(error)


async def test_a_server_of_another_protocol_is_refused() -> None:
    """Both versions are named."""
    known = {"protocol": 9, "version": "9.0", "server": "s", "fields": {}}
    error = await answering(200, msgspec.msgpack.encode(known))
    assert "9.0" in str(error)
    assert isinstance(error, ConfigurationError)


async def test_what_a_server_does_not_understand_names_the_versions(way: Way) -> None:
    """A method or a record of another version."""
    headers = {"authorization": f"Bearer {way.token.text}"}
    async with httpx.AsyncClient(transport=way, base_url=URL, headers=headers) as plain:
        unknown = await plain.post("/v2/world/fly", content=b"")
        assert (unknown.status_code, "no method fly" in unknown.json()["detail"]) == (404, True)
        wrong = await plain.post("/v2/world/get_run", content=msgspec.msgpack.encode({"id": 3}))
        assert (wrong.status_code, "same version" in wrong.json()["detail"]) == (400, True)


async def test_the_servers_clock_is_known(way: Way) -> None:
    """Whatever this machine's shows."""
    world = cast(World, HttpWorld(URL, None, way.token.text, way))
    await world.open()
    assert abs(world.clock.now() - T) < 60_000
    cast(ManualClock, way.world.clock).jump(3_600_000)
    await world.get_run((await world.create_run(replace(new_run(), id="wrun_other"))).id)


async def test_an_ended_run_is_not_held(way: Way, world: World) -> None:
    """The server forgets what its turn knew."""
    turn = await begin(world, RUN)
    await turn.commit(ending())
    assert way.service.part(Border).held._kept.keys() <= {RUN}
    assert (await world.get_run(RUN)).worker != WORKER
