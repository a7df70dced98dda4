"""
A world for those who have it behind a URL: workers and clients without the database's password.

Each method of :class:`torpor.world.World` is a ``POST`` with its arguments; what changes is told on a connection that
stays; snapshots are ``/v2/runs/{run_id}/snapshot``. The other end is :mod:`torpor.worlds.http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse

from torpor.errors import HostError, LeaseLostError, RunNotFoundError, TorporError, WorldError
from torpor.http.border import Answer, Border
from torpor.http.hearing import ANSWERED, Hearing
from torpor.http.problems import (
    BadRequestError,
    ForbiddenError,
    SlowRequestError,
    TooLargeError,
    UnknownAddressError,
    status_of,
)
from torpor.http.routing import Call, Router, audit
from torpor.http.secrecy import without_tokens
from torpor.http.tokens import BLOBS
from torpor.limits import HTTP_BODY_SECONDS_MAX, SNAPSHOT_BYTES_MAX, WORLD_BODY_BYTES_MAX
from torpor.model import ClaimRequest, Claims, Commit, Committed, Entities, Notice, Run, RunState, Snapshot
from torpor.world import World
from torpor.worlds.http.contract import (
    MEDIA,
    NOW,
    PATH,
    PROBLEM,
    PROTOCOL,
    REQUEST,
    SERVER,
    SNAPSHOT,
    SNAPSHOT_FACTS,
    SNAPSHOT_INLINE_MAX,
    Known,
    Method,
    decode,
    encode,
    fields_given,
    methods,
)
from torpor.worlds.http.faults import fault_of
from torpor.worlds.http.frames import ANYTHING, PING_SECONDS, frame
from torpor.worlds.http.frames import MEDIA as NOTICES

_PIECE_BYTES: Final = 256 * 1024
_NOTICES_MAX: Final = 1_000
_BYTES: Final = "application/octet-stream"

router = Router("remote")


@router.get(PATH, "read", media=(MEDIA,))
async def meet(call: Call) -> Response:
    """Tell what this server knows, so that a client that knows more leaves it alone."""
    call.grant.require_whole()
    border, world = call.service.part(Border), call.service.client.world
    fields = {name: list(known) for name, known in fields_given().items()}
    known = Known(PROTOCOL, version("torpor"), border.server, fields, world.capabilities.listen_ms)
    return _response(call, Answer(200, encode(known), {}))


@router.get(f"{PATH}/notices", "read", media=(NOTICES,))
async def notices(call: Call) -> Response:
    """Tell what changes, until the client goes or the server stops."""
    call.grant.require_whole()
    told = _told(call.service.client.world, call.service.stopping)
    return StreamingResponse(told, media_type=NOTICES)


@router.route("POST", f"{PATH}/{{method}}", "read", media=(MEDIA,), is_quiet=True)
async def ask(call: Call) -> Response:
    """Carry a method of the world out."""
    method = methods().get(call.part("method"))
    if method is None:
        raise UnknownAddressError(
            f"worlds have no method {call.part('method')} in Torpor {version('torpor')}; upgrade the server"
        )
    call.grant.require_whole()
    call.grant.require(method.role)
    body = await call.bytes(WORLD_BODY_BYTES_MAX)
    try:
        arguments = decode(body, method.arguments)
    except msgspec.DecodeError as error:
        raise BadRequestError(
            f"{method.name} is not asked for as Torpor {version('torpor')} has it: {error}; bring client and server to "
            "the same version"
        ) from error
    _refuse_tokens(arguments)
    hearing, clock = call.service.part(Hearing), call.service.client.world.clock
    if hearing.begin(clock):
        call.service.later(hearing.listen(clock))
    if method.role == "operate":
        audit.info("%s: %s", call.grant.who, method.name)

    async def carry_out() -> Answer:
        return await _answer(call, method, arguments)

    request_id = call.request.headers.get(REQUEST, "")
    if not (request_id and method.changes):
        return _response(call, await carry_out())
    return _response(call, await call.service.part(Border).answers.once(f"{method.name} {request_id}", carry_out))


@router.get("/v2/runs/{run_id}/snapshot", "read", media=(_BYTES,))
async def read_snapshot(call: Call) -> Response:
    """Return the newest snapshot of a run: opaque bytes, its facts in a header."""
    call.grant.require_whole()
    run_id = call.part("run_id")
    try:
        found = await call.service.client.world.snapshot(run_id)
        if found is None:
            raise RunNotFoundError(f"run {run_id} has no snapshot")
    except TorporError as error:
        return _response(call, _fault(error, call))
    headers = {**_facts(found), "content-length": str(len(found.data))}
    return StreamingResponse(_pieces(found.data), headers={**headers, **_of_all(call)}, media_type=_BYTES)


@router.route("PUT", "/v2/runs/{run_id}/snapshot", "work", status=204, is_quiet=True)
async def upload_snapshot(call: Call) -> None:
    """Keep bytes under their content address until a commit makes them the run's snapshot."""
    call.grant.require_whole()
    uploads = call.service.part(Border).uploads
    address = call.request.headers.get(SNAPSHOT, "")
    digest, taken = hashlib.sha256(), bytearray()
    pieces = aiter(call.request.stream())
    while True:
        try:
            async with asyncio.timeout(HTTP_BODY_SECONDS_MAX):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise SlowRequestError(f"nothing of the snapshot has come for {HTTP_BODY_SECONDS_MAX} s") from None
        if piece is None:
            break
        digest.update(piece)
        taken += piece
        if len(taken) > SNAPSHOT_BYTES_MAX:
            raise TooLargeError(f"the snapshot has more than {SNAPSHOT_BYTES_MAX} bytes, which no snapshot has")
        uploads.room(len(taken))
    if not hmac.compare_digest(digest.hexdigest(), address):
        raise BadRequestError(
            f"the snapshot came with {SNAPSHOT}: {address:.64}, and has the SHA-256 {digest.hexdigest()}"
        )
    uploads.put(call.part("run_id"), address, bytes(taken))


