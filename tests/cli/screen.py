"""A command on a real terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.cli.processes import environment

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def screen(folder: Path, *arguments: str, columns: int = 80) -> list[str]:
    """Run `torpor …` to its end on a terminal and return the lines that it shows, without colours; it must succeed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "torpor.cli", *arguments],
        cwd=folder,
        env=environment() | {"TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65_536):
            written += chunk
    except OSError:  # Linux says so that the other end was closed
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return [line.rstrip() for line in _ESCAPES.sub("", written.decode()).replace("\r\n", "\n").splitlines()]
