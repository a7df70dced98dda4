"""``torpor`` as a process of its own, watched line by line."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import torpor

SOURCE = str(Path(torpor.__file__).parents[1])
TIMEOUT = 30.0


def run(folder: Path, *arguments: str, **settings: str) -> str:
    """Run `torpor …` to its end and return its standard output; it must succeed."""
    command = [sys.executable, "-P", "-m", "torpor.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment() | settings, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def environment() -> dict[str, str]:
    """Return this process's environment without settings for Torpor, and with the source on the path."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TORPOR_")} | {
        "PYTHONPATH": SOURCE
    }


class Process:
    """
    A running ``torpor …``; its output and errors come as one stream of lines.

    Args:
        folder: where it runs.
        arguments: of the command line.
        settings: of the environment, beside this process's own.
    """

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "torpor.cli", *arguments],
            cwd=folder,
            env=environment() | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(TIMEOUT)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def wait_line(self, text: str) -> str:
        """Return the next line that has *text* in it."""
        while (line := self._lines.get(timeout=TIMEOUT)) is not None:
            self.seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"the process ended without a line with {text!r}: {self.seen}")

    def wait_end(self) -> int:
        """Return the exit code, with all lines seen."""
        code = self._process.wait(TIMEOUT)
        while (line := self._lines.get(timeout=TIMEOUT)) is not None:
            self.seen.append(line)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and those that it started."""
        os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)
