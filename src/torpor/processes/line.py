"""
The line between a process and its supervisor: a pair of sockets, of which each has one.

On it the process says once that it is at work, or that it has to be the only one. Its end is the wish that the process
may stop: the supervisor shuts its half and goes on listening, and when it dies, the kernel shuts both. So a process
needs no other sign to stop, and none outlives its supervisor for longer than it takes to stop.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from torpor.thread_start import starting_thread

STOP_SECONDS_MORE: Final = 10.0
"""How much longer than its grace period a process may take to stop, before it is ended."""

GRACE_SECONDS: Final = 10.0
"""Grace period of a process that has not told of its own yet."""

_BYTES: Final = 4096


class AtWork(msgspec.Struct, frozen=True, tag=True):
    """
    What a process says when it begins to work.

    Attributes:
        worker_id: of its worker.
        deployment: id of what the worker brings.
        grace_seconds: how long stopping waits for what runs.
    """

    worker_id: str
    deployment: str
    grace_seconds: float


class Alone(msgspec.Struct, frozen=True, tag=True):
    """
    What a process says that has to be the only one.

    Attributes:
        why: a sentence for people.
    """

    why: str


Message = AtWork | Alone

_DECODER: Final = msgspec.json.Decoder(Message)


class Messages:
    """Messages out of what comes over a line, in whatever pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_DECODER.decode(line) for line in lines if line]


class ProcessEnd:
    """
    The end of the line that a process has. Made before anything else, so that nobody inherits it.

    Args:
        descriptor: the socket's, as the supervisor has passed it.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._stop_seconds = GRACE_SECONDS + STOP_SECONDS_MORE
        _taken.set()

    def tell(self, message: Message) -> None:
        """Tell the supervisor, if there still is one."""
        if isinstance(message, AtWork):
            self._stop_seconds = message.grace_seconds + STOP_SECONDS_MORE
        with suppress(OSError):
            self._socket.sendall(msgspec.json.encode(message) + b"\n")

    def watch(self, ended: Callable[[], None]) -> None:
        """
        Call *ended*, on a thread, when this process is to stop.

        A process whose supervisor has died has nobody who would end it should it not stop: then the thread does.
        """
        with starting_thread("watching whether the supervisor lives"):
            threading.Thread(target=self._watch, args=(ended,), name="torpor-line", daemon=True).start()

    def _watch(self, ended: Callable[[], None]) -> None:
        with suppress(OSError):  # the line broke: the same as its end
            while self._socket.recv(_BYTES):
                pass
        orphaned = self._is_orphaned()
        if orphaned:
            _write_nowhere()
        ended()
        if orphaned:
            time.sleep(self._stop_seconds)
            os._exit(1)

    def _is_orphaned(self) -> bool:
        """Return whether nobody reads what this process says: an empty line, which means nothing, cannot be sent."""
        try:
            self._socket.send(b"\n")
        except OSError:
            return True
        return False


_taken = threading.Event()


def is_supervised() -> bool:
    """Return whether this process was started by a supervisor."""
    return _taken.is_set()


def _write_nowhere() -> None:
    """Send output nowhere whose reader is gone, since a step that prints would fail of that."""
    for descriptor in (1, 2):
        look = select.poll()
        look.register(descriptor, 0)
        if any(state & select.POLLERR for _, state in look.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
