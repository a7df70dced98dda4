"""
The application of the tests of child runs.

Its steps start runs, so that tests give it a world of their own instead of making a twin that the steps do not know.
"""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")
