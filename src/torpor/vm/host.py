"""
What the host lacks: the system's refusals become errors that say what is missing and what to do, and blame no run.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torpor.errors import HostError
from torpor.thread_start import starting_thread

SCARCE = frozenset(
    {
        errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.ENOSPC, errno.EDQUOT, errno.EINTR,
    }
)  # fmt: skip
"""Refusals that may pass by themselves; others (no such file, no permission) say that something is set up wrongly."""

_OS_ERROR = re.compile(r"os error (\d+)")  # as Rust writes it, and so wasmtime
_NO_MEMORY = re.compile(r"mmap failed|allocat\w* .*(?:failed|memory)|out of memory|no memory", re.IGNORECASE)


def host_error(what: str, problem: BaseException) -> HostError:
    """
    Return the error for a refusal.

    Args:
        what: what was to be done, such as ``mapping an image``.
        problem: an OSError, a MemoryError, a RuntimeError of a thread that did not start, or a WasmtimeError.
    """
    return HostError(f"{what}: {_reason(problem)}{_remedy(_errno(problem))}")


def lacking_descriptors(needed: int) -> str | None:
    """Return what to do when this process may not have *needed* files open, or None when it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return None
    most = "" if hard == resource.RLIM_INFINITY else f" (the system allows {hard})"
    return f"this process may have {soft} files open and may come to need {needed}: raise `ulimit -n`{most}"


def is_scarcity(problem: BaseException) -> bool:
    """Return whether the host lacks something that it may have later."""
    if _is_wasmtimes(problem):
        return _errno(problem) in SCARCE or _NO_MEMORY.search(str(problem)) is not None
    return isinstance(problem, MemoryError) or _errno(problem) in SCARCE


@contextmanager
def needs_host(what: str) -> Iterator[None]:
    """
    Raise what the system refuses inside the block as HostError.

    Args:
        what: what is done there.

    Raises:
        HostError: the system has refused something, or no thread could be started.
    """
    try:
        with starting_thread(what):
            yield
    except (OSError, MemoryError) as problem:
        raise host_error(what, problem) from problem
    except Exception as problem:
        if not (_is_wasmtimes(problem) and is_scarcity(problem)):
            raise
        raise host_error(what, problem) from problem


def _is_wasmtimes(problem: BaseException) -> bool:
    """Return whether wasmtime has raised it; while nobody has imported wasmtime, which takes long, it has not."""
    wasmtime = sys.modules.get("wasmtime")
    return wasmtime is not None and isinstance(problem, wasmtime.WasmtimeError)


def _errno(problem: BaseException) -> int | None:
    if isinstance(problem, OSError):
        return problem.errno
    if isinstance(problem, MemoryError):
        return errno.ENOMEM
    found = _OS_ERROR.search(str(problem))
    if found is not None:
        return int(found[1])
    return errno.ENOMEM if _NO_MEMORY.search(str(problem)) else None


def _reason(problem: BaseException) -> str:
    if isinstance(problem, OSError):
        told = problem.strerror or str(problem)
        return f"{told} ({problem.filename})" if problem.filename else told
    if isinstance(problem, MemoryError):
        return os.strerror(errno.ENOMEM)
    return str(problem).strip() or type(problem).__name__


def _remedy(number: int | None) -> str:
    match number:
        case errno.EMFILE:
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            return f"; this process may have {soft} files open: raise `ulimit -n`, or lower WorkerSettings(turns=…)"
        case errno.ENFILE:
            return "; the whole system has too many files open"
        case errno.ENOMEM:
            return "; give the process more memory, or lower WorkerSettings(turns=…)"
        case errno.EAGAIN:
            return "; raise the limit of processes and threads (`ulimit -u`, or the container's)"
        case errno.ENOSPC | errno.EDQUOT:
            return "; free some disk space"
        case errno.EACCES | errno.EPERM:
            return "; let this user read it"
    return ""
