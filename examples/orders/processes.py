"""Processes of the demo: started with a log file each, killed without a warning, and never left behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 5.0


class ProcessDiedError(Exception):
    """A process ended that should have gone on; the message has the end of its log."""


class Process:
    """
    A Python process; leaving the ``with`` block ends it.

    Args:
        name: for messages and the log file.
        arguments: what follows ``python``.
        folder: where its log goes, appended to what is there.
        cwd: its working folder.
        environment: its environment.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], *, folder: Path, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self._name = name
        self._log = folder / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has printed so far, and processes of the same name before it."""
        return self._log.read_text(errors="replace")

    def check(self) -> None:
        """
        Raises:
            ProcessDiedError: it has ended by itself.
        """
        if (code := self._process.poll()) is not None:
            raise ProcessDiedError(
                f"the {self._name} process ended with {code}; the end of {self._log}:\n{self.output[-2000:]}"
            )

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL, no last words."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and insist after five seconds. Harmless when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
