"""Processes that start as those of an installation do, which has the byte code of all modules."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def installed() -> Iterator[dict[str, str]]:
    """Give the environment of such processes; the first of them, which counts for nothing, writes the byte code."""
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-") as folder:
        environment = os.environ | {"PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environment
