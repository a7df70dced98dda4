"""What would stop the whole VM, or needs what it lacks: threads, processes, the network, a terminal, files."""

from __future__ import annotations

import builtins
import functools
import io
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from .advice import STEP, refusal
from .finder import author_place

_NO_THREADS = "there are no threads inside the VM"
_NO_PROCESSES = "there are no processes inside the VM"
_NO_NETWORK = "there is no network inside the VM"
_NOBODY = "nobody sits at a terminal"
_TASK = "use asyncio.create_task, or a step"

_BLOCKED: tuple[tuple[Any, str, str, str, str], ...] = (
    (time, "sleep", "time.sleep()", "it would stop the VM", "await torpor.sleep(…) or asyncio.sleep(…), which last"),
    (threading.Thread, "start", "threading.Thread", _NO_THREADS, _TASK),
    # The waiting of Event, Barrier, queue.Queue and of concurrent.futures.
    (threading.Condition, "wait", "waiting for another thread", _NO_THREADS, "use asyncio.Event, asyncio.Queue …"),
    (subprocess.Popen, "__init__", "subprocess", _NO_PROCESSES, STEP),
    (os, "system", "os.system()", _NO_PROCESSES, STEP),
    (socket, "getaddrinfo", "the network", _NO_NETWORK, STEP),
    (socket.socket, "__init__", "socket.socket()", _NO_NETWORK, STEP),
    (builtins, "input", "input()", _NOBODY, "wait for a hook, which an application resumes"),
    (
        sys,
        "breakpointhook",
        "breakpoint()",
        _NOBODY,
        "look into the parked run with torpor inspect --stack or torpor repl",
    ),
)
"""Owner, attribute, what it is called, why it cannot be, what to do instead."""


def install() -> None:
    """
    Refuse all of it, each with advice.

    ``open`` and what is built upon it, such as ``Path.read_text``, add the advice to the error that they raise anyway.
    """
    for owner, attribute, what, why, advice in _BLOCKED:
        setattr(owner, attribute, refusal(what, why, advice))
    builtins.open = io.open = _open_and_advise
    vars(platform.uname())["processor"] = ""  # else Python starts a process to learn it


_open = io.open


@functools.wraps(_open)
def _open_and_advise(file: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return _open(file, *args, **kwargs)
    except OSError as error:
        at = author_place()
        if at is None:  # Python's own search for a file, which may well be absent
            raise
        text = f"{error.strerror or error}: there are no files inside a workflow ({at}); {STEP}"
        raise type(error)(error.errno, text, file) from None
