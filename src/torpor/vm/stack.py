"""
Makes sure that a thread has the stack that guest code may use.

Guest code runs on the stack of the calling thread. wasmtime ends a guest that uses more than it may, but trusts that
the thread has as much; where it has not, the whole process would be killed.
"""

from __future__ import annotations

import ctypes
import threading

from torpor.errors import ConfigurationError
from torpor.limits import KIB

_PYTHON_BYTES = 256 * KIB
"""What Python itself may have used and will need for host functions."""

_checked = threading.local()


def require_stack(size: int) -> None:
    """
    Check that this thread's stack has room for *size* bytes of guest frames; once per thread.

    Raises:
        ConfigurationError: it has not.
    """
    if getattr(_checked, "size", 0) >= size:
        return
    have = stack_bytes()
    if have is not None and have < size + _PYTHON_BYTES:
        raise ConfigurationError(
            f"the stack of thread {threading.current_thread().name} has {have} bytes, a guest may need "
            f"{size + _PYTHON_BYTES}; call threading.stack_size(8 * 1024 * 1024) before starting threads, or set"
            " `ulimit -s 8192`"
        )
    _checked.size = size


def stack_bytes() -> int | None:
    """Return the size of this thread's stack, or None where the system does not tell."""
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "pthread_getattr_np"):
        return None  # macOS gives Python threads 16 MiB
    attributes = (ctypes.c_char * 256)()  # pthread_attr_t has 56 bytes with glibc
    libc.pthread_self.restype = ctypes.c_void_p
    if libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attributes) != 0:
        return None
    address, size = ctypes.c_void_p(), ctypes.c_size_t()
    libc.pthread_attr_getstack(attributes, ctypes.byref(address), ctypes.byref(size))
    libc.pthread_attr_destroy(attributes)
    return size.value
