"""A mount for WSGI, whose hosts have no event loop: it has one of its own, in a thread of each process that answers."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Unpack
from urllib.parse import quote, unquote_to_bytes

from torpor.app import Torpor
from torpor.calling_thread import in_calling_thread, iterate_here
from torpor.errors import TorporError, UsageError
from torpor.integrations.bridge import Asked, Headers, carry
from torpor.integrations.mounting import Mount, Options
from torpor.sync import SyncTorpor

Environ = dict[str, Any]
WsgiApplication = Callable[[Any, Any], Iterable[bytes]]

_PIECE_BYTES: Final = 64 * 1024

_log: Final = logging.getLogger("torpor.integrations")


class WsgiMount:
    """
    An application in the house of a WSGI application. It is opened by the first request of a process, or by
    :meth:`open`, and closed when the process ends.

    Args:
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Attributes:
        mount: it, on an event loop.
        is_served: whether it answers beside somebody.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """

    def __init__(self, app: Torpor, **options: Unpack[Options]) -> None:
        self.mount = Mount(app, **options)
        self.is_served = False
        self._lock = threading.Lock()
        self._open: SyncTorpor | None = None
        self._process = 0

    def open(self) -> SyncTorpor:
        """
        Return the application behind blocking calls. It is opened if it is not, and begins to work if that was asked
        for: WSGI servers tell nobody when they begin, so call this where a process that answers does.

        Raises:
            UsageError: it was opened before this process was forked.
            ConfigurationError, WorldError: it cannot be opened, or cannot work.
        """
        with self._lock:
            if self._open is None:
                front = SyncTorpor(self.mount.app).__enter__()
                try:
                    front.wait(self.mount.open())
                except BaseException:
                    front.__exit__(None, None, None)
                    raise
                self._open, self._process = front, os.getpid()
                atexit.register(self.close)
            elif self._process != os.getpid():
                raise UsageError(
                    "the application was opened in a process from which this one was forked, and its threads have "
                    "stayed there; open it behind the fork, as the first request does"
                )
            return self._open

    def close(self) -> None:
        """Close it. May be called twice."""
        with self._lock:
            atexit.unregister(self.close)
            front, self._open = self._open, None
            if front is None or self._process != os.getpid():
                return
            try:
                front.wait(self.mount.close())
            finally:
                front.__exit__(None, None, None)

    def beside(self, host: WsgiApplication) -> WsgiApplication:
        """Return a WSGI application that answers below the prefix, and leaves the rest to *host*."""
        self.is_served = True

        def site(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            try:
                self.open()  # now, since a view may have a transaction by the time that it needs this
            except TorporError:
                _log.exception("the application below %s cannot be opened", self.mount.prefix)
            path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
            answer = self._answer if self.mount.has(path) else host
            return answer(environ, start_response)

        return site

    def _answer(self, environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
        self.open()
        assert self.mount.loop is not None, "it is open"
        pieces: list[bytes] = []

        async def start(status: int, headers: Headers) -> None:
            await in_calling_thread(partial(start_response, _line(status), headers))

        async def write(piece: bytes) -> None:
            await in_calling_thread(partial(pieces.append, piece))

        return iterate_here(carry(self.mount, _asked(environ), start, write), self.mount.loop, pieces)


def _line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Other"


def _asked(environ: Environ) -> Asked:
    headers = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    has_body = environ.get("CONTENT_LENGTH", "") not in ("", "0") or environ.get("wsgi.input_terminated", False)
    if has_body:  # of others wsgiref makes a type up
        about = ("CONTENT_TYPE", "CONTENT_LENGTH")
        headers += [(name.replace("_", "-"), environ[name]) for name in about if environ.get(name)]
    query = environ.get("QUERY_STRING", "")
    return Asked(
        environ["REQUEST_METHOD"],
        _path(environ) + (f"?{query}" if query else ""),
        headers,
        environ["wsgi.url_scheme"],
        _body(environ),
        root=environ.get("SCRIPT_NAME", "").encode("latin-1").decode("utf-8", "replace"),
    )


def _path(environ: Environ) -> str:
    """Return the path with its escapes: as it came, where the server tells that."""
    plain = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1")
    for name in ("REQUEST_URI", "RAW_URI"):
        came = str(environ.get(name, "")).partition("?")[0]
        if unquote_to_bytes(came) == plain:
            return came
    return quote(plain)


async def _body(environ: Environ) -> AsyncIterator[bytes]:
    told = environ.get("CONTENT_LENGTH") or "0"
    left = int(told) if told.isdigit() else 0
    is_whole = environ.get("wsgi.input_terminated", False)  # then it ends by itself, however long it is
    while left or is_whole:
        most = _PIECE_BYTES if is_whole else min(left, _PIECE_BYTES)
        piece: bytes = await in_calling_thread(partial(environ["wsgi.input"].read, most))
        if not piece:
            return
        left = max(0, left - len(piece))
        yield piece
