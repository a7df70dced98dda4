"""What forms do. Each leads back to a page, so that loading it again does nothing again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import RedirectResponse, Response

from torpor.errors import ConflictError, HookNotFoundError, UsageError
from torpor.http.pages.rendering import HTML, pages, query
from torpor.http.problems import BadRequestError, MediaTypeError
from torpor.http.routing import Call
from torpor.http.runs import known_run
from torpor.run_handle import RunHandle

router = pages("pages")

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 1_000
FORM_BYTES_MAX: Final = 1_048_576

Act = Callable[[RunHandle[Any], dict[str, str]], Awaitable[Any]]

ACTS: Final[dict[str, tuple[Act, str]]] = {
    "cancel": (lambda run, given: run.cancel(given.get("reason", "")), "cancelled"),
    "retry": (lambda run, _: run.retry(), "retried"),
    "pause": (lambda run, _: run.pause(), "paused"),
    "unpause": (lambda run, _: run.unpause(), "going on"),
    "wake": (lambda run, _: run.wake_up(), "woken"),
}
"""What may be done to a run, and what it is then."""


async def pairs(call: Call) -> list[tuple[str, str]]:
    """
    Return the fields of a form.

    Raises:
        MediaTypeError, BadRequestError: the body is none.
        TooLargeError, SlowRequestError: as :meth:`torpor.http.routing.Call.bytes`.
    """
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise MediaTypeError(f"the body is {kind!r:.100}; send {FORM}")
    try:
        text = (await call.bytes(FORM_BYTES_MAX)).decode("ascii")
        return parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise BadRequestError(f"the body is no form: {error}") from error


async def fields(call: Call) -> dict[str, str]:
    """Return the fields of a form, of each name the last; see :func:`pairs`."""
    return dict(await pairs(call))


@router.post("/runs/act", "operate", media=(HTML,))
async def act_on_many(call: Call) -> Response:
    """Cancel or retry the runs that were chosen in the list."""
    given = await pairs(call)
    named = dict(given)
    act, done = _act(named)
    count, refusals = 0, list[str]()
    for run_id in dict.fromkeys(value for name, value in given if name == "run"):
        info = await call.service.reader(decrypt=False).info(run_id)
        if not call.grant.covers(info.workflow, info.queue):
            continue
        try:
            await act(call.service.client.run(run_id), named)
            count += 1
        except ConflictError as error:  # it ended meanwhile, or is not in the state for it
            refusals.append(str(error))
    said = f"{count} {done}" + (f"; {len(refusals)} refused: {refusals[0]}" if refusals else "")
    return back(call, named.get("back", ""), said)


@router.post("/runs/{run}/act", "operate", media=(HTML,))
async def act_on_one(call: Call) -> Response:
    """Do something to a run."""
    info = await known_run(call)
    given = await fields(call)
    if given.get("act") == "rerun":
        run = await call.service.client.run(info.id).rerun()
        return to_run(call, run.id, f"runs anew what {info.id} was given")
    act, done = _act(given)
    await act(call.service.client.run(info.id), given)
    return to_run(call, info.id, done)


@router.post("/runs/{run}/resume", "operate", media=(HTML,))
async def resume(call: Call) -> Response:
    """Give a hook of a run what it waits for."""
    info = await known_run(call)
    given = await fields(call)
    token = given.get("token", "")
    hook = await call.service.client.get_hook(token)
    if hook.run.id != info.id:
        raise HookNotFoundError(f"no live hook of run {info.id} has the token {token!r}")
    await call.service.client.resume_hook(token, _value(given), resume_id=given.get("resume_id") or None)
    return to_run(call, info.id, f"resumed {token}")


@router.post("/runs/{run}/fork", "operate", media=(HTML,))
async def fork(call: Call) -> Response:
    """Start a new run that goes on from a place of this one's log, if wished with another result of a step."""
    info = await known_run(call)
    given = await fields(call)
    try:
        at, op = int(given.get("at", "")), int(given.get("op") or 0)
    except ValueError as error:
        raise BadRequestError("at and op are numbers") from error
    run = await call.service.client.run(info.id).fork(at=at, results={op: _value(given)} if op else None)
    return to_run(call, run.id, f"forked from {info.id} after event {at}")


@router.post("/runs/{run}/resolve", "operate", media=(HTML,))
async def resolve(call: Call) -> Response:
    """Say how a step ended that a run is blocked on."""
    info = await known_run(call)
    given = await fields(call)
    failed = given.get("failed") or None
    value = None if failed else _value(given)
    await call.service.client.run(info.id).resolve(given.get("op", ""), value, failed=failed)
    return to_run(call, info.id, "resolved")


def _act(given: dict[str, str]) -> tuple[Act, str]:
    act = given.get("act", "")
    if act not in ACTS:
        raise BadRequestError(f"act={act:.50}: one of {', '.join(ACTS)}")
    return ACTS[act]


def _value(given: dict[str, str]) -> Any:
    """Return the JSON value of a form, None for none at all."""
    text = given.get("value", "").strip()
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the value is no JSON: {error}; a text stands in double quotes") from error


def to_run(call: Call, run_id: str, said: str) -> Response:
    """Lead to a run."""
    return RedirectResponse(call.address("runs", run_id) + query(said=said), 303)


def back(call: Call, search: str, said: str) -> Response:
    """Lead back to the list, with what was searched there."""
    known = [(name, value) for name, value in parse_qsl(search.removeprefix("?")) if name != "said"]
    return RedirectResponse(call.address("") + query(**dict(known), said=said), 303)
