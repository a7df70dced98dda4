"""Bounds of one VM; passing one ends the turn with a :class:`~torpor.errors.VmError` and never touches another run."""

from __future__ import annotations

from dataclasses import dataclass

from torpor.errors import ConfigurationError
from torpor.limits import KIB, MIB, PAYLOAD_BYTES_MAX, SNAPSHOT_BYTES_MAX

WASM_PAGE = 64 * 1024
"""Bytes of one page of WebAssembly memory."""

# What guest code may hand to one call of the host. More is refused, with the error that WASI has for it, before any of
# it is looked at: a host call copies, and no tick interrupts it.

PATH_BYTES_MAX = 4096
"""A path, or the name of a module, its end included."""

VECTORS_MAX = 1024
"""Buffers of one read or write."""

READ_BYTES_MAX = 16 * MIB
"""What one read fills of all its buffers; the guest reads on from there."""

RANDOM_BYTES_MAX = 64 * KIB
"""Entropy drawn at once."""

REQUEST_BYTES_MAX = 4096
"""A request of the guest's own modules, beside its answer, which ``output_bytes`` bounds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one VM may use.

    Attributes:
        memory_bytes: linear memory; a whole number of 64 KiB pages.
        cpu_seconds: CPU time of one turn.
        output_bytes: outbox of one turn, and what the guest prints in it.

    Raises:
        ConfigurationError: a limit that cannot be.
    """

    memory_bytes: int = 64 * MIB
    cpu_seconds: float = 10.0
    output_bytes: int = PAYLOAD_BYTES_MAX

    def __post_init__(self) -> None:
        if self.memory_bytes <= 0 or self.memory_bytes % WASM_PAGE:
            raise ConfigurationError(
                f"memory_bytes={self.memory_bytes} is not a positive multiple of {WASM_PAGE}; try {64 * MIB}"
            )
        if self.memory_bytes > SNAPSHOT_BYTES_MAX:
            raise ConfigurationError(
                f"memory_bytes={self.memory_bytes} is more than a snapshot may hold ({SNAPSHOT_BYTES_MAX}); lower it"
            )
        if self.cpu_seconds <= 0:
            raise ConfigurationError(f"cpu_seconds={self.cpu_seconds} leaves no time to run; give a positive number")
        if self.output_bytes <= 0:
            raise ConfigurationError(f"output_bytes={self.output_bytes} leaves no room; give a positive number")
