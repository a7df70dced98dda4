"""
Database servers from the system's packages, each in a folder of its own, reached by a socket in it and by nothing else.

Where one is not installed a test is skipped and says so; with ``TORPOR_TEST_SERVERS=required``, as in ``.ci/run``, it
fails.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import psycopg
import pytest

_START_SECONDS: Final = 60
_LOOK_SECONDS = 0.02
_ACCOUNT: Final = "postgres"
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",  # a killed process loses nothing that it has written
    "max_connections": "60",
    "shared_buffers": "32MB",
    "deadlock_timeout": "100ms",
    "wal_receiver_status_interval": "100ms",
    "wal_retrieve_retry_interval": "100ms",
    "log_min_messages": "fatal",
}


def missing(what: str) -> NoReturn:
    """Skip for want of a server, or fail where all of them have to be there."""
    if os.environ.get("TORPOR_TEST_SERVERS") == "required":
        pytest.fail(f"there is no {what}, and TORPOR_TEST_SERVERS says that it is required")
    pytest.skip(f"there is no {what}: apt-get install postgresql pgbouncer")


def system_programs() -> Path:
    """Return where the newest of the system's Postgres servers has its programs; skip where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        missing("Postgres among the system's packages")
    return found[-1].parent


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder whose path is short enough for sockets, which whoever runs servers may write to."""
    made = Path(tempfile.mkdtemp(prefix="torpor-db-", dir="/tmp"))  # its name is random
    _give(made)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class Server:
    """
    One Postgres server.

    Args:
        home: folder for its data and its socket.
        number: which of several in one folder.
        programs: folder of its programs, the system's by default.
    """

    def __init__(self, home: Path, number: int = 1, programs: Path | None = None) -> None:
        self._home = home
        self._programs = programs or system_programs()
        self._port = 5430 + number
        self._data = home / f"data{number}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> tuple[str, int]:
        """Folder of its socket, and its port there."""
        return str(self._home), self._port

    @property
    def url(self) -> str:
        """The URL of a world on it."""
        return f"postgres://{_ACCOUNT}@/postgres?host={self._home}&port={self._port}"

    @property
    def pid(self) -> int:
        """The process that all others of it are children of."""
        assert self._process is not None, "it runs"
        return self._process.pid

    def wipe(self) -> None:
        """Forget all data of a server that does not run."""
        shutil.rmtree(self._data, ignore_errors=True)

    def make(self) -> None:
        """Make an empty server."""
        run(
            self._programs / "initdb",
            "-D",
            self._data,
            "-U",
            _ACCOUNT,
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--no-locale",
        )

    def copy(self, primary: Server) -> None:
        """Make a standby of another server, which runs."""
        host, port = primary.place
        run(
            *(self._programs / "pg_basebackup", "-D", self._data, "-R", "-X", "stream", "-c", "fast", "--no-sync"),
            *("-d", f"host={host} port={port} user={_ACCOUNT} application_name=standby"),
        )

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        given = _SETTINGS | {"unix_socket_directories": str(self._home), "port": str(self._port)} | settings
        options = [option for name, value in given.items() for option in ("-c", f"{name}={value}")]
        self._process = start(self._programs / "postgres", "-D", self._data, *options)
        wait_until(lambda: bool(self.execute("SELECT 1")), f"Postgres in {self._home} answers")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Carry a statement out, and return what it finds."""
        with psycopg.connect(self.url.replace("postgres:", "postgresql:", 1), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: with its connections (SIGINT), or as a crash does (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_START_SECONDS)
            self._process = None

    def promote(self) -> None:
        """Let a standby take over."""
        self.execute("SELECT pg_promote(true, 60)")


@contextmanager
def pooled(server: Server, home: Path) -> Iterator[str]:
    """Put PgBouncer in transaction mode before a server, and yield the URL of the world behind it."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        missing("PgBouncer")
    host, port = server.place
    configuration = home / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = host={host} port={port} user={_ACCOUNT}\n[pgbouncer]\nunix_socket_dir = {home}\n"
        f"listen_port = 6432\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100\n",
        encoding="utf-8",
    )
    process = start(program, "-q", configuration)
    url = f"postgres://{_ACCOUNT}@/postgres?host={home}&port=6432"

    def answers() -> bool:
        with psycopg.connect(url.replace("postgres:", "postgresql:", 1), autocommit=True, prepare_threshold=None) as db:
            return bool(db.execute("SELECT 1").fetchall())

    try:
        wait_until(answers, "PgBouncer answers")
        yield url
    finally:
        process.terminate()
        process.wait(_START_SECONDS)


def run(*command: str | Path) -> None:
    """Run a program of a server's, and wait for its end."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_SECONDS, **_account())
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr}"


def start(*command: str | Path) -> subprocess.Popen[bytes]:
    """Start a server's program."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_account()
    )


def wait_until(happens: Callable[[], bool], what: str) -> None:
    """Wait for a server to do something of which it does not tell."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            if happens():
                return
        except psycopg.Error:
            pass
        time.sleep(_LOOK_SECONDS)  # another process, which gives no signal
    pytest.fail(f"not within {_START_SECONDS} s: {what}")


def _account() -> dict[str, Any]:
    """Return whose processes servers are: Postgres refuses to be root's."""
    if os.geteuid():
        return {}
    return {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": [], "cwd": "/"}


def _give(path: Path) -> None:
    if os.geteuid() == 0:
        try:
            account = pwd.getpwnam(_ACCOUNT)
        except KeyError:
            missing(f"account {_ACCOUNT}, which the system's packages make")
        os.chown(path, account.pw_uid, account.pw_gid)
