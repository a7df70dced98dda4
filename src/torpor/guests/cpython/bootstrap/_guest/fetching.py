"""``fetch``, a step that every application has: what it returns is recorded, and it is tried again like any."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from torpor.codec.requests import Request, Response
from torpor.errors import UsageError

from .steps import ask

_STEP = "step//torpor//fetch"


async def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str | bytes | None = None,
    json: Any = None,
) -> Response:
    """
    Make an HTTP request, and return the response; see :func:`torpor.fetch`.

    Raises:
        UsageError: there are two bodies, or one for a GET.
    """
    given = dict(headers or {})
    if json is not None:
        if body is not None:
            raise UsageError("fetch takes a body or json, and was given both")
        body = dumps(json)
        if not any(name.lower() == "content-type" for name in given):
            given["content-type"] = "application/json"
    if body is not None and method.upper() in ("GET", "HEAD"):
        raise UsageError(f"fetch: a {method.upper()} request has no body; say which method: method='POST'")
    response: Response = await ask(_STEP, {"args": [Request(url, method=method, headers=given, body=body)]})
    return response
