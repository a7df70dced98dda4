"""
What tests of Torpor, and of applications and worlds made with it, can use.

The public names, each imported when it is first asked for: the pytest plugin lives here too, and costs nothing where no
test asks for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torpor.testing.clock import ManualClock, SkippingClock
    from torpor.testing.runs import RunOnTest
    from torpor.testing.standing import Standing
    from torpor.testing.substitutes import Gate, Substitute
    from torpor.testing.testbed import Testbed
    from torpor.testing.unit import TestCase

__all__ = [
    "Gate",
    "ManualClock",
    "RunOnTest",
    "SkippingClock",
    "Standing",
    "Substitute",
    "TestCase",
    "Testbed",
]

_HOMES = {
    "torpor.testing.clock": ("ManualClock", "SkippingClock"),
    "torpor.testing.runs": ("RunOnTest",),
    "torpor.testing.standing": ("Standing",),
    "torpor.testing.substitutes": ("Gate", "Substitute"),
    "torpor.testing.testbed": ("Testbed",),
    "torpor.testing.unit": ("TestCase",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'torpor.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
