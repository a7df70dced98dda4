"""
Hearing that a file was written, by whichever process, without looking again and again.

Linux tells it (inotify(7)). Elsewhere, or when the user has no more watches, there is none, and one has to look.
"""

from __future__ import annotations

import ctypes
import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

REST_MS: Final = 5
"""How long a writing is kept back that follows another one: what is told so often costs more than it is worth."""

_IN_MODIFY: Final = 0x2
_EVENTS_BYTES: Final = 4096


class Watch:
    """
    A thread that waits until a file is written.

    Args:
        inotify, descriptor: of the watch, see :func:`watch`.
        tell: is called on the thread after each writing, or once for those of the pause before; returns for how long it
            wants to hear of no more, in seconds.
    """

    def __init__(self, inotify: int, descriptor: int, tell: Callable[[], float]) -> None:
        self._inotify = inotify
        self._descriptor = descriptor
        self._tell = tell
        self._closed = threading.Event()
        self._hearing = threading.Lock()  # what is forgotten is not told a moment later
        threading.Thread(target=self._main, name="Watch", daemon=True).start()

    def forget(self) -> None:
        """Tell of no writing that has been until now; called by who has written, and knows."""
        with self._hearing, suppress(BlockingIOError):
            os.read(self._inotify, _EVENTS_BYTES)

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        _libc().inotify_rm_watch(self._inotify, self._descriptor)  # which wakes it: that is an event, too

    def _main(self) -> None:
        written = select.poll()
        written.register(self._inotify, select.POLLIN)
        while True:
            written.poll()
            if self._closed.is_set():
                break
            pause = 0.0
            with self._hearing, suppress(BlockingIOError):  # if it was forgotten
                os.read(self._inotify, _EVENTS_BYTES)
                pause = self._tell()
            self._closed.wait(max(pause, REST_MS / 1000))
        os.close(self._inotify)


def watch(path: Path, tell: Callable[[], float]) -> Watch | None:
    """Begin to watch a file that is there; None where that cannot be done."""
    try:
        inotify = _libc().inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    except (AttributeError, OSError):
        return None
    if inotify < 0:
        return None
    descriptor = _libc().inotify_add_watch(inotify, os.fsencode(path), _IN_MODIFY)
    if descriptor < 0:
        os.close(inotify)
        return None
    try:
        return Watch(inotify, descriptor, tell)
    except RuntimeError:  # no thread can be started
        os.close(inotify)
        return None


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
