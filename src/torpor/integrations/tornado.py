"""
Torpor in Tornado.

::

    class Order(RequestHandler):
        async def post(self, order: str) -> None:
            self.finish((await torpor_of(self).start(checkout, order, 4200)).id)

    async def main() -> None:
        site = Application([(r"/orders/(.+)", Order)])
        async with mount(site, app, worker=True):
            site.listen(8000)
            await asyncio.Event().wait()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Unpack

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from torpor.app import Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.bridge import Asked, Headers, carry
from torpor.integrations.mounting import Mount, Options, required


def mount(site: Application, app: Torpor, **options: Unpack[Options]) -> Mount:
    """
    Let an application answer below a prefix of a site. Tornado tells nobody when it begins and ends, so what is
    returned is to be entered: ``async with mount(…):``.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)
    site.add_handlers(r".*", [(rf"{made.prefix}(?:/.*)?", _Door, {"made": made})])
    site.settings["torpor"] = made
    return made


def torpor_of(handler: RequestHandler) -> Torpor:
    """
    Return the application that answers below a prefix of the site which this request came to.

    Raises:
        UsageError: there is none.
    """
    return required(handler.application.settings.get("torpor")).here()


class TorporHandler(RequestHandler):
    """A handler that answers errors of :data:`ANSWERED` with problems, for others to be derived from."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None))[1]
        if not isinstance(error, ANSWERED):
            super().write_error(status_code, **kwargs)
            return
        assert isinstance(error, TorporError), "they all are"
        told = problem_of(error)
        self.set_status(told.status)
        self.set_header("content-type", told.media_type)
        self.finish(told.body)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, ANSWERED):  # of those the log hears where they are answered
            super().log_exception(typ, value, tb)


class _Door(RequestHandler):
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")

    def initialize(self, made: Mount) -> None:
        self._made = made
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self._gone.set()

    def check_xsrf_cookie(self) -> None:
        """Leave it to the front door, which looks where requests come from."""

    def compute_etag(self) -> None:
        """Have none: answers are for nobody's cache."""

    async def _answer(self) -> None:
        asked = self.request

        async def start(status: int, headers: Headers) -> None:
            self.clear()
            self.clear_header("content-type")
            self.clear_header("date")
            self.clear_header("server")
            self.set_status(status)
            for name, value in headers:
                self.add_header(name, value)

        async def write(piece: bytes) -> None:
            self.write(piece)
            try:
                await self.flush()
            except StreamClosedError as error:
                raise ConnectionResetError("the caller has left") from error

        assert asked.method is not None, "it is a request"
        assert asked.uri is not None, "as above"
        told = Asked(asked.method, asked.uri, asked.headers.get_all(), asked.protocol, _pieces(asked.body), self._gone)
        await carry(self._made, told, start, write)

    get = head = post = delete = patch = put = options = _answer  # type: ignore[assignment,unused-ignore]  # as documented


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body