@router.route("DELETE", "/v2/runs/{run_id}/snapshot", "work", status=204)
async def delete_snapshot(call: Call) -> Response | None:
    """Forget the snapshot of a run, so that it is rebuilt from its log."""
    call.grant.require_whole()
    try:
        await call.service.client.world.delete_snapshot(call.part("run_id"))
    except TorporError as error:
        return _response(call, _fault(error, call))
    return None


# Methods


def _refuse_tokens(arguments: msgspec.Struct) -> None:
    """
    Do nothing unless blobs are asked for that are tokens: who makes them may do everything.

    Raises:
        ForbiddenError: they are.
    """
    for name in ("key", "prefix"):
        if str(getattr(arguments, name, "")).startswith(BLOBS):
            raise ForbiddenError("tokens are made, listed and revoked where the world is, not behind a URL")


async def _answer(call: Call, method: Method, arguments: msgspec.Struct) -> Answer:
    """Carry a method out; return its answer, or its error."""
    border, world = call.service.part(Border), call.service.client.world
    seen_by = call.request.headers.get(SERVER, "")
    is_unsure = bool(seen_by) and seen_by != border.server  # another process may have carried it out
    headers: dict[str, str] = {}
    try:
        match method.name:
            case "commit":
                value: Any = await _commit(call, arguments.commit, border, world, is_unsure=is_unsure)  # type: ignore[attr-defined]  # as the contract has it
            case "claim" if is_unsure:
                value = await _begin_anew(arguments.request, world)  # type: ignore[attr-defined]  # as above
            case "claim":
                value = await world.claim(replace(arguments.request, elsewhere=True))  # type: ignore[attr-defined]  # as above
            case name if name in ANSWERED:
                value = await call.service.part(Hearing).answer(world, name, msgspec.structs.asdict(arguments))
            case _:
                value = await getattr(world, method.name)(**msgspec.structs.asdict(arguments))
    except TorporError as error:
        return _fault(error, call)
    if isinstance(value, RunState):
        border.held.keep(value.held)
        if value.snapshot is not None and len(value.snapshot.data) > SNAPSHOT_INLINE_MAX:
            headers = _facts(value.snapshot)
            value = replace(value, snapshot=replace(value.snapshot, data=b""))
    elif method.name == "blob_sizes":
        value = {key: size for key, size in value.items() if not key.startswith(BLOBS)}
    elif isinstance(value, Snapshot) and len(value.data) > SNAPSHOT_INLINE_MAX:
        headers, value = _facts(value), replace(value, data=b"")
    if not call.grant.roles & {"work", "decrypt"}:
        value = _without_seeds(value)
    if "operate" not in call.grant.roles:
        value = without_tokens(value)
    return Answer(200, encode(value), headers)


