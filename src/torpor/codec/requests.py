"""HTTP requests and responses as values: those that webhooks receive and give, and those of JavaScript."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from torpor.codec.values import Handle, Headers, ReadableStream
from torpor.errors import UsageError

_WRITABLE = "responseWritable"
_STATUSES = range(200, 600)
_EMPTY_STATUSES = frozenset((204, 205, 304))


class _Message(Handle):
    """What requests and responses have: headers, and a body whose content is at hand, or is a stream."""

    __slots__ = ()

    headers: Headers
    body: Any

    def bytes(self) -> bytes:
        """
        Return the body, ``b""`` when there is none.

        Raises:
            UsageError: it is a stream of a run, which a step reads: ``async for chunk in message.body: …``.
        """
        body = self.fields.get("body")
        if body is None:
            return b""
        content = body.fields.get("bodyInit") if isinstance(body, ReadableStream) else None
        if isinstance(content, str):
            return content.encode()
        if isinstance(content, bytes | bytearray | memoryview):
            return bytes(content)
        name = type(self).__name__
        raise UsageError(f"the body of the {name} is a stream; pass the {name} to a step, and read its body there")

    def text(self) -> str:
        """
        Return the body as text in UTF-8; what is none is replaced.

        Raises:
            UsageError: as :meth:`bytes`.
        """
        return self.bytes().decode(errors="replace")

    def json(self) -> Any:
        """
        Return the value that the body is in JSON.

        Raises:
            ValueError: it is no JSON.
            UsageError: as :meth:`bytes`.
        """
        return json.loads(self.bytes())


class Request(_Message):
    """
    An HTTP request.

    Args:
        url: all of it.
        method: such as ``POST``.
        headers: by name, or as pairs.
        body: text, bytes or nothing.

    Raises:
        UsageError: the body is something else.

    Attributes:
        method, url, headers: as given.
        body: a stream, or None; see :meth:`bytes`, :meth:`text` and :meth:`json`.
    """

    __slots__ = ()

    method: str
    url: str

    def __init__(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: str | bytes | None = None,
    ) -> None:
        pairs, stream = _content("Request", headers, body)
        self.fields = {"method": method.upper(), "url": url, "headers": pairs, "body": stream, "duplex": "half"}

    def respond_with(self, response: Response) -> Any:
        """
        Answer the request of a webhook that was made with ``respond_with="manual"``, and await that it is stored.

        In a step and in workflow code. The caller gets the first answer.

        Raises:
            UsageError: the request is of no such webhook, or this is no response.
            StreamClosedError: it was answered already.
        """
        writable = self.fields.get(_WRITABLE)
        if writable is None:
            raise UsageError(
                "this request is answered already, or nobody waits for an answer: make its webhook with "
                'respond_with="manual", and answer each of its requests once'
            )
        if not isinstance(response, Response):
            raise UsageError(f'respond_with takes a Response, such as Response("ok"), not {response!r:.100}')
        response.bytes()  # a stream is read by nobody but us
        return writable.respond(response)


class Response(_Message):
    """
    An HTTP response.

    Args:
        body: text, bytes or nothing.
        status: a number from 200 to 599.
        headers: by name, or as pairs.
        status_text: what stands beside the status.

    Raises:
        UsageError: there is no such status, or it takes no body; or the body is something else, see :meth:`of_json`.

    Attributes:
        status: as given.
        headers: its headers.
    """

    __slots__ = ()

    status: int
    statusText: str  # noqa: N815  # as JavaScript stores it

    def __init__(
        self,
        body: str | bytes | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        status_text: str = "",
    ) -> None:
        if isinstance(status, bool) or not isinstance(status, int) or status not in _STATUSES:
            raise UsageError(f"the status of a Response is a number from 200 to 599, not {status!r}")
        if body is not None and status in _EMPTY_STATUSES:
            raise UsageError(f"a Response of status {status} has no body")
        pairs, stream = _content("Response", headers, body)
        self.fields = {
            "type": "default",
            "url": "",
            "status": status,
            "statusText": status_text,
            "headers": pairs,
            "body": stream,
            "redirected": False,
        }

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status <= 299

    @classmethod
    def of_json(
        cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> Response:
        """
        Return a response whose body is a value in JSON.

        Raises:
            UsageError: as the constructor.
            TypeError, ValueError: JSON has no such value.
        """
        pairs = Headers(headers.items() if isinstance(headers, Mapping) else headers)
        if pairs.get("content-type") is None:
            pairs.append(("content-type", "application/json"))
        return cls(json.dumps(value, ensure_ascii=False, allow_nan=False), status=status, headers=pairs)


def _content(
    what: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: object
) -> tuple[Headers, ReadableStream | None]:
    """Return the headers of a message, with what its body is if they do not say so, and the body."""
    if body is not None and not isinstance(body, str | bytes):
        raise UsageError(f"the body of a {what} is text or bytes, not {body!r:.100}; make JSON of a value first")
    pairs = Headers(headers.items() if isinstance(headers, Mapping) else headers)
    if isinstance(body, str) and pairs.get("content-type") is None:
        pairs.append(("content-type", "text/plain;charset=UTF-8"))
    return pairs, None if body is None else ReadableStream({"bodyInit": body})
