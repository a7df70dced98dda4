"""
One request to a server, until it is answered.

A request whose answer did not come is made again under its id, with the id of the process that may have seen it, so
that the server knows whether it was carried out. Who cannot be reached for :data:`PATIENCE_SECONDS` counts as away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from torpor.errors import ConfigurationError, TorporError, UsageError, WorldError
from torpor.retries import Backoff
from torpor.worlds.http.clock import ServerClock
from torpor.worlds.http.contract import NOW, PROBLEM, REQUEST, SERVER
from torpor.worlds.http.faults import Fault, error_of

PATIENCE_SECONDS: Final = 30.0

_BACKOFF: Final = Backoff(first=0.05, most=2.0)
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0, pool=None)
_LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=20)
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_ELSEWHERE: Final = {502, 503, 504}
"""What something between us and the server answers while the server is away."""


class Connection:
    """
    The way to a server.

    Args:
        url: of the world.
        token: what it lets us in by, ``""`` for none.
        clock: is told the server's time.
        transport: for tests; the network by default.
    """

    def __init__(
        self, url: str, token: str, clock: ServerClock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url
        self._token = token
        self._clock = clock
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._server = ""  # the process that answered last
        self._going_on = 0
        self._idle = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether requests may be made."""
        return self._client is not None

    def open(self) -> None:
        """Allow requests from now on, on this event loop."""
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            timeout=_TIMEOUT,
            limits=_LIMITS,
            transport=self._transport,
            # Without TLS certificates would be read for nothing; SSL_CERT_FILE is for this machine, too.
            verify=self.url.startswith("https:") and httpx.create_ssl_context(),
            trust_env=httpx.URL(self.url).host not in LOOPBACK,  # proxies are for what is not this machine
        )

    async def close(self) -> None:
        """Wait for what was begun, and let go."""
        client, self._client = self._client, None
        if client is None:
            return
        while self._going_on:
            self._idle.clear()
            await self._idle.wait()
        await client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        request_id: str = "",
        headers: Mapping[str, str] | None = None,
        meeting: bool = False,
    ) -> httpx.Response:
        """
        Make a request and return its answer, which is no error.

        Args:
            method, path, body, headers: of the request.
            request_id: of one that must not be carried out twice.
            meeting: whether it is the first one: then nobody is waited for who is not there at all, since the URL may
                be wrong. Whose answer is cut off is there.

        Raises:
            TorporError: what the world raised.
            ConfigurationError: the server does not let us in, or does not know what is asked.
            WorldError: nobody answers.
            UsageError: the world is not open.
        """
        client = self._opened()
        self._going_on += 1
        try:
            response = await self._answer(client, method, path, body, request_id, dict(headers or {}), meeting=meeting)
        finally:
            self._going_on -= 1
            self._idle.set()
        if response.is_success:
            return response
        raise self.refusal(response)

    @asynccontextmanager
    async def stream(self, path: str, *, silence_seconds: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """
        Give the pieces of an answer that goes on.

        Raises:
            httpx.TransportError: nobody answers, or no more for so long.
            TorporError: as :meth:`ask`.
        """
        timeout = httpx.Timeout(silence_seconds, connect=5.0, pool=None)
        async with self._opened().stream("GET", path, timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise self.refusal(response)
            yield response.aiter_raw()

    async def _answer(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        body: bytes,
        request_id: str,
        headers: dict[str, str],
        *,
        meeting: bool,
    ) -> httpx.Response:
        headers |= {REQUEST: request_id} if request_id else {}
        ends = self._clock.steady() + round(PATIENCE_SECONDS * 1000)
        tries = 0
        while True:
            tries += 1
            asked = self._clock.asking()
            try:
                response = await client.request(method, path, content=body, headers=headers)
                if response.status_code not in _ELSEWHERE or PROBLEM in response.headers:
                    self._note(response, asked)
                    return response
                problem: Exception | str = f"{response.status_code} {response.reason_phrase}"
            except httpx.TransportError as error:
                problem = error
                if request_id and not isinstance(error, _UNSENT):
                    headers[SERVER] = self._server or "unknown"
            if self._clock.steady() >= ends or (meeting and isinstance(problem, _UNSENT)):
                raise self.away(problem) from (problem if isinstance(problem, Exception) else None)
            await asyncio.sleep(_BACKOFF.delay_ms(tries) / 1000)

    def away(self, problem: Exception | str) -> WorldError:
        """Return the error of who does not reach the server."""
        told = problem if isinstance(problem, str) else f"{problem}" or type(problem).__name__
        if "CERTIFICATE_VERIFY_FAILED" in told:
            return WorldError(
                f"world {self.url} is not trusted: {told}; if its certificate is of an authority of your own, name the "
                "file with that one's certificate as SSL_CERT_FILE"
            )
        return WorldError(
            f"world {self.url} does not answer: {told}; see that `torpor serve` runs there, and that this machine "
            "reaches it"
        )

    def refusal(self, response: httpx.Response) -> TorporError:
        """Return the error that an answer stands for."""
        if PROBLEM in response.headers:
            return error_of(msgspec.msgpack.decode(response.content, type=Fault), self.url)
        detail = _detail(response)
        match response.status_code:
            case 401:
                given = "the token given is not valid there" if self._token else "it wants a token"
                return ConfigurationError(
                    f"world {self.url}: {given} ({detail}); give one as TORPOR_TOKEN or --token, which "
                    "`torpor tokens create` makes there"
                )
            case 403:
                return ConfigurationError(
                    f"world {self.url}: {detail}; give a token with that role as TORPOR_TOKEN or --token"
                )
            case 404 | 405 | 415:
                return ConfigurationError(
                    f"world {self.url}: what answers there has no {response.request.url.path} ({detail}); see that the "
                    "URL is that of `torpor serve`, and that its version is not older than this one"
                )
            case status if status >= 500:
                return WorldError(f"world {self.url} failed: {status} {detail}")
            case status:
                return UsageError(f"world {self.url} refused a request: {status} {detail}")

    def _note(self, response: httpx.Response, asked: int) -> None:
        self._server = response.headers.get(SERVER, self._server)
        if (told := response.headers.get(NOW, "")).isdigit():
            self._clock.sample(asked, int(told))

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            raise UsageError(f"world {self.url} is not open; await its open() first")
        return self._client


def _detail(response: httpx.Response) -> str:
    """Return what a problem document says, or the beginning of another answer."""
    try:
        problem: Any = json.loads(response.content)
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{response.reason_phrase}: {response.text[:200]}".strip(": ")
