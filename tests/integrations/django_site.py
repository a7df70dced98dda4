"""What the settings of the tests of Django name."""

from __future__ import annotations

from torpor import Torpor

app = Torpor("memory://", name="django")
no_app = "text"
