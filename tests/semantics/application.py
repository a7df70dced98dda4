"""
The application of these tests: workflows in both languages, and the steps that both of them call.

The files of one name in ``flows`` do the same in each language; what JavaScript calls ``addTen`` is ``add_ten`` in
Python.
"""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent, allow=["host//127.0.0.1", "host//localhost"])
app.workflows("flows/*.js")
