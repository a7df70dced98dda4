"""Randomness of the run: ``random`` is seeded anew, ``secrets``, ``uuid`` and ``os.urandom`` draw from the host."""

from __future__ import annotations

import os
import random
import struct
from typing import Any

from .host import derived


def seed_random(purpose: bytes = b"") -> None:
    """
    Seed the functions of ``random`` with the run's own secret; the image they are in is shared by many runs.

    Args:
        purpose: another one gives other numbers.
    """
    random.seed(derived(b"random" + purpose))


def seed_numpy(numpy_random: Any) -> None:
    """Seed the functions of ``numpy.random`` with the run's own secret, as :func:`seed_random` does."""
    numpy_random.seed(list(struct.unpack("<8I", derived(b"numpy"))))


def random_state() -> object:
    """Return what changes when a function of ``random`` draws; the host sees nothing of that."""
    return random.getstate()


def tell_draw() -> None:
    """Draw from the host, which counts it."""
    os.urandom(1)
