"""
An application inside the application of a web framework: what every framework of this folder shares.

::

    mounting.py     lives as long as its host, and is answered under a prefix of it
    answering.py    which errors of Torpor a host answers, and with what
    bridge.py       ASGI for hosts that speak something else
    wsgi.py         the same for WSGI, whose hosts have no event loop
    one file a framework beside

It needs the extra ``torpor[http]``. See docs/adr/0080.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict
from urllib.parse import quote, unquote

from torpor.app import ASGIApplication, Message, Torpor
from torpor.calling_thread import running_loop
from torpor.client import Client
from torpor.errors import ConfigurationError, UsageError
from torpor.worker_processes import Processes

if TYPE_CHECKING:
    from torpor.http.service import Service
    from torpor.http.tokens import Token

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Host = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application, however it spells the types of what it takes."""

PREFIX: Final = "/torpor"
"""Where the front door is reached if nobody says otherwise."""

_HERE: Final = "torpor"
"""Where the scope of a request names the mount."""

_log: Final = logging.getLogger("torpor.integrations")


class Options(TypedDict, total=False):
    """What may be said of a mount; see :class:`Mount`."""

    prefix: str
    worker: bool
    processes: Processes | None
    tokens: Iterable[Token]


class Mount:
    """
    An application in the house of another one: ``async with`` opens and closes it, and as an ASGI application it
    answers with API, webhooks and pages. It may live several times, each time on another event loop.

    Args:
        app: the application.
        prefix: path below which it is answered, such as ``/torpor``. Where the application knows no address of its own
            (``Torpor(url=…)``), webhooks have the path below it.
        worker: run a worker in this process while it is open.
        processes: or in so many processes of its own; see :meth:`torpor.app.Torpor.worker`.
        tokens: that are valid here beside those of the world.

    Attributes:
        app, prefix: as given.
        loop: the event loop that it is open on, None while it is not.

    Raises:
        ConfigurationError: the prefix is none, or the extra ``torpor[http]`` is not installed.
    """

    def __init__(
        self,
        app: Torpor,
        *,
        prefix: str = PREFIX,
        worker: bool = False,
        processes: Processes | None = None,
        tokens: Iterable[Token] = (),
    ) -> None:
        self.app = app
        self.prefix = _checked(prefix)
        self._worker = worker
        self._processes = processes
        self._tokens = tuple(tokens)
        self._stack = AsyncExitStack()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Lock
        self._service: Service
        self._front_door: ASGIApplication
        self._build()
        if not app.url:
            app.url = self.prefix
        elif not app.url.endswith(self.prefix):
            _log.warning(
                "webhooks lead to %s, and requests are answered below %s: say Torpor(url=…) with that at its end, "
                "unless a proxy rewrites paths",
                app.url,
                self.prefix,
            )

    def _build(self) -> None:
        """Make the front door, which belongs to the event loop on which it is used first."""
        try:
            from torpor.http.asgi import asgi  # noqa: PLC0415  # an extra
            from torpor.http.service import Service  # noqa: PLC0415  # as above
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"a mount needs {error.name}: pip install 'torpor[http]'") from error
        self._opening = asyncio.Lock()
        self._service = Service(self.app)
        self._front_door = asgi(self.app, tokens=self._tokens, service=self._service)

    # Life

    async def open(self) -> None:
        """
        Open the application, and begin to work if that was asked for.

        Raises:
            UsageError: it is open.
            ConfigurationError, WorldError: the application cannot be opened, or cannot work.
        """
        if self.loop is not None:
            raise UsageError(f"the mount at {self.prefix} is open; a host opens it once")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.app)
            if self._processes is not None:
                await stack.enter_async_context(self.app.worker(processes=self._processes))
            elif self._worker:
                await stack.enter_async_context(self.app.worker())
            self._stack = stack.pop_all()
        self.loop = asyncio.get_running_loop()

    async def ensure_open(self) -> None:
        """Open it if it is not, for a host that is told of requests only; see :meth:`open`."""
        if self.loop is None:
            async with self._opening:
                if self.loop is None:
                    await self.open()

    def end_waits(self) -> None:
        """Answer who waits, and end streams, whose readers come back: for a host that waits for its requests to end."""
        self._service.stopping.set()

    async def close(self) -> None:
        """End streams and waits, then the work, and close the application. May be called twice."""
        self.loop = None
        served, stack, self._stack = self._service, self._stack, AsyncExitStack()
        served.stopping.set()
        try:
            await served.given_up()
            await stack.aclose()
        finally:
            served.leave()
            self._build()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def lifespan(self, _host: object = None) -> AsyncIterator[None]:
        """Live while the block runs, for hosts that take such a function."""
        async with self:
            yield

    # Use

    @property
    def client(self) -> Client:
        """The client of the world that the application has now."""
        return self.app.client

    def here(self) -> Torpor:
        """
        Return the application, for who is on its event loop.

        Raises:
            UsageError: it is open on another one.
        """
        if self.loop not in (None, running_loop()):
            raise UsageError(
                "the application is open on another event loop than this code runs on: it is for `async def` handlers "
                "of a site that is served by ASGI; others have torpor.SyncTorpor(app, loop=mount.loop)"
            )
        return self.app

    # Requests

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request below the prefix, of a host that hands over requests as they came."""
        root = scope.get("root_path", "")
        if raw := scope.get("raw_path"):  # some hosts have changed the path
            scope = {**scope, "path": unquote(raw.partition(b"?")[0].decode("latin-1"))}
        await self.below({**scope, "root_path": f"{root}{self.prefix}"}, receive, send)

    async def below(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request of a host that mounts: its ``root_path`` has the prefix."""
        if scope["type"] == "http" and scope["path"] == scope["root_path"]:
            await _redirect(quote(scope["root_path"]) + "/", send)
        else:
            await self._front_door(scope, receive, send)

    def beside(self, host: Host) -> ASGIApplication:
        """Return an ASGI application that answers below the prefix, and leaves the rest to *host*."""

        async def site(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self.has(scope["path"].removeprefix(scope.get("root_path", ""))):
                await self(scope, receive, send)
            else:
                await host({**scope, _HERE: self}, receive, send)

        return site

    def has(self, path: str) -> bool:
        """Return whether a path of the host is answered here."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


def mount_of(scope: Any) -> Mount:
    """
    Return the mount beside which a request is answered.

    Raises:
        UsageError: there is none.
    """
    return required((scope or {}).get(_HERE))


def required(found: object) -> Mount:
    """
    Return what a host has in the place of its mount.

    Raises:
        UsageError: it has none.
    """
    if not isinstance(found, Mount):
        raise UsageError("nothing is mounted beside this application: see docs/frameworks.md")
    return found


def _checked(prefix: str) -> str:
    """
    Return a prefix without a slash at its end.

    Raises:
        ConfigurationError: it is none.
    """
    plain = prefix.rstrip("/")
    if not plain.startswith("/") or "//" in plain or any(each in plain for each in "{}<>*?#% "):
        raise ConfigurationError(f"prefix={prefix!r} is no path to be answered below; give one such as {PREFIX!r}")
    return plain


async def _redirect(path: str, send: Send) -> None:
    headers = [(b"location", path.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
