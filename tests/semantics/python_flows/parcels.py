"""A class that only steps know by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Parcel:
    """What is sent."""

    names: list[str]

    def label(self) -> str:
        """Return what stands on it."""
        return " + ".join(self.names)
