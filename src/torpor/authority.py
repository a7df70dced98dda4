"""
What an application allows its workflow code beyond what that code imports.

A run may call the steps that its program names, and start, ask and cancel runs of its own application. Workflow code
that has taken its own VM apart could name others, so the host checks what it asks for: against its program, and this.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from torpor.errors import ConfigurationError

STEP: Final = "step//"
APPLICATION: Final = "application//"
HOST: Final = "host//"
MODEL: Final = "model//"


class Authority:
    """
    A list of what is allowed beside.

    Args:
        allow: full names of steps, such as ``step//./ops.py//restart``, ``application//`` before names of other
            applications whose runs may be asked and cancelled, and ``host//`` before hosts that may be fetched from,
            such as ``host//api.example.com`` or ``host//127.0.0.1:8080``; ``*`` stands for any characters. ``model//``
            stands before models that agents may ask, such as ``model//openai:*``; without any they may ask all.
        where: where more is allowed, for messages.

    Raises:
        ConfigurationError: an entry is neither.
    """

    def __init__(self, allow: Iterable[str] = (), where: str = "Torpor(allow=[{!r}])") -> None:
        self._where = where
        allowed = [allow] if isinstance(allow, str) else list(allow)
        for entry in allowed:
            if not entry.startswith((STEP, APPLICATION, HOST, MODEL)):
                raise ConfigurationError(
                    f"Torpor(allow=[{entry!r}]): an entry is the full name of a step, such as 'step//./ops.py//*', "
                    f"or of an application, such as '{APPLICATION}billing', or of a host, such as '{HOST}example.com', "
                    f"or of a model, such as '{MODEL}openai:*'"
                )
        self._steps = tuple(entry for entry in allowed if entry.startswith(STEP))
        self._applications = tuple(entry for entry in allowed if entry.startswith(APPLICATION))
        self._models = tuple(entry.removeprefix(MODEL) for entry in allowed if entry.startswith(MODEL))
        self._hosts = tuple(entry.removeprefix(HOST).lower() for entry in allowed if entry.startswith(HOST))

    def remedy(self, entry: str) -> str:
        """Return what allows something that is not allowed, for messages."""
        return self._where.format(entry)

    def allows_host(self, name: str, port: int) -> bool:
        """Return whether workflow code may fetch from a host, by its name or address, at a port."""
        texts = name.lower(), f"{name.lower()}:{port}"
        return any(fnmatchcase(text, pattern) for text in texts for pattern in self._hosts)

    def allows_model(self, name: str) -> bool:
        """Return whether agents may ask a model; where none is named, they may ask all."""
        return not self._models or any(fnmatchcase(name, pattern) for pattern in self._models)

    def names_address(self, address: str, port: int) -> bool:
        """Return whether an address is named itself, by no pattern."""
        return address in self._hosts or f"{address}:{port}" in self._hosts

    def allows_step(self, name: str) -> bool:
        """Return whether a step may be called by code that does not import it, given by its full name."""
        return any(fnmatchcase(name, pattern) for pattern in self._steps)

    def allows_application(self, name: str) -> bool:
        """Return whether runs of another application may be asked and cancelled."""
        return any(fnmatchcase(f"{APPLICATION}{name}", pattern) for pattern in self._applications)
