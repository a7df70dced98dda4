"""Asking a copy of a run for what one of its queries tells."""

from __future__ import annotations

from typing import Any

import msgspec

from torpor import codec
from torpor.engine.deployments import positional
from torpor.errors import UsageError
from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router
from torpor.http.runs import known_run
from torpor.inspection.readable import readable_payload, summary

router = Router("queries")

_TOLD_CHARS: int = 500


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What a query is asked with.

    Attributes:
        args, kwargs: its arguments.
    """

    args: list[Any] = []
    kwargs: dict[str, Any] = {}


class QueryError(UsageError):
    """A query has raised; the message says what."""

    code = "QUERY_FAILED"


class Told(msgspec.Struct, frozen=True):
    """What a query returned."""

    value: Any


@router.post("/v1/runs/{run}/queries/{query}", "read")
async def query(call: Call, body: Arguments) -> Told:
    """Ask a copy of a run; the run is not woken, changed or delayed."""
    info = await known_run(call)
    name, service = call.part("query"), call.service
    if info.key_id and not call.opens(info):
        raise ForbiddenError("the run is encrypted, as is what its queries tell: this takes the role decrypt")
    text = codec.unpack_devalue(codec.dumps(positional(body.args, body.kwargs), f"the arguments of query {name}"))
    async with service.asking, service.reader(decrypt=bool(info.key_id)).copy(info.id) as copy:
        answer = await copy.query(name, text)
    told = readable_payload(codec.pack_devalue(answer.value or answer.error or ""))
    if answer.error is not None:
        raise QueryError(f"query {name} of run {info.id} has raised: {summary(told, _TOLD_CHARS)}")
    return Told(told)
