"""
``fetch`` of workflow code, as the step that it is: one HTTP request, by a host that the application allows.

A name is not enough: what it resolves to is looked at, and connected to. An address that is not public is refused
unless it is named itself, so that no name leads into the network of the worker.
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

from torpor.authority import HOST, Authority
from torpor.codec.requests import Request, Response
from torpor.codec.values import Headers, ReadableStream
from torpor.errors import ArgumentError, ConfigurationError, LimitExceededError, NotAllowedError
from torpor.limits import PAYLOAD_BYTES_MAX

REDIRECTS_MAX: Final = 20
_SECONDS: Final = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 10.0}
_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_SECRET: Final = frozenset(("authorization", "cookie", "proxy-authorization"))
_OF_THE_CONNECTION: Final = frozenset(("host", "content-length", "transfer-encoding", "connection", "accept-encoding"))
_PLAIN: Final = "/?%:@!$&'()*+,;=~-._[]"
_OF_THE_BODY: Final = frozenset(("content-type", "content-encoding", "content-language", "content-location"))


async def fetch(request: Request, authority: Authority) -> Response:
    """
    Make a request, follow redirects, and return the response with its body.

    Raises:
        NotAllowedError: the application does not allow the host, or the address that it resolves to; names the remedy.
        ArgumentError, UsageError: the request makes no sense.
        LimitExceededError: the body has more than a payload may have.
        ConfigurationError: the package that makes requests is not installed.
        OSError: nothing answers, or not in time.
    """
    url, method = str(request.fields.get("url")), str(request.fields.get("method", "GET")).upper()
    headers = [(name, value) for name, value in request.fields.get("headers", ()) if name not in _OF_THE_CONNECTION]
    content = request.bytes()
    for redirects in range(REDIRECTS_MAX + 1):
        status, reason, answered, body = await _once(url, method, headers, content, authority)
        target = dict(answered).get("location")
        if status not in _REDIRECTS or target is None:
            fields = {"type": "basic", "url": url, "status": status, "statusText": reason, "redirected": redirects > 0}
            given = None if status in (101, 103, 204, 205, 304) else ReadableStream({"bodyInit": body})
            response = Response()
            response.fields.update({**fields, "headers": Headers(answered), "body": given})
            return response
        there = urljoin(url, target)
        if status == 303 or (status in (301, 302) and method == "POST"):
            method, content = ("HEAD" if method == "HEAD" else "GET"), b""
            headers = [(name, value) for name, value in headers if name not in _OF_THE_BODY]
        if _origin(there) != _origin(url):
            headers = [(name, value) for name, value in headers if name not in _SECRET]
        url = there
    raise ConnectionError(f"{request.fields.get('url')} redirects more than {REDIRECTS_MAX} times")


def _origin(url: str) -> tuple[str, str, int]:
    """
    Return scheme, host and port of a URL.

    Raises:
        ArgumentError: it is none of HTTP.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ArgumentError(f"fetch: {url!r:.200} is no URL: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ArgumentError(f"fetch: {url!r:.200} is no URL of http or https")
    try:
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    except UnicodeError as error:
        raise ArgumentError(f"fetch: {parts.hostname!r:.200} is no name of a host: {error}") from None
    return parts.scheme, host, port


def _target(url: str) -> str:
    parts = urlsplit(url)
    return quote(parts.path or "/", safe=_PLAIN) + (f"?{quote(parts.query, safe=_PLAIN)}" if parts.query else "")


async def _once(
    url: str, method: str, headers: list[tuple[str, str]], content: bytes, authority: Authority
) -> tuple[int, str, list[tuple[str, str]], bytes]:
    scheme, host, port = _origin(url)
    if not authority.allows_host(host, port):
        raise NotAllowedError(
            f"workflow code may not fetch from {host}:{port}; if it shall, let the application allow it: "
            f"{authority.remedy(f'{HOST}{host}')}"
        )
    import ssl  # noqa: PLC0415  # who only asks about runs needs none

    core = _core()
    backend = _backend(core, authority)
    async with core.AsyncConnectionPool(network_backend=backend, ssl_context=ssl.create_default_context()) as pool:
        try:
            async with pool.stream(
                method,
                core.URL(scheme=scheme, host=host, port=port, target=_target(url)),  # no other reading of the text
                headers=[*headers, ("accept-encoding", "identity")],
                content=content or None,
                extensions={"timeout": _SECONDS},
            ) as answer:
                body = await _body(answer, url)
                answered = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in answer.headers]
                reason = answer.extensions.get("reason_phrase", b"").decode("latin-1")
                return answer.status, reason, answered, body
        except (core.NetworkError, core.TimeoutException, core.ProtocolError) as error:
            raise ConnectionError(f"{method} {url}: {type(error).__name__}: {error}") from error


async def _body(answer: Any, url: str) -> bytes:
    body = bytearray()
    async for part in answer.aiter_stream():
        body += part
        if len(body) > PAYLOAD_BYTES_MAX // 2:  # as text it takes a third more
            raise LimitExceededError(
                f"{url} answers with more than {PAYLOAD_BYTES_MAX // 2} bytes, which is what a run keeps of one; "
                f"fetch it in a step that makes less of it"
            )
    return bytes(body)


def _core() -> Any:
    try:
        return importlib.import_module("httpcore")
    except ImportError as error:
        raise ConfigurationError("fetch needs the package httpcore here; pip install 'torpor[fetch]'") from error


def _backend(core: Any, authority: Authority) -> Any:
    """Return what connects to addresses that are allowed, and to no other."""

    class Checked(core.AsyncNetworkBackend):  # type: ignore[misc]  # the package is optional
        def __init__(self) -> None:
            self._inner = core.AnyIOBackend()

        async def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,  # as the package calls it
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> Any:
            address = allowed_address(await _addresses(host, port), host, port, authority)
            return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    return Checked()


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)  # SOCK_STREAM
    return [str(where[0]) for *_, where in found]


def allowed_address(addresses: Iterable[str], host: str, port: int, authority: Authority) -> str:
    """
    Return the first of the addresses of a host, all of which must be public or named.

    Raises:
        NotAllowedError: one is neither.
    """
    found = list(addresses)
    for address in found:
        plain = ipaddress.ip_address(address.partition("%")[0])
        mapped = getattr(plain, "ipv4_mapped", None) or plain
        is_public = mapped.is_global and not mapped.is_multicast
        if not is_public and not authority.names_address(str(mapped), port):
            raise NotAllowedError(
                f"workflow code may not fetch from {host}: its address {mapped} is not a public one; if it shall, name "
                f"the address too: Torpor(allow=[{f'{HOST}{host}'!r}, {f'{HOST}{mapped}'!r}])"
            )
    if not found:
        raise ConnectionError(f"{host} has no address")
    return found[0]
