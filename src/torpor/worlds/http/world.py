"""The world behind a URL: each method is one request, made of its signature; what differs is written out."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from msgspec.structs import replace

from torpor.clock import Clock
from torpor.errors import ConfigurationError, LimitExceededError, NotFoundError, TransactionError
from torpor.limits import WORLD_BODY_BYTES_MAX
from torpor.model import Commit, Committed, Entities, Finished, NewRun, Notice, Run, RunState, Snapshot, StepOutcome
from torpor.model.flow import Place
from torpor.project import TOKEN
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds import refusals
from torpor.worlds.http.clock import ServerClock
from torpor.worlds.http.connection import LOOPBACK, Connection
from torpor.worlds.http.contract import (
    MEDIA,
    PATH,
    SNAPSHOT,
    SNAPSHOT_FACTS,
    SNAPSHOT_INLINE_MAX,
    Known,
    Method,
    decode,
    encode,
    methods,
    refuse_older,
)
from torpor.worlds.http.faults import UploadMissingError
from torpor.worlds.http.listening import Listening
from torpor.worlds.notifier import Listener, Notifier

_HEADERS: Final = {"content-type": MEDIA}
_LISTEN_MS: Final = 1_000
_TRIES: Final = 10


class HttpWorld:
    """
    A world that a server has.

    Args:
        url: of the server: ``https://…``, or ``http://…`` on this machine.
        clock: decides about time in this process; the server's, as far as it is known here, by default.
        token: what the server lets us in by; ``TORPOR_TOKEN`` by default.
        transport: for tests; the network by default.

    Raises:
        ConfigurationError: the URL makes no sense, or would send the token in the clear.
    """

    def __init__(
        self,
        url: str,
        clock: Clock | None = None,
        token: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = _checked(url)
        server_clock = ServerClock()
        self._clock: Clock = clock or server_clock
        token = os.environ.get(TOKEN, "") if token is None else token
        self._connection = Connection(self._url, token, server_clock, transport)
        self._notifier = Notifier()
        self._listening = Listening(self._connection, self._notifier)
        self._opening = asyncio.Lock()
        self._listen_ms = _LISTEN_MS

    @property
    def url(self) -> str:
        return self._url

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            durable=True, shared=True, listen_ms=self._listen_ms, blob_bytes_max=WORLD_BODY_BYTES_MAX - 1_024
        )

    async def open(self) -> None:
        async with self._opening:
            if self._connection.is_open:
                return
            self._connection.open()
            try:
                await self._meet()
            except BaseException:
                await self._connection.close()
                raise
            if self._notifier:
                self._listening.begin()

    async def close(self) -> None:
        async with self._opening:
            await self._listening.stop()
            await self._connection.close()

    def subscribe(self, listener: Listener) -> Unsubscribe:
        unsubscribe = self._notifier.subscribe(listener)
        self._listening.begin()
        return unsubscribe

    async def within(self, connection: object) -> World:  # none would do
        raise self._no_transactions()

    def transaction(self) -> AbstractAsyncContextManager[object]:
        raise self._no_transactions()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        raise self._no_transactions()

    def _no_transactions(self) -> TransactionError:
        return refusals.no_transactions(self._url, "a server is in between; give the URL of the database that it uses")

    async def _meet(self) -> None:
        """
        Ask the server who it is.

        Raises:
            ConfigurationError: it lets us not in, or is too old.
            WorldError: nobody answers.
        """
        from importlib.metadata import version  # noqa: PLC0415  # costs some milliseconds

        response = await self._connection.ask("GET", PATH, meeting=True)
        try:
            known: Known = decode(response.content, Known)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"world {self._url}: what answers there is no `torpor serve` that this version understands: {error}"
            ) from error
        refuse_older(known, self._url, version("torpor"))
        self._listen_ms = max(known.listen_ms, 1)

    async def _ask(
        self, method: Method, arguments: dict[str, Any], headers: dict[str, str] | None = None
    ) -> tuple[Any, httpx.Headers]:
        """Return what a method answers, and what else the server tells."""
        await self._listening.ready()
        body = encode(method.arguments(**arguments))
        request_id = ""
        if method.name == "commit":  # the same of the same claim is the same, whoever makes it again
            request_id = hashlib.sha256(body).hexdigest()
        elif method.changes:
            request_id = uuid.uuid4().hex
        path = f"{PATH}/{method.name}"
        response = await self._connection.ask(
            "POST", path, body, request_id=request_id, headers={**_HEADERS, **(headers or {})}
        )
        return decode(response.content, method.result), response.headers

    # What differs

    async def create_run(self, new: NewRun) -> Run:
        run, _ = await self._ask(methods()["create_run"], {"new": new})
        self._listening.tell(Notice(new.id, work=True))
        return cast(Run, run)

    async def commit(self, commit: Commit, held: Entities | None = None) -> Committed:
        headers = {}
        large = commit.snapshot if commit.snapshot and len(commit.snapshot.data) > SNAPSHOT_INLINE_MAX else None
        if large is not None:
            headers[SNAPSHOT] = address = hashlib.sha256(large.data).hexdigest()
            await self._upload(commit.run_id, address, large.data)
            # The address stands in for the data, so that the same commit has the same id.
            commit = replace(commit, snapshot=replace(large, data=address.encode()))
        for tries in range(_TRIES):
            try:
                committed, _ = await self._ask(methods()["commit"], {"commit": commit}, headers)
                break
            except UploadMissingError:  # the server is another one than had it
                if large is None or tries == _TRIES - 1:
                    raise
                await self._upload(commit.run_id, headers[SNAPSHOT], large.data)
        if committed.stored and (committed.parked or commit.tasks) and not _ends(commit):
            answered = bool(committed.answers)
            given_up = any(event.type == "step_cancelled" for event in commit.outputs)
            self._listening.tell(Notice(commit.run_id, work=True, hooked=answered, cancelling=given_up))
        return cast(Committed, committed)

    async def put_blob(self, key: str, data: bytes) -> None:
        if len(data) > (most := self.capabilities.blob_bytes_max):
            raise LimitExceededError(f"blob {key} has {len(data)} bytes; world {self._url} takes {most} at most")
        await self._ask(methods()["put_blob"], {"key": key, "data": data})

    def commit_at_once(self, commit: Commit, held: Entities) -> Committed | None:
        return None  # others are waited for: the server

    def hand_in(self, commit: Commit, held: Entities, stored: asyncio.Future[Committed]) -> bool:
        return False

    async def snooze(self, run_id: str, worker_id: str, epoch: int, *, delay_ms: int, why: str) -> None:
        arguments = {"run_id": run_id, "worker_id": worker_id, "epoch": epoch, "delay_ms": delay_ms, "why": why}
        await self._ask(methods()["snooze"], arguments)
        self._listening.tell(Notice(run_id, work=True))

    async def finish_step(self, outcome: StepOutcome) -> Finished:
        finished: Finished
        finished, _ = await self._ask(methods()["finish_step"], {"outcome": outcome})
        self._listening.tell(Notice(outcome.run_id, work=not finished.run.worker))
        return finished

    async def snooze_step(
        self,
        run_id: str,
        step_id: str,
        worker_id: str,
        epoch: int,
        *,
        delay_ms: int,
        why: str,
        place: Place | None = None,
    ) -> None:
        arguments = {
            "run_id": run_id, "step_id": step_id, "worker_id": worker_id, "epoch": epoch, "delay_ms": delay_ms,
            "why": why, "place": place,
        }  # fmt: skip
        await self._ask(methods()["snooze_step"], arguments)
        self._listening.tell(Notice(run_id, work=True))

    async def load(self, run_id: str) -> RunState:
        for _ in range(_TRIES):
            state, headers = await self._ask(methods()["load"], {"run_id": run_id})
            if SNAPSHOT not in headers:
                break
            address, newest = await self._download(run_id)
            if newest is not None and address == headers[SNAPSHOT]:  # else it was another's commit that came between
                state = replace(state, snapshot=newest)
                break
        return cast(RunState, state)

    async def snapshot(self, run_id: str) -> Snapshot | None:
        found, headers = await self._ask(methods()["snapshot"], {"run_id": run_id})
        if SNAPSHOT in headers:
            _, found = await self._download(run_id)
        return cast("Snapshot | None", found)

    # Snapshots that are large travel beside the rest

    async def _upload(self, run_id: str, address: str, data: bytes) -> None:
        await self._connection.ask("PUT", _snapshot_path(run_id), data, headers={SNAPSHOT: address})

    async def _download(self, run_id: str) -> tuple[str, Snapshot | None]:
        """Return the newest snapshot of a run with its address, None when there is none any more."""
        try:
            response = await self._connection.ask("GET", _snapshot_path(run_id))
        except NotFoundError:
            return "", None
        facts = msgspec.json.decode(response.headers[SNAPSHOT_FACTS], type=dict[str, Any])
        return response.headers[SNAPSHOT], Snapshot(data=response.content, **facts)


def _remote(name: str) -> Callable[..., Awaitable[Any]]:
    """Return a method that is one request."""

    @functools.wraps(getattr(World, name))
    async def call(self: HttpWorld, *args: Any, **kwargs: Any) -> Any:
        method = methods()[name]
        arguments = method.signature.bind(self, *args, **kwargs).arguments
        arguments.pop("self")
        answer, _ = await self._ask(method, arguments)
        return answer

    return call


for _name, _member in ((name, member) for each in World.__mro__ for name, member in vars(each).items()):
    if inspect.iscoroutinefunction(_member) and _name not in vars(HttpWorld):
        setattr(HttpWorld, _name, _remote(_name))


def _snapshot_path(run_id: str) -> str:
    return f"/v2/runs/{quote(run_id, safe='')}/snapshot"


def _ends(commit: Commit) -> bool:
    return any(event.type in ("run_completed", "run_failed", "run_cancelled") for event in commit.outputs)


def _checked(url: str) -> str:
    """
    Return the URL of a server without a slash at its end.

    Raises:
        ConfigurationError: it is none, or would send the token in the clear.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"world URL {url!r} is none: {error}") from error
    if not host:
        raise ConfigurationError(f"world URL {url!r} names no server; write it like https://torpor.example.com")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"world URL of {host} has a name or a password in it; leave them out, and give a token as {TOKEN}"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"world URL {url!r} has parameters, and a world behind a URL has none; leave them out")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ConfigurationError(
            f"world URL {url!r} would send the token and all that runs are about in the clear; use https://, or "
            f"http:// for a server on this machine"
        )
    return url.rstrip("/")
