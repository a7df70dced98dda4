"""The OpenAPI document is true: what it allows is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.http.serving import Server
from tests.http.test_auth import name_of
from torpor.http.asgi import ROUTES
from torpor.http.openapi import document
from torpor.http.routing import Route

EXAMPLES = 4
"""Requests made up for each route."""

WAIT = 0.01
"""The longest that a request waits, in seconds; how long makes no difference to the form of its answer."""

ASKS_WORKERS = "/v1/health"
"""Of whom there are none, which it says with 503; that need not be waited for."""

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a worker, of which anything may be asked."""
    with Server(tmp_path_factory.mktemp("idle"), "--no-worker") as running:
        yield running


@pytest.fixture(scope="module")
def schema(idle: Server) -> Any:
    """The document, as the server tells it."""
    with idle.client() as http:
        return schemathesis.openapi.from_dict(http.get("/openapi.json").json())


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_route_answers_as_documented(idle: Server, schema: Any, route: Route) -> None:
    """With a documented status and type, and data of the documented form, whatever is asked of it."""
    operation = schema[route.path][route.method]

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        query = case.query or {}
        waits = query.get("wait")
        if route.path == ASKS_WORKERS or (isinstance(waits, int | float) and waits > WAIT):
            case.query = {**query, "wait": WAIT}
        answer = case.call(base_url=idle.url, headers={"Authorization": f"Bearer {idle.token}"}, timeout=60)
        case.validate_response(answer, checks=CHECKS[1:] if route.path == ASKS_WORKERS else CHECKS)

    ask()


def test_every_route_is_documented() -> None:
    """With its role, a sentence, and whatever stands in its path."""
    paths = document(ROUTES)["paths"]
    assert {(path, method.upper()) for path, methods in paths.items() for method in methods} == {
        (route.path, route.method) for route in ROUTES
    }
    for route in ROUTES:
        operation = paths[route.path][route.method.lower()]
        assert operation["x-role"] == route.needed
        assert operation["summary"].endswith((".", ":")) or operation["summary"]
        assert bool(operation["security"]) == (route.needed != "open")
    assert len({operation["operationId"] for methods in paths.values() for operation in methods.values()}) == len(
        ROUTES
    )
