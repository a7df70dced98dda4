"""A Redis server for tests, one a process, which keeps nothing; and such as keep what they have."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class RedisServer:
    """
    A server of Debian's on a socket of its own.

    Args:
        folder: where it keeps what it has.
        options: of the server.
        sentinel: what it is to watch as a Sentinel, in the words of its file; "" for a server.
    """

    def __init__(self, folder: Path, *options: str, sentinel: str = "") -> None:
        self.folder = folder
        self._options = options
        self._settings: tuple[str, ...] = ("--save", "")
        if sentinel:
            file = folder / "sentinel.conf"  # which it rewrites
            file.write_text(sentinel)
            self._settings = (str(file), "--sentinel")
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        """The URL of a world there."""
        return f"redis+unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it runs"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        place = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder))
        command = [_program(), *self._settings, *place, *self._options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        import redis  # noqa: PLC0415  # where it is installed
        from redis.backoff import ConstantBackoff  # noqa: PLC0415  # as above
        from redis.retry import Retry  # noqa: PLC0415  # as above

        patient = Retry(ConstantBackoff(0.02), 1_000, (redis.RedisError, OSError))
        with redis.Redis(unix_socket_path=str(self.socket), retry=patient) as client:
            client.ping()

    def kill(self) -> None:
        """End it at once, as a crash of the process does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as its administrator does."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, how)
            self._process.wait()
            self._process = None

    def execute(self, *command: object) -> object:
        """Carry a command out."""
        import redis  # noqa: PLC0415  # where it is installed

        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            return client.execute_command(*command)


def _program() -> str:
    found = shutil.which("redis-server")
    has_client = True
    try:
        import redis  # noqa: F401, PLC0415  # looked for
    except ImportError:
        has_client = False
    if found is None or not has_client:
        why = "there is no Redis: apt-get install redis-server, and pip install redis"
        if os.environ.get("TORPOR_TEST_SERVERS") == "required":
            pytest.fail(why)
        pytest.skip(why)
    return found


@contextmanager
def started(*options: str, sentinel: str = "") -> Iterator[RedisServer]:
    """Have a server, or a Sentinel that is told what to watch, for the time of the block."""
    _program()
    with tempfile.TemporaryDirectory(prefix="torpor-redis-") as folder:
        server = RedisServer(Path(folder), *options, sentinel=sentinel)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@functools.cache
def shared_server() -> RedisServer:
    """Return a server of this process's own, which keeps nothing on a disk; skip where there is none."""
    _program()
    server = RedisServer(Path(tempfile.mkdtemp(prefix="torpor-redis-")), "--appendonly", "no")
    server.start()
    atexit.register(server.stop)
    return server


def empty_redis() -> str:
    """Return the URL of a world on :func:`shared_server` in which there is nothing."""
    server = shared_server()
    server.execute("FLUSHALL")
    return server.url
