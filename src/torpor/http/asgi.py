"""The routers put together: :func:`asgi` makes the application that a server, or a host application, runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Address
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from torpor.client import Client
from torpor.http import (
    bulk,
    capsules,
    control,
    forking,
    health,
    hooks,
    metrics,
    moments,
    queries,
    remote,
    remote_steps,
    runs,
    schedules,
    sdk,
    sdk_acts,
    sdk_hooks,
    sdk_streams,
    starting,
    step_workers,
    streams,
    ticking,
    webhooks,
    world,
)
from torpor.http.auth import Guard
from torpor.http.openapi import documenting
from torpor.http.pages import acting, entering, files, live, travel
from torpor.http.pages import prompt as prompt_page
from torpor.http.pages import run as run_page
from torpor.http.pages import runs as runs_page
from torpor.http.pages import world as world_page
from torpor.http.problems import INTERNAL, MethodError, UnknownAddressError, answer_to, problem_response
from torpor.http.routing import Route, endpoint
from torpor.http.service import Service
from torpor.http.tokens import Token, read_token

if TYPE_CHECKING:  # who has a client alone needs none of it
    from torpor.app import Torpor

_DOCUMENTED: Final[tuple[Route, ...]] = (
    *health.router,
    *runs.router,
    *starting.router,
    *control.router,
    *capsules.router,
    *bulk.router,
    *forking.router,
    *moments.router,
    *queries.router,
    *hooks.router,
    *streams.router,
    *schedules.router,
    *world.router,
    *metrics.router,
    *webhooks.router,
    *remote_steps.router,
    *sdk.router,
    *sdk_hooks.router,
    *sdk_acts.router,
    *sdk_streams.router,
    *step_workers.router,
)

ROUTES: Final = (*_DOCUMENTED, *documenting(_DOCUMENTED))
"""The routes for people and their programs, which the OpenAPI document is about."""

PAGES: Final[tuple[Route, ...]] = (
    *runs_page.router,
    *run_page.router,
    *travel.router,
    *prompt_page.router,
    *world_page.router,
    *acting.router,
    *entering.router,
    *live.router,
    *files.router,
)
"""The pages for a browser, and what their forms do."""

EVERY_ROUTE: Final = (*ROUTES, *PAGES, *remote.router, *ticking.router)
"""Those for workers and functions too; what is not here is answered with 404."""

_HEADERS: Final = {
    "cache-control": "no-store",  # what runs are about stays out of caches
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def asgi(
    source: Torpor | Client,
    *,
    tokens: Iterable[Token] = (),
    routes: Sequence[Route] = EVERY_ROUTE,
    service: Service | None = None,
    prompt: bool = False,
) -> ASGIApp:
    """
    Return an ASGI application over the runs of a world: to be served, or mounted under a prefix of another one.

    It opens the world when the first request comes, if its host has not. Nothing but health and webhooks is open to
    those who bring no token.

    Args:
        source: an application, or a client.
        tokens: that are valid here beside those of the world.
        routes: what is answered; all by default.
        service: what the routes work on, for who stops the server; made from *source* by default.
        prompt: whether who operates may run code in copies of runs, where the service is made here.
    """
    service = service or Service(source, prompts=prompt)
    own = {token.id: token for token in tokens}

    async def find(token_id: str) -> Token | None:
        return own.get(token_id) or await read_token(service.client.world, token_id)

    guard = Guard(find, service.client.world.clock.now)
    made = Starlette(
        routes=[_address(path, by_method, service, guard) for path, by_method in _by_path(routes).items()],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=_lifespan(service),
    )
    made.router.redirect_slashes = False  # an address has one spelling
    return _Entrance(made)


def _by_path(routes: Iterable[Route]) -> dict[str, dict[str, Route]]:
    """Return the routes of each path by method: what a path takes is told together."""
    found: dict[str, dict[str, Route]] = {}
    for route in routes:
        assert route.method not in found.get(route.path, ()), f"{route.method} {route.path} is there twice"
        found.setdefault(route.path, {})[route.method] = route
    return found


def _address(path: str, by_method: Mapping[str, Route], service: Service, guard: Guard) -> Address:
    answers = {method: endpoint(route, service, guard) for method, route in by_method.items()}

    async def answer(request: Request) -> Response:
        return await answers["GET" if request.method == "HEAD" else request.method](request)

    return Address(path, answer, methods=[*answers])


def _lifespan(service: Service) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def alive(_app: Starlette) -> AsyncIterator[None]:
        service.stopping.clear()  # a host may live twice
        await service.open()
        try:
            yield
        finally:
            service.stopping.set()

    return alive


async def _refused(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses."""
    assert isinstance(error, HTTPException), "it is registered for these"
    path = request.scope["path"]
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return answer_to(MethodError(f"{path} takes {allowed}, not {request.method}"), Allow=allowed)
    return answer_to(UnknownAddressError(f"there is nothing at {path}; /openapi.json lists what there is"))


async def _failed(_request: Request, _error: Exception) -> Response:
    """Answer where we are wrong; Starlette raises the error again, for the server's log."""
    return problem_response(INTERNAL)


class _Entrance:
    """
    What every request passes: its path keeps its escapes, so that ids may have slashes, and every answer has the
    headers that keep it out of caches and frames.
    """

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {
                    **message,
                    "headers": [*message["headers"], *(pair for pair in added if pair[0] not in there)],
                }
            await send(message)

        below = {"path": escaped_path(scope), "root_path": "", "torpor.root": scope.get("root_path", "")}
        await self._inner({**scope, **below}, receive, send_guarded)


def escaped_path(scope: Scope) -> str:
    """Return the path below where we are mounted, with its escapes as they came."""
    root, path = scope.get("root_path", ""), str(scope["path"])
    path = path[len(root) :] if root and path.startswith(f"{root}/") else path
    raw = (scope.get("raw_path") or b"").partition(b"?")[0].decode("ascii", "replace")
    for candidate in (raw.removeprefix(quote(root)), raw):
        if candidate and unquote(candidate) == path:
            return candidate
    return quote(path)  # a host that tells no raw path
