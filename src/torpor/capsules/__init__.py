"""
Capsules: a run with all that belongs to it in one file.

``file.py`` is the form of the file, which knows no runs: named parts behind a manifest of their hashes. ``contents.py``
says which parts a run becomes, and back, and ``blobs.py`` what of programs and guests goes along. ``transfer.py`` takes
runs out of worlds and puts them into others; ``shown.py`` is a world that has only the run of a capsule, to be looked
at.
"""

from __future__ import annotations

from typing import Final

SCHEME: Final = "capsule:"
"""What the URL of a world begins with that is a capsule: ``capsule:order-17.capsule``."""

SUFFIX: Final = ".capsule"
"""What the name of a capsule's file ends with."""
