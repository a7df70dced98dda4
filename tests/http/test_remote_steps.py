"""Steps that another service carries out, and steps for others, by real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.engine.support import until
from tests.http import remoted
from tests.http.remoted import Receipt
from tests.http.remoted import app as application
from torpor import RunHandle, Torpor
from torpor.engine.remote import CALLBACK_ROUTE, Remote
from torpor.errors import ConfigurationError
from torpor.http import remote_steps
from torpor.http.asgi import asgi
from torpor.http.service import Service
from torpor.http.serving import listen, serving, url_of
from torpor.signing import check_signed, signed_headers

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMEOUT = 60
SECRET = "between us"  # of the tests


class Other:
    """
    Another service, which answers as the tests say.

    Attributes:
        answers: what follows a request, by the step's first argument.
        asked: the bodies of requests, in their order.
        headers: of them.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[int], Response | None]] = {}
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.counts: Counter[str] = Counter()
        self._inner = Starlette(routes=[Route("/ask", self._ask, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._inner(scope, receive, send)

    async def _ask(self, request: Request) -> Response:
        body = await request.body()
        check_signed(SECRET, request.headers, body, application.clock.now())
        asked = json.loads(body)
        self.asked.append(asked)
        self.headers.append(dict(request.headers))
        (what, *_) = asked["args"]
        self.counts[what] += 1
        answer = self.answers[what](self.counts[what])
        if answer is None:
            raise _LostError
        return answer

    def of(self, run: RunHandle) -> list[dict[str, Any]]:
        """Return what was asked for by a run."""
        return [asked for asked in self.asked if asked["run"] == run.id]


class _LostError(Exception):
    """Ends the connection."""


class _Cutting:
    """Ends a connection in the middle of an answer, where the service wants it."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._inner(scope, receive, send)
        except _LostError:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": False})


class World:
    """What the tests have: the application with a worker and a server, the other service, and a client."""

    def __init__(self, app: Torpor, other: Other, http: httpx.AsyncClient) -> None:
        self.app = app
        self.other = other
        self.http = http

    async def result(self, run: RunHandle) -> Any:
        """Return what a run returns."""
        return await run.result(timeout=TIMEOUT)

    async def blocked(self, run: RunHandle) -> str:
        """Return why a run is blocked, once it is."""

        async def why() -> str:
            return next((awaited.why for awaited in (await run.info()).blocked), "")

        return await until(self.app, why)

    async def accepted(self, run: RunHandle, what: str) -> str:
        """Return where to call back, once a run waits for that."""
        self.other.answers[what] = lambda _: Response(status_code=202)
        assert "accepted by 127.0.0.1" in await self.blocked(run)
        (asked,) = self.other.of(run)
        return str(asked["callback"])


@asynccontextmanager
async def served(app: ASGIApp, service: Service) -> AsyncIterator[str]:
    """Serve on loopback, and yield where."""
    listening = listen("127.0.0.1", 0)
    async with serving(app, service, listening):
        yield url_of(listening)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """An application with a worker and a server on loopback, and another service there."""
    application.use_world(f"sqlite:///{tmp_path_factory.mktemp('remote')}/torpor.db")
    other, service = Other(), Service(application)
    steps = application.names._steps
    before = dict(steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORPOR_STEPS_SECRET", SECRET)
        patch.setenv("NO_PROXY", "127.0.0.1")
        async with (
            served(_Cutting(other), Service(application)) as there,
            served(asgi(application, service=service), service) as here,
            httpx.AsyncClient(base_url=here, timeout=TIMEOUT, trust_env=False) as http,
        ):
            for name, step in before.items():
                if step.remote is not None:
                    where = there if step.remote.url.endswith("/ask") else here
                    url = step.remote.url.replace(remoted.THERE, where)
                    steps[name] = replace(step, remote=replace(step.remote, url=url))
            application.url = here
            try:
                async with application, application.worker():
                    yield World(application, other, http)
            finally:
                steps.update(before)


def says(value: Any, status: int = 200, **headers: str) -> Callable[[int], Response]:
    """Return an answer that is always the same."""
    return lambda _: JSONResponse(value, status, headers)


def first(answer: Response | None, then: Any) -> Callable[[int], Response | None]:
    """Return an answer to the first request, and a result for all others."""
    return lambda count: answer if count == 1 else JSONResponse({"result": then})


PAID = {"order": "o-1", "cents": 42}


async def test_a_service_carries_a_step_out(world: World) -> None:
    """It gets the arguments, signed, under a name that stays; its result is what the annotation says."""
    world.other.answers["200"] = says({"result": PAID})
    run = await world.app.start("asking", "200")
    assert await world.result(run) == Receipt("o-1", 42)
    (asked,) = world.other.of(run)
    headers = world.other.headers[-1]
    (step,) = await run.steps()
    assert (asked["args"], asked["kwargs"], asked["attempt"]) == (["200", 42], {}, 1)
    assert asked["step"] == step.name == "step//./remoted.py//ask"
    assert headers["idempotency-key"] == headers["torpor-step-id"] == step.id
    assert asked["callback"] == f"{world.app.url}{CALLBACK_ROUTE}{run.id}/{step.id}"


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_what_is_not_now_is_tried_again(world: World, status: int) -> None:
    """After ``Retry-After``, under the same name."""
    world.other.answers[f"{status}"] = first(Response(status_code=status, headers={"Retry-After": "0"}), PAID)
    run = await world.app.start("asking", f"{status}")
    assert await world.result(run) == Receipt("o-1", 42)
    assert [asked["attempt"] for asked in world.other.of(run)] == [1, 2]
    assert world.other.headers[-1]["idempotency-key"] == world.other.headers[-2]["idempotency-key"]


async def test_a_service_says_when_to_ask_again(world: World) -> None:
    """In seconds, which the log has."""
    world.other.answers["soon"] = first(Response(status_code=429, headers={"Retry-After": "1"}), PAID)
    run = await world.app.start("asking", "soon")
    assert await world.result(run) == Receipt("o-1", 42)
    (retrying,) = [event for event in await run.events() if event.type == "step_retrying"]
    assert 1000 <= retrying.due - retrying.at <= 2000


@pytest.mark.parametrize("status", [301, 400, 401, 404, 409, 422])
async def test_a_refusal_fails_the_step(world: World, status: int) -> None:
    """At once, with what the service says."""
    world.other.answers[f"{status}"] = says({"detail": "no such order"}, status, Location="/ask")
    run = await world.app.start("asking", f"{status}")
    told = await world.result(run)
    assert told.startswith("FatalError: ")
    assert f"answered {status}: no such order" in told
    assert len(world.other.of(run)) == 1


@pytest.mark.parametrize(
    "answer", [Response("oops", status_code=500), Response("[1]"), None], ids=["500", "odd", "lost"]
)
async def test_an_unknown_outcome_is_tried_again(world: World, answer: Response | None) -> None:
    """Since the service knows the step by its name."""
    what = f"lost {answer and answer.body!r}"
    world.other.answers[what] = first(answer, PAID)
    run = await world.app.start("asking", what)
    assert await world.result(run) == Receipt("o-1", 42)
    assert [asked["attempt"] for asked in world.other.of(run)] == [1, 2]


@pytest.mark.parametrize("answer", [Response("oops", status_code=500), None], ids=["500", "lost"])
async def test_an_unknown_outcome_blocks_what_must_not_happen_twice(world: World, answer: Response | None) -> None:
    """Until somebody, or the service itself, says how it ended."""
    what = f"once {answer and answer.body!r}"
    world.other.answers[what] = first(answer, PAID)
    run = await world.app.start("asking_once", what)
    assert await world.blocked(run) == "attempt 1 ended with UnknownOutcomeError"
    assert len(world.other.of(run)) == 1
    (awaited,) = (await run.info()).blocked
    await run.resolve(awaited.op, "looked up")
    assert await world.result(run) == "looked up"


async def test_what_was_not_sent_is_known(world: World) -> None:
    """Where nobody listens, also what must not happen twice is known not to have happened."""
    name = "step//./remoted.py//ask_once"
    step = world.app.names._steps[name]
    assert step.remote is not None
    nowhere = listen("127.0.0.1", 0)
    address = url_of(nowhere)
    nowhere.close()
    world.app.names._steps[name] = replace(step, remote=replace(step.remote, url=address))
    try:
        run = await world.app.start("asking_once", "nobody")
        assert "cannot be reached, and was asked for nothing" in await world.result(run)
    finally:
        world.app.names._steps[name] = step


async def test_an_accepted_step_waits_for_its_callback(world: World) -> None:
    """Durably: the worker may go meanwhile. The callback is signed; it counts once."""
    world.other.answers["202"] = says(None, 202)
    run = await world.app.start("asking", "202")
    callback = await world.accepted(run, "202")
    step_id = callback.rpartition("/")[2]
    body = json.dumps({"result": PAID}).encode()

    def signed(secret: str = SECRET, step: str = step_id, later: int = 0) -> dict[str, str]:
        return signed_headers(secret, step, body, world.app.clock.now() + later)

    for headers in ({}, signed("another"), signed(later=-301_000)):
        refused = await world.http.post(callback, content=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "SIGNATURE")
    other = await world.http.post(callback, content=body, headers=signed(step="step_other"))
    assert other.status_code == 400
    changed = await world.http.post(callback, content=body + b" ", headers=signed())
    assert changed.status_code == 401
    assert (await run.info()).blocked
    told = await world.http.post(callback, content=body, headers=signed())
    assert (told.status_code, told.content) == (204, b"")
    assert await world.result(run) == Receipt("o-1", 42)
    again = await world.http.post(callback, content=body, headers=signed())
    assert again.status_code == 404


async def test_a_callback_may_tell_of_a_failure(world: World) -> None:
    """And what does not fit the annotation is one."""
    for body, said in (({"error": "out of stock"}, "out of stock"), ({"result": {"order": 1}}, "cents")):
        what = f"fails {said}"
        world.other.answers[what] = says(None, 202)
        run = await world.app.start("asking", what)
        callback = await world.accepted(run, what)
        content = json.dumps(body).encode()
        headers = signed_headers(SECRET, callback.rpartition("/")[2], content, world.app.clock.now())
        assert (await world.http.post(callback, content=content, headers=headers)).status_code == 204
        assert said in await world.result(run)


async def test_a_callback_that_comes_too_early_is_told_so(world: World) -> None:
    """It is to be sent again."""
    told: list[Response | httpx.Response] = []

    async def early(request: Request) -> Response:
        body = json.dumps({"result": PAID}).encode()
        asked = json.loads(await request.body())
        headers = signed_headers(SECRET, request.headers["torpor-step-id"], body, world.app.clock.now())
        told.append(await world.http.post(asked["callback"], content=body, headers=headers))
        return JSONResponse({"result": PAID})

    service = Service(world.app)
    name = "step//./remoted.py//ask"
    step = world.app.names._steps[name]
    assert step.remote is not None
    async with served(Starlette(routes=[Route("/ask", early, methods=["POST"])]), service) as url:
        world.app.names._steps[name] = replace(step, remote=replace(step.remote, url=f"{url}/ask"))
        try:
            assert await world.result(await world.app.start("asking", "early")) == Receipt("o-1", 42)
        finally:
            world.app.names._steps[name] = step
    (answer,) = told
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")


async def test_one_torpor_carries_out_steps_of_another(world: World) -> None:
    """A ``def`` step, by its short name; what it raises is told, and retried as it says."""
    assert await world.result(await world.app.start("doubling", 21)) == 42
    assert "FatalError" in (told := await world.result(await world.app.start("refusing", "fatal")))
    assert "never" in told
    for how in ("later", "odd"):
        told = await world.result(await world.app.start("refusing", how))
        assert told.startswith("StepError: ")
        assert "after 2 attempts" in told
    assert Counter(remoted.attempts) == {"fatal": 1, "later": 2, "odd": 2}


async def test_what_takes_long_is_accepted_and_called_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run holds nothing while it waits."""
    monkeypatch.setattr(remote_steps, "WAIT_SECONDS", 0)
    run = await world.app.start("waiting", 7)
    assert "accepted by 127.0.0.1" in await world.blocked(run)
    await asyncio.wait_for(remoted.begun.wait(), TIMEOUT)
    remoted.go_on.set()
    assert await world.result(run) == Receipt("slow", 7)


async def test_only_who_signs_is_served(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others, and steps that there are not, are refused; without a secret nobody is served."""
    body = b'{"args": [4]}'

    async def post(path: str, secret: str = SECRET, content: bytes = body) -> tuple[int, Any]:
        headers = signed_headers(secret, "step_01", body, world.app.clock.now())
        answer = await world.http.post(path, content=content, headers=headers)
        return answer.status_code, answer.json().get("code", answer.json().get("result"))

    assert await post("/steps/double") == (200, 8)
    assert await post("/steps/step%2F%2F.%2Fremoted.py%2F%2Fdouble") == (200, 8)
    assert await post("/steps/double", "another") == (401, "SIGNATURE")
    assert await post("/steps/double", content=b'{"args": [5]}') == (401, "SIGNATURE")
    assert (await world.http.post("/steps/double", content=body)).status_code == 401
    assert await post("/steps/nothing") == (404, "UNKNOWN_ADDRESS")
    assert await post("/steps/doubled") == (404, "UNKNOWN_ADDRESS")
    body = b'{"args": ["x", 1, 2]}'
    assert await post("/steps/double", content=body) == (422, "ARGUMENT")
    body = b"[]"
    assert await post("/steps/double", content=body) == (400, "BAD_REQUEST")
    monkeypatch.delenv("TORPOR_STEPS_SECRET")
    assert await post("/steps/double", content=body) == (404, "UNKNOWN_ADDRESS")


@pytest.mark.parametrize("url", ["ftp://there", "there", "https://", "https://user:pass@there/"])
async def test_nowhere_is_refused(url: str) -> None:
    """Where the step is written down."""
    with pytest.raises(ConfigurationError, match="url="):
        Remote(url)
    with pytest.raises(ConfigurationError, match="secret of a step"):
        Torpor("memory://").step(secret="S")  # the name of a variable