async def _commit(call: Call, commit: Commit, border: Border, world: World, *, is_unsure: bool) -> Committed:
    if commit.snapshot is not None and (address := call.request.headers.get(SNAPSHOT)):
        data = border.uploads.named(commit.run_id, address)
        commit = replace(commit, snapshot=replace(commit.snapshot, data=data))
    if is_unsure:
        await _give_up_unless_unstored(commit, world)
    committed = await world.commit(commit, border.held.of(commit))
    border.held.keep(committed.held)
    border.uploads.forget(commit.run_id)
    return committed


async def _give_up_unless_unstored(commit: Commit, world: World) -> None:
    """
    Do nothing if a commit that another process may have stored was not stored; else its claim ends, and the run goes on
    from what is stored, as after the death of a worker.

    Raises:
        LeaseLostError: it may be stored.
    """
    run = await world.get_run(commit.run_id)
    is_held = (run.worker, run.epoch) == (commit.worker_id, commit.epoch)
    if is_held and run.head == commit.expected_head:
        return
    why = "the server ended while it stored a turn"
    if is_held:
        await world.snooze(commit.run_id, commit.worker_id, commit.epoch, delay_ms=0, why=why)
    raise LeaseLostError(f"run {commit.run_id}: {why}; it goes on from what is stored")


async def _begin_anew(request: ClaimRequest, world: World) -> Claims:
    """
    Let a worker begin anew that may have got claims whose answer was lost with another process: nobody would work on
    them, as long as it lives.
    """
    await world.release([request.worker_id])
    return Claims(known=False)


def _without_seeds(value: Any) -> Any:
    """Return an answer without the secrets of runs that are not encrypted."""
    match value:
        case Run():
            return replace(value, seed=b"")
        case Entities():
            return replace(value, run=_without_seeds(value.run))
        case list():
            return [_without_seeds(each) for each in value]
        case dict():
            return {key: _without_seeds(each) for key, each in value.items()}
        case _:
            return value


# Answers


def _response(call: Call, answer: Answer) -> Response:
    return Response(answer.body, answer.status, {**answer.headers, **_of_all(call)}, MEDIA)


def _of_all(call: Call) -> dict[str, str]:
    """Return the headers that every answer has."""
    return {SERVER: call.service.part(Border).server, NOW: str(call.service.client.world.clock.now())}


def _fault(error: TorporError, call: Call) -> Answer:
    fault = fault_of(error, call.service.client.world.url)
    is_final = not isinstance(error, WorldError | HostError)
    return Answer(status_of(error), encode(fault), {PROBLEM: error.code}, is_final)


def _facts(snapshot: Snapshot) -> dict[str, str]:
    facts = {name: value for name, value in msgspec.structs.asdict(snapshot).items() if name != "data"}
    address = hashlib.sha256(snapshot.data).hexdigest()
    return {SNAPSHOT: address, SNAPSHOT_FACTS: msgspec.json.encode(facts).decode()}


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


async def _told(world: World, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """Return notices as they come; an empty frame first, as soon as none is missed any more."""
    waiting: list[Notice] = []
    come = asyncio.Event()

    def hear(notice: Notice) -> None:
        if len(waiting) < _NOTICES_MAX:
            waiting.append(notice)
        else:
            waiting[:] = [ANYTHING]  # who reads so slowly looks around when he has caught up
        come.set()

    unsubscribe = world.subscribe(hear)
    stop = asyncio.ensure_future(stopping.wait())
    stop.add_done_callback(lambda _: come.set())
    try:
        yield frame(None)
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await come.wait()
            come.clear()
            told, waiting[:] = [frame(notice) for notice in waiting] or [frame(None)], []
            yield b"".join(told)
    finally:
        unsubscribe()
        stop.cancel()
