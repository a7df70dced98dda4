"""What ``importlib.metadata`` tells of packages that are installed outside: their versions, where the program asks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, DistributionFinder
from typing import Any


class _Outside(Distribution):
    """An installed distribution of which the version is known."""

    def __init__(self, name: str, version: str) -> None:
        self._text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        raise FileNotFoundError(f"{path}: the files of an installed package are outside")


class _Finder(DistributionFinder):
    """Finds them, after all others."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._found = {_plain(name): _Outside(name, version) for name, version in versions.items()}

    def find_spec(self, *_: object) -> None:
        """Find no modules."""

    def find_distributions(self, context: Any = DistributionFinder.Context()) -> Iterator[Distribution]:  # noqa: B008  # as the base class has it
        if context.name is None:
            yield from self._found.values()
        elif found := self._found.get(_plain(context.name)):
            yield found


def install(versions: Mapping[str, str]) -> None:
    """Let the versions of these distributions be known."""
    if versions:
        sys.meta_path.append(_Finder(versions))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
