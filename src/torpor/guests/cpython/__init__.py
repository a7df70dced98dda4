"""The Python guest: CPython 3.15 with its standard library, and asyncio on the run's own time."""

from torpor.guests.cpython.guest import DEFAULT_LIMITS, CPython
from torpor.vm.limits import Limits

__all__ = ["DEFAULT_LIMITS", "CPython", "Limits"]
