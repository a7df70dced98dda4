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


class Authority:
    """
    A list of what is allowed beside.

    Args:
        allow: full names of steps, such as ``step//./ops.py//restart``, and ``application//`` before names of other
            applications whose runs may be asked and cancelled; ``*`` stands for any characters.

    Raises:
        ConfigurationError: an entry is neither.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        allowed = [allow] if isinstance(allow, str) else list(allow)
        for entry in allowed:
            if not entry.startswith((STEP, APPLICATION)):
                raise ConfigurationError(
                    f"Torpor(allow=[{entry!r}]): an entry is the full name of a step, such as 'step//./ops.py//*', or "
                    f"of an application, such as '{APPLICATION}billing'"
                )
        self._steps = tuple(entry for entry in allowed if entry.startswith(STEP))
        self._applications = tuple(entry for entry in allowed if entry.startswith(APPLICATION))

    def allows_step(self, name: str) -> bool:
        """Return whether a step may be called by code that does not import it, given by its full name."""
        return any(fnmatchcase(name, pattern) for pattern in self._steps)

    def allows_application(self, name: str) -> bool:
        """Return whether runs of another application may be asked and cancelled."""
        return any(fnmatchcase(f"{APPLICATION}{name}", pattern) for pattern in self._applications)
