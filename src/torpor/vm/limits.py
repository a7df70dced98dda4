"""Bounds of one VM; passing one ends the turn with a :class:`~torpor.errors.VmError` and never touches another run."""

from __future__ import annotations

from dataclasses import dataclass

from torpor.errors import ConfigurationError
from torpor.limits import MIB, PAYLOAD_BYTES_MAX, SNAPSHOT_BYTES_MAX

WASM_PAGE = 64 * 1024
"""Bytes of one page of WebAssembly memory."""


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
