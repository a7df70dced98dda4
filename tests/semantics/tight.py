"""Guests of little time and memory, made once: runs and queries that pass a limit pass it soon."""

from __future__ import annotations

import functools

import pytest

from torpor.guests.cpython import CPython
from torpor.guests.quickjs import QuickJS
from torpor.limits import MIB
from torpor.programs.catalogue import Programs
from torpor.vm.guest import Guest
from torpor.vm.limits import Limits


def use_tight_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let applications have these guests until the test ends."""
    monkeypatch.setattr(Programs, "guest", lambda _self, name: _tight(name))


@functools.cache
def _tight(name: str) -> Guest:
    if name == "quickjs":
        return QuickJS(limits=Limits(cpu_seconds=1))
    return CPython(limits=Limits(cpu_seconds=4, memory_bytes=128 * MIB))  # its program loads in about one
