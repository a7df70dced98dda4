"""The OpenAPI document: made from the routes, and from the annotations of their handlers."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from starlette.responses import Response

from torpor.http.problems import PROBLEM_TYPE, Problem
from torpor.http.routing import JSON, VALUE, Route, Router, json_response

_REF: Final = "#/components/schemas/{name}"
_REFUSALS: Final = {
    "4XX": "What was asked for cannot be; the problem says what to change.",
    "5XX": "The server or its world has failed, or lacks something now.",
}


def documenting(routes: Sequence[Route]) -> Router:
    """Return a router that answers with the document of these routes, and of its own."""
    router = Router("openapi")

    @router.get("/openapi.json", "read")
    async def openapi() -> Response | dict[str, Any]:
        """Return this document."""
        return json_response(document((*routes, *router)))

    return router


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document of routes."""
    known = [(route, route.hints()) for route in routes]
    kinds = [Problem]
    for _, hints in known:
        kinds += [hints[name] for name in ("body", "query") if name in hints]
        if (told := _told(hints["return"])) is not None:
            kinds.append(told)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = {repr(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route, hints in known:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, hints, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Torpor", "version": version("torpor"), "summary": "Durable workflows by HTTP."},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(
    route: Route, hints: dict[str, Any], schema_of: dict[str, Any], components: dict[str, Any]
) -> dict[str, Any]:
    head, _, rest = (route.handler.__doc__ or "").strip().partition("\n")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if "query" in hints:
        parameters += _query(schema_of[repr(hints["query"])], components)
    parameters += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in route.headers]
    told = _told(hints["return"])
    schema = {} if told is None else schema_of[repr(told)]
    statuses = {route.status: "It is done.", **route.others}
    problem = {PROBLEM_TYPE: {"schema": schema_of[repr(Problem)]}}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": head,
        "description": "\n".join(line.strip() for line in rest.strip().splitlines()),
        "parameters": parameters,
        "responses": {
            **{
                str(status): {"description": text, **({} if status == 204 else {"content": _content(route, schema)})}
                for status, text in statuses.items()
            },
            **{range_: {"description": text, "content": problem} for range_, text in _REFUSALS.items()},
        },
        "security": [] if route.needed == "open" else [{"token": []}],
        "x-role": route.needed,
    }
    if route.carries or "body" in hints:
        body = {} if route.carries else schema_of[repr(hints["body"])]
        operation["requestBody"] = {
            "required": False,
            "content": {JSON: {"schema": body}, VALUE: {"schema": {"type": "string", "format": "binary"}}},
        }
    return operation


def _content(route: Route, schema: dict[str, Any]) -> dict[str, Any]:
    raw = {"type": "string", "format": "binary"}
    return {media: {"schema": schema if media == JSON else raw} for media in route.media}


def _query(schema: dict[str, str], components: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of a record as parameters; *schema* refers to it."""
    fields = components[schema["$ref"].rpartition("/")[2]]["properties"]
    return [{"name": name, "in": "query", "schema": _plain(schema)} for name, schema in fields.items()]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter: what is left out has no value there, so there is no null."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return rest if not options else options[0] if len(options) == 1 else {"anyOf": options}


def _told(hint: Any) -> Any:
    """Return what a handler answers with, None when that is nothing, or no record."""
    origin = typing.get_origin(hint)
    if origin in (list, dict) or (isinstance(origin, type) and issubclass(origin, msgspec.Struct)):
        return hint
    kinds = [kind for kind in typing.get_args(hint) or (hint,) if kind is not Response]
    return kinds[0] if kinds and kinds[0] is not type(None) else None
