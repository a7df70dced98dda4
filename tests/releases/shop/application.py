"""The shop: workflows in both languages, and the steps that both of them call."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")
