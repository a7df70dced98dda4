"""The workflows that the SDK's suite for Worlds starts, by their names, written anew."""

from __future__ import annotations

from torpor import Torpor

app = Torpor("sqlite:///torpor.db", name="suite")
web = app.sdk("web")
