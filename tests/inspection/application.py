"""The application of these tests; each test opens it on a world of its own."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")
