"""
Functions of Python's library that are not in the guest: who asks for one is told why, and what to do.

They stay absent, as an ``AttributeError``, because libraries look with ``hasattr`` and do without.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .advice import STEP
from .finder import author_place

_NO_SYSTEM = "there is no operating system inside the VM"

_OF_SYSTEM = (
    "chown execv execve fork forkpty get_terminal_size getegid geteuid getgid getgroups getloadavg getlogin"
    " getpgid getppid getpriority getrandom getsid getuid kill killpg mkfifo nice pipe posix_spawn posix_spawnp"
    " sched_getaffinity setuid spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe statvfs sync umask"
    " wait wait3 wait4 waitid waitpid"
)

_LACKING: tuple[tuple[ModuleType, str, str], ...] = (
    (hashlib, "pbkdf2_hmac scrypt", "it is OpenSSL's, which the VM does not have"),
    (
        os,
        _OF_SYSTEM,
        _NO_SYSTEM,
    ),
    (signal, "alarm getitimer pause pthread_kill setitimer sigwait", _NO_SYSTEM),
    (socket, "gethostbyaddr gethostbyname getnameinfo getservbyname", "there is no network inside the VM"),
    (time, "clock_settime thread_time thread_time_ns tzset", _NO_SYSTEM),
)
"""Module, names, why they are not there."""


def install() -> None:
    """Let these modules explain what they lack; what a fuller guest has is found before anybody is asked."""
    for module, names, why in _LACKING:
        vars(module)["__getattr__"] = _explaining(module, frozenset(names.split()), why)


def _explaining(module: ModuleType, names: frozenset[str], why: str) -> Callable[[str], Any]:
    def explain(name: str) -> Any:
        text = f"module {module.__name__!r} has no attribute {name!r}"
        if name in names:
            place = author_place()
            text += f" inside a workflow{f' ({place})' if place else ''}: {why}; {STEP}"
        raise AttributeError(text, name=name, obj=module)

    return explain
