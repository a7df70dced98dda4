"""Steps for others: what they ask to be carried out here, and what they tell of steps that are carried out there."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from torpor.clock import Clock
from torpor.codec.typing.annotations import convert_arguments
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, running
from torpor.engine.remote import CALLBACK_ROUTE, RAISED, SECRET, WAIT_SECONDS, result_of, said
from torpor.engine.step_definition import StepDefinition
from torpor.engine.step_functions import as_called
from torpor.errors import (
    ArgumentError,
    EntityConflictError,
    FatalError,
    HostError,
    RetryableError,
    RunNotFoundError,
    StepError,
    TorporError,
    UsageError,
)
from torpor.http.problems import BadRequestError, Problem, UnknownAddressError, answer_to, problem_response
from torpor.http.routing import Call, Router, json_response
from torpor.lifecycle import RUN_TERMINAL
from torpor.limits import PAYLOAD_BYTES_MAX
from torpor.signing import check_signed, signed_headers

router = Router("steps")

CALLBACK_PAUSES: Final = (0.2, 1.0, 5.0, 25.0, 125.0)
"""Seconds between attempts to call back."""

_log: Final = logging.getLogger("torpor.steps")


class Asked(msgspec.Struct, frozen=True):
    """
    A step that somebody wants to be carried out.

    Attributes:
        args, kwargs: its arguments.
        step: its name where it is asked for.
        run: id of the run that waits for it.
        attempt: which one it is.
        callback: where to tell how it ended, if that takes long; ``""`` for nowhere.
    """

    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    step: str = ""
    run: str = ""
    attempt: Annotated[int, Meta(ge=1)] = 1
    callback: str = ""


class Ended(msgspec.Struct, frozen=True):
    """
    How a step ended that was accepted.

    Attributes:
        result: what it returned.
        error: why it failed instead, null when it did not.
    """

    result: Any = None
    error: str | None = None


@router.post("/steps/{name}", "open", others={202: "accepted; the callback tells how it ended"})
async def carry_out(call: Call) -> Response:
    """
    Carry out a step of this application, for whoever signs the request.

    The same step id is carried out once at a time: who asks again meanwhile gets the same outcome. Asked again later
    it is carried out again, so that steps use ``current_step().step_id`` as idempotency key.
    """
    body = await call.bytes(PAYLOAD_BYTES_MAX)
    secret = os.environ.get(SECRET, "")
    definition = call.service.step(call.part("name")) if secret else None
    if not secret:
        raise UnknownAddressError(f"this server carries out no steps for others: {SECRET} is not set")
    step_id = check_signed(secret, call.request.headers, body, call.service.client.world.clock.now())
    if definition is None or definition.remote is not None:
        raise UnknownAddressError(f"there is no step {call.part('name')!r:.200} here, or several of that name")
    asked = _decoded(body, Asked)
    carried, key = call.service.carried, (definition.name, step_id)
    work = carried.get(key)
    if work is None:
        work = call.service.later(_carried_out(definition, step_id, asked, call.service.client.world.clock))
        carried[key] = work
        work.add_done_callback(lambda _: carried.pop(key, None))
    seconds = _wait(call.request.headers.get("prefer", "")) if asked.callback else None
    stopping = asyncio.ensure_future(call.service.stopping.wait())
    try:
        await asyncio.wait((work, stopping), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    if work.done() and not work.cancelled():
        return _answer(work.result())
    if call.service.stopping.is_set():
        return answer_to(HostError("the server stops; ask again"), **{"Retry-After": "1"})
    call.service.later(_call_back(secret, step_id, asked.callback, work, call.service.client.world.clock))
    return json_response({"accepted": step_id}, 202)


@router.post(f"{CALLBACK_ROUTE}{{run}}/{{step}}", "open", status=204)
async def called_back(call: Call) -> Response:
    """
    Take what a service tells of a step that it had accepted, and let the run go on.

    It is signed as the request was. 409 with ``Retry-After``: the run does not wait for it yet; tell it again.
    """
    body = await call.bytes(PAYLOAD_BYTES_MAX)
    run_id, step_id, client = call.part("run"), call.part("step"), call.service.client
    definition = await _definition_of(call, run_id, step_id)
    if definition is None or definition.remote is None:
        raise UnknownAddressError("there is no step that waits to be told of here")
    if check_signed(definition.remote.read_secret(), call.request.headers, body, client.world.clock.now()) != step_id:
        raise BadRequestError("the request is signed for another step")
    told = _decoded(body, Ended)
    result, failed = told.result, told.error
    if failed is None:
        try:
            result = result_of(definition.name, definition.function, result)
        except FatalError as error:
            failed = str(error)
    try:
        await client.run(run_id).resolve(step_id, result, failed=failed)
    except EntityConflictError as error:
        return answer_to(error, **{"Retry-After": "1"})
    return Response(status_code=204)


async def _definition_of(call: Call, run_id: str, step_id: str) -> StepDefinition | None:
    """Return what a step is that is open, None when it is not, or its run has ended."""
    try:
        entities = await call.service.client.world.open_entities(run_id)
    except RunNotFoundError:
        return None
    step = None if entities.run.status in RUN_TERMINAL else entities.steps.get(step_id)
    return None if step is None else call.service.step(step.name)


class _NoBeats:
    """Heartbeats of what is carried out for others go nowhere: who asks has a timeout."""

    def beat(self, progress: tuple[object, ...]) -> None: ...

    def progress(self) -> None: ...


async def _carried_out(definition: StepDefinition, step_id: str, asked: Asked, clock: Clock) -> bytes | TorporError:
    """Return what a step returned, in JSON, or why not."""
    function = as_called(definition.function)
    step = StepMetadata(
        step_id=step_id,
        name=definition.name,
        run_id=asked.run,
        attempt=asked.attempt,
        started_at=clock.now(),
        beats=_NoBeats(),
    )
    workflow = WorkflowMetadata(asked.run, "", step.started_at, "")
    try:
        args, kwargs = convert_arguments(function, asked.args, asked.kwargs, f"step {definition.name}")
        with running(step, workflow):
            async with asyncio.timeout(definition.timeout):
                if inspect.iscoroutinefunction(function):
                    result = await function(*args, **kwargs)
                else:
                    result = await asyncio.to_thread(function, *args, **kwargs)
        return said({"result": result})
    except TorporError as error:
        return error
    except Exception as error:  # noqa: BLE001  # a step of anybody's may raise anything
        _log.warning("step %s, for others, failed: %r", definition.name, error)
        return StepError(f"step {definition.name} failed: {type(error).__name__}: {error!s:.2000}")


def _answer(outcome: bytes | TorporError) -> Response:
    if isinstance(outcome, bytes):
        return Response(outcome, media_type="application/json")
    if isinstance(outcome, RetryableError):
        due = outcome.retry_at(0)
        return answer_to(HostError(str(outcome)), **({} if due is None else {"Retry-After": str(-(-due // 1000))}))
    if isinstance(outcome, (FatalError, UsageError)):
        return answer_to(outcome if isinstance(outcome, ArgumentError) else ArgumentError(str(outcome)))
    title = "The step was begun and raised an error."
    return problem_response(Problem(f"urn:torpor:error:{RAISED}", title, 500, str(outcome), RAISED))


async def _call_back(
    secret: str, step_id: str, url: str, work: asyncio.Future[bytes | TorporError], clock: Clock
) -> None:
    """Tell how a step ended, until somebody has heard."""
    import httpx  # noqa: PLC0415  # an extra of the extra's: who answers at once needs none

    outcome = await work
    body = outcome if isinstance(outcome, bytes) else said({"error": str(outcome)})
    async with httpx.AsyncClient(follow_redirects=False) as client:
        for pause in (0.0, *CALLBACK_PAUSES):
            await asyncio.sleep(pause)
            headers = {"Content-Type": "application/json", **signed_headers(secret, step_id, body, clock.now())}
            try:
                answer = await client.post(url, content=body, headers=headers)
            except httpx.HTTPError as error:
                _log.info("how step %s ended cannot be told yet: %r", step_id, error)
                continue
            if answer.status_code not in (408, 409, 425, 429) and answer.status_code < 500:
                if answer.is_error:
                    _log.warning("how step %s ended is not wanted: %d %.500s", step_id, answer.status_code, answer.text)
                return
    _log.error("how step %s ended could not be told to %s; its run waits: torpor resolve", step_id, url)


def _wait(prefer: str) -> float:
    """Return how long a caller waits for an answer: ``wait`` of its ``Prefer`` (RFC 7240)."""
    for part in prefer.split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.isascii() and value.isdigit():
            return min(float(value), WAIT_SECONDS)
    return WAIT_SECONDS


def _decoded(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is not as it should be: {error}") from error
