"""One process under a supervisor: started, listened to, stopped."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Self

from torpor.processes.line import GRACE_SECONDS, STOP_SECONDS_MORE, Alone, AtWork, Message, Messages

LINE_BYTES_MAX: Final = 65_536
"""A longer line is passed on in pieces."""

_LAST_WORDS_SECONDS: Final = 1.0
_LABEL_CHARS: Final = 6

Command = Callable[[int], Sequence[str]]
"""Returns the command line of a process that has its end of the line under this descriptor."""


class Child(asyncio.SubprocessProtocol):
    """
    A process; made by :meth:`start`.

    What it prints is passed on in whole lines. Before each stands the end of its worker's id, or its own id as long as
    it has none.

    Attributes:
        pid: its id.
        work: what it has said of its work, None before.
        alone: why it has to be the only process, ``""`` when it need not.
        settled: set when it is at work, or has ended.
        ended: its exit code, once its last words are passed on; that of a process that a signal ended is negative.
    """

    def __init__(self, is_labelled: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._is_labelled = is_labelled
        self._transport: asyncio.SubprocessTransport
        self._line: asyncio.WriteTransport
        self._speaking = {1: b"", 2: b""}  # what came of a line, by descriptor
        self._silent = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._works_since: float | None = None
        self.pid = 0
        self.work: AtWork | None = None
        self.alone = ""
        self.settled = asyncio.Event()
        self.ended: asyncio.Future[int] = loop.create_future()

    @classmethod
    async def start(
        cls, command: Command, is_labelled: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> Self:
        """
        Start a process.

        Args:
            command: makes its command line.
            is_labelled: tells whether its lines are to be told from those of others.
            environment: of the process; this one's by default.

        Raises:
            OSError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        child = cls(is_labelled)
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                child._transport, _ = await loop.subprocess_exec(
                    lambda: child,
                    *command(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                )
            child.pid = child._transport.get_pid() or 0
            child._line, _ = await loop.create_connection(lambda: _Line(child._hear), sock=ours)
        except BaseException:
            ours.close()  # for a process that was started, the wish that it may end
            raise
        return child

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"process {self.pid}" if self.work is None else f"worker {self.work.worker_id} (process {self.pid})"

    @property
    def worked_seconds(self) -> float:
        """How long it has been at work; 0 when it never was."""
        return 0.0 if self._works_since is None else self._time() - self._works_since

    async def stop(self) -> bool:
        """Let it end what it is at; return False if it had to be killed, because its grace period had passed."""
        if not self._line.is_closing():
            self._line.write_eof()
        grace = GRACE_SECONDS if self.work is None else self.work.grace_seconds
        await asyncio.wait((self.ended,), timeout=grace + STOP_SECONDS_MORE)
        if self.ended.done():
            return True
        self.kill()
        await asyncio.wait((self.ended,))
        return False

    def kill(self) -> None:
        """End it at once; the handler of a signal may call this."""
        with suppress(ProcessLookupError):
            self._transport.kill()

    # What the event loop tells of it

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass on the lines that are whole, those that came together together."""
        whole, _, rest = (self._speaking[fd] + data).rpartition(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            whole, rest = (whole + b"\n" + rest if whole else rest), b""
        self._speaking[fd] = rest
        if whole:
            self._pass_on(fd, whole)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Pass on a last line that has no end."""
        if rest := self._speaking.pop(fd, b""):
            self._pass_on(fd, rest)
        if not self._speaking:
            self._silent.set()

    def process_exited(self) -> None:
        """Wait for its last words, but not for those of processes that it has started and that live on."""
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._silent.wait()
        code = self._transport.get_returncode()
        self._line.close()
        self._transport.close()
        self.settled.set()
        self.ended.set_result(0 if code is None else code)

    def _hear(self, message: Message) -> None:
        match message:
            case AtWork():
                self.work, self._works_since = message, self._time()
                self.settled.set()
            case Alone(why):
                self.alone = why

    def _pass_on(self, fd: int, lines: bytes) -> None:
        label = ""
        if self._is_labelled():
            label = f"{self.pid if self.work is None else self.work.worker_id[-_LABEL_CHARS:]}  "
        text = "".join(f"{label}{line}\n" for line in lines.decode(errors="replace").split("\n"))
        stream = sys.stdout if fd == 1 else sys.stderr
        with suppress(OSError, ValueError):  # nobody reads, or the stream is closed: the processes go on
            stream.write(text)
            stream.flush()


class _Line(asyncio.Protocol):
    """The supervisor's end of a line."""

    def __init__(self, hear: Callable[[Message], None]) -> None:
        self._messages = Messages()
        self._hear = hear

    def data_received(self, data: bytes) -> None:
        for message in self._messages.feed(data):
            self._hear(message)

    def eof_received(self) -> bool:
        return False  # its process has ended


def ending_text(code: int) -> str:
    """Return how a process has ended, from its exit code: ``was killed by SIGKILL``, ``ended with exit code 1``."""
    if code >= 0:
        return f"ended with exit code {code}"
    known = -code in set(signal.Signals)
    return f"was killed by {signal.Signals(-code).name if known else f'signal {-code}'}"
