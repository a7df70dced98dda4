"""
Functions of Python that guest code calls.

wasmtime-py offers such functions too, but keeps the exception that one of them raised in a variable of the process, and
the functions themselves in a list that no lock guards: with several VMs at once one could fail of another's exception.
Also it calls Python when a linker is freed, which may happen in any thread, even while the process ends.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi

_U32 = 0xFFFF_FFFF
_STOPPED = b"a function of the host failed"
_no_finalizer = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()

_raised = threading.local()


class HostLinker(wasmtime.Linker):
    """
    A linker with functions of Python. It may serve many stores, and must outlive them.

    Args:
        engine: the engine of those stores.
    """

    def __init__(self, engine: wasmtime.Engine) -> None:
        super().__init__(engine)
        self._callbacks: list[Any] = []  # C calls them for as long as there are stores

    def define_host(self, module: str, name: str, kind: wasmtime.FuncType, function: Callable[..., int | None]) -> None:
        """
        Define a function.

        Args:
            module, name: what guests import it as.
            kind: its type, of i32 and i64 only, with at most one result.
            function: gets an i32 as an unsigned number, since nearly all are addresses and sizes, and an i64 as a
                signed one. What it raises ends the guest's call and is raised there, in the same thread.

        Raises:
            TypeError: a type of another kind.
        """
        wide = [_is_wide(parameter) for parameter in kind.params]
        if len(kind.results) > 1 or any(_is_wide(result) for result in kind.results):
            raise TypeError(f"a function of the host returns nothing or an i32, not {kind.results}")
        callback = _callback(function, wide, returns=bool(kind.results))
        self._callbacks.append(callback)
        error = ffi.wasmtime_linker_define_func_unchecked(
            self.ptr(),
            *_text(module),
            *_text(name),
            kind.ptr(),
            callback,
            None,
            _no_finalizer,
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)  # noqa: SLF001  # the only way to read one


def take_raised() -> BaseException | None:
    """Return what a host function raised that ended the last call of this thread's guest code, once."""
    problem: BaseException | None = getattr(_raised, "problem", None)
    _raised.problem = None
    return problem


def _callback(function: Callable[..., int | None], wide: list[bool], *, returns: bool) -> Any:
    def call(_env: Any, _caller: Any, raw: Any, _count: int) -> int:
        try:  # ctypes would swallow an exception, and the guest would go on
            arguments = [raw[at].i64 if is_wide else raw[at].i32 & _U32 for at, is_wide in enumerate(wide)]
            result = function(*arguments)
            if returns:
                raw[0].i32 = result
        except BaseException as problem:  # noqa: BLE001  # raised again where the guest was called
            _raised.problem = problem
            trap = ffi.wasmtime_trap_new(ctypes.create_string_buffer(_STOPPED), len(_STOPPED))
            return ctypes.cast(trap, ctypes.c_void_p).value or 0
        return 0

    return ffi.wasmtime_func_unchecked_callback_t(call)


def _is_wide(kind: wasmtime.ValType) -> bool:
    name = str(kind)
    if name not in ("i32", "i64"):
        raise TypeError(f"a function of the host takes i32 and i64, not {name}")
    return name == "i64"


def _text(text: str) -> tuple[Any, int]:
    data = text.encode()
    return ctypes.create_string_buffer(data, len(data)), len(data)
