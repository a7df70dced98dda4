"""Which version of a package is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed(package: str) -> str:
    """Return a package's version, ``from a checkout`` of one that is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "from a checkout"
