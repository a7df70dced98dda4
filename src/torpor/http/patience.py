"""How long a connection may keep a server waiting: with the head of a request, and with reading what it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from torpor.limits import HTTP_HEAD_SECONDS_MAX, HTTP_STALLED_SECONDS_MAX


class PatientProtocol(H11Protocol):
    """
    HTTP for those who send heads and read answers in good time; others are cut off.

    Bodies have a time of their own: :meth:`torpor.http.routing.Call.bytes`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as above it
        super().connection_made(transport)
        self._head = self.loop.call_later(HTTP_HEAD_SECONDS_MAX, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head is None:  # not whole yet
            self._head = self.loop.call_later(HTTP_HEAD_SECONDS_MAX, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(HTTP_STALLED_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        self._reads_again()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._reads_again()
        super().connection_lost(exc)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
