"""
A route is one record: method, path, who may, what comes in and what goes out.

What comes in and goes out are the annotations of its handler, from which requests are checked and the OpenAPI document
is made. A route cannot be written down without saying who may.

::

    router = Router("runs")

    @router.post("/v1/runs", "operate", status=201)
    async def start(call: Call, body: StartRun) -> RunView: ...
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypedDict, TypeVar, Unpack, get_args, get_origin
from urllib.parse import quote, unquote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from torpor import codec, tracing
from torpor.errors import SerializationError, TorporError
from torpor.http.auth import NOBODY, Grant, Guard, Needed
from torpor.http.problems import BadRequestError, MediaTypeError, SlowRequestError, TooLargeError, answer_to
from torpor.http.secrecy import Secrets
from torpor.http.service import Service
from torpor.limits import HTTP_BODY_BYTES_MAX, HTTP_BODY_SECONDS_MAX
from torpor.model import Run
from torpor.run_info import RunInfo

JSON: Final = "application/json"
VALUE: Final = "application/vnd.torpor.value"
"""A value, or the fields of a body, as codec bytes: an envelope as the world has it."""

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
Handler = Callable[..., Awaitable[Any]]
Refusing = Callable[["Call", TorporError], Response]

audit: Final = logging.getLogger("torpor.audit")
"""Gets a line for every act that changes something or shows what is encrypted, and for every refusal."""


class Call:
    """
    One request.

    Args:
        request: as it came.
        service: what the routes work on.
        grant: what its sender may.
        guard: tells who others are, by their tokens.

    Attributes:
        request, service, grant, guard: as given.
        secrets: that the answer may contain.
    """

    def __init__(self, request: Request, service: Service, grant: Grant, guard: Guard) -> None:
        self.request = request
        self.service = service
        self.grant = grant
        self.guard = guard
        self.secrets = Secrets()

    async def shown(self, data: Any) -> Any:
        """Return an answer as who asks may see it: without tokens of hooks for who may not resume them."""
        if "operate" in self.grant.roles:
            return data
        if not isinstance(data, Response):
            return await self.secrets.masked(data, self.service.client.world)
        if (data.headers.get("content-type") or "").startswith("text/html"):
            data.body = (await self.secrets.masked_page(bytes(data.body).decode(), self.service.client.world)).encode()
            data.headers["content-length"] = str(len(data.body))
        return data

    def part(self, name: str) -> str:
        """
        Return a part of the path, with its escapes undone: an id may have a slash.

        Raises:
            BadRequestError: it is no text.
        """
        try:
            text = unquote(self.request.path_params[name], errors="strict")
        except UnicodeDecodeError as error:
            raise BadRequestError(f"{name} in the path is no UTF-8") from error
        if "\0" in text:
            raise BadRequestError(f"{name} in the path has a character that no name has: NUL")
        return text

    def opens(self, info: RunInfo | Run) -> bool:
        """Return whether a run is shown decrypted; the audit learns of it."""
        if not info.key_id or not self.grant.decrypts:
            return False
        audit.info("%s: decrypts run %s: %s", self.grant.who, info.id, self.request.scope["path"])
        return True

    @property
    def wants_bytes(self) -> bool:
        """Whether who asks takes values as codec bytes."""
        return VALUE in self.request.headers.get("accept", "").lower()

    def address(self, *parts: str) -> str:
        """Return the path of an address here, under where we are mounted; parts are escaped."""
        root: str = self.request.scope.get("torpor.root", "")
        return "/".join([quote(root), *(quote(part, safe="") for part in parts)])

    async def bytes(self, most: int = HTTP_BODY_BYTES_MAX) -> bytes:
        """
        Return the body.

        Raises:
            TooLargeError: it has more than *most* bytes.
            SlowRequestError: it did not arrive in :data:`torpor.limits.HTTP_BODY_SECONDS_MAX` seconds.
        """
        told = self.request.headers.get("content-length", "")
        if told.isdigit() and int(told) > most:  # what there is no room for need not arrive
            raise TooLargeError(f"the body has {told} bytes, and this server takes {most}")
        taken = bytearray()
        try:
            async with asyncio.timeout(HTTP_BODY_SECONDS_MAX):
                async for piece in self.request.stream():
                    taken += piece
                    if len(taken) > most:
                        raise TooLargeError(f"the body has more than {most} bytes, which is what this server takes")
        except TimeoutError:
            raise SlowRequestError(f"the body did not arrive in {HTTP_BODY_SECONDS_MAX} s; nothing was done") from None
        return bytes(taken)

    async def value(self) -> Any:
        """
        Return the body as a value: JSON, or codec bytes where ``Content-Type`` says so; None when there is none.

        Raises:
            BadRequestError, MediaTypeError: it is neither.
            TooLargeError, SlowRequestError: as :meth:`bytes`.
        """
        body = await self.bytes()
        kind = self.request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if kind == VALUE:
            try:
                return codec.loads(body)
            except SerializationError as error:
                raise BadRequestError(f"the body is no value as {VALUE} has it: {error}") from error
        if kind != JSON:
            raise MediaTypeError(f"the body is {kind!r:.100}; send {JSON} or {VALUE}")
        try:
            return msgspec.json.decode(body) if body else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequestError(f"the body is no JSON: {error}") from error

    async def body(self, kind: type[T]) -> T:
        """
        Return the body as a record.

        Raises:
            BadRequestError: it is another; the message names the place. And as :meth:`value`.
        """
        value = await self.value()
        return _converted("the body", {} if value is None else value, kind, strict=True)

    def query(self, kind: type[S]) -> S:
        """
        Return what stands behind the ``?`` as a record. Fields that are lists may be given several times.

        Raises:
            BadRequestError: it is another; the message names the place.
        """
        given = self.request.query_params
        lists = {field.encode_name for field in msgspec.structs.fields(kind) if get_origin(field.type) in (tuple, list)}
        found = {name: given.getlist(name) if name in lists else given[name] for name in given}
        return _converted("the query", found, kind, strict=False)


class About(TypedDict, total=False):
    """What may be said of a route beside method, path and role; see :class:`Route`."""

    status: int
    media: tuple[str, ...]
    others: Mapping[int, str]
    carries: bool
    headers: tuple[str, ...]
    is_quiet: bool


class Route(NamedTuple):
    """
    What is answered at an address.

    Attributes:
        method, path: where; ``{name}`` in the path stands for a part of it.
        needed: the role that it takes, or ``open``.
        handler: gets of ``call``, ``body`` and ``query`` what it has parameters for, as they are annotated.
        tag: of the router.
        status: of an answer that is no error.
        media: what it answers with, where that is no record.
        others: further statuses that are no errors, with what they mean.
        carries: whether the body is a value, whatever it is.
        headers: that it reads, beside those of every request.
        is_quiet: whether the audit has no line for each request, because it is for machines.
        refusing: makes the answer to an error; a problem document by default.
    """

    method: str
    path: str
    needed: Needed
    handler: Handler
    tag: str
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    others: Mapping[int, str] = MappingProxyType({})
    carries: bool = False
    headers: tuple[str, ...] = ()
    is_quiet: bool = False
    refusing: Refusing | None = None

    @property
    def acts(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"

    @property
    def name(self) -> str:
        """What it is called in the OpenAPI document."""
        return f"{self.tag}_{self.handler.__name__}"

    def hints(self) -> dict[str, Any]:
        """Return the annotations of its handler."""
        return typing.get_type_hints(self.handler, include_extras=True)


class Router:
    """
    Routes that belong together.

    Args:
        tag: what they are about.
        refusing: see :class:`Route`.
    """

    def __init__(self, tag: str, refusing: Refusing | None = None) -> None:
        self._tag = tag
        self._refusing = refusing
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, needed: Needed, **about: Unpack[About]) -> Callable[[Handler], Handler]:
        """Answer GET at a path."""
        return self.route("GET", path, needed, **about)

    def post(self, path: str, needed: Needed, **about: Unpack[About]) -> Callable[[Handler], Handler]:
        """Answer POST at a path."""
        return self.route("POST", path, needed, **about)

    def route(self, method: str, path: str, needed: Needed, **about: Unpack[About]) -> Callable[[Handler], Handler]:
        """Answer a method at a path; see :class:`Route`."""
        assert needed in get_args(Needed), "a route says who may"

        def add(handler: Handler) -> Handler:
            self._routes.append(Route(method, path, needed, handler, self._tag, refusing=self._refusing, **about))
            return handler

        return add


def endpoint(route: Route, service: Service, guard: Guard) -> Callable[[Request], Awaitable[Response]]:
    """Return what Starlette calls for a route."""
    hints = route.hints()
    takes = {name: hints[name] for name in inspect.signature(route.handler).parameters}

    async def answer(request: Request) -> Response:
        grant = NOBODY
        try:
            await service.open()
            if route.needed != "open":
                grant = await guard.grant(request, acts=route.acts)
                grant.require(route.needed)
            call = Call(request, service, grant, guard)
            given: dict[str, Any] = {"call": call} if "call" in takes else {}
            if "query" in takes:
                given["query"] = call.query(takes["query"])
            if "body" in takes:
                given["body"] = await call.body(takes["body"])
            with tracing.entered(request.headers.get(tracing.HEADER, "")):
                told = await route.handler(**given)
            if route.needed != "open":
                told = await call.shown(told)
        except TorporError as error:
            refused = Call(request, service, grant, guard)
            response = answer_to(error) if route.refusing is None else route.refusing(refused, error)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody is there to read it
        else:
            response = told if isinstance(told, Response) else json_response(told, route.status)
        if route.acts and not route.is_quiet and route.needed != "open":
            audit.info("%s: %s %s: %d", grant.who, route.method, request.scope["path"], response.status_code)
        elif response.status_code in (401, 403):
            audit.warning("%s: %s %s: refused", grant.who, route.method, request.scope["path"])
        return response

    return answer


def json_response(data: Any, status: int = 200) -> Response:
    """Return data as an answer in JSON; nothing at all with status 204."""
    return Response(b"" if status == 204 else msgspec.json.encode(data), status, media_type=JSON)


def _converted(what: str, data: Any, kind: type[T], *, strict: bool) -> T:
    try:
        return msgspec.convert(data, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{what} is not as it should be: {error}") from error
