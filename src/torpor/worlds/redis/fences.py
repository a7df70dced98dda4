"""
What tells two states of a run apart, though their epochs and numbers of events are the same.

A server that was restarted, or replaced by its replica, may have forgotten the last events of a run; others raise their
number again. Whoever still holds the run as it was must not go on with it. So a fence ends with what nobody can guess,
and a process remembers it beside each state of a run that it has read or written: that object is what it goes on with.
"""

from __future__ import annotations

import secrets
from typing import Final

from torpor.model import Run
from torpor.worlds.draft import fence
from torpor.worlds.redis.rows import pack_fence

_KEPT: Final = 4_096


class Fences:
    """The fences of states of runs that a process knows; of the oldest it knows none any more."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Run, bytes]] = {}

    def note(self, run: Run, stored: bytes | None) -> None:
        """Take note of the fence of a run as it was read, or will be."""
        if stored is None:
            return
        self._known[id(run)] = run, stored
        if len(self._known) > _KEPT:
            for old in [*self._known][: _KEPT // 2]:
                self._known.pop(old, None)

    def of(self, run: Run) -> bytes | None:
        """Return the fence of a state, None when it is not known."""
        known = self._known.get(id(run))
        return known[1] if known is not None and known[0] is run else None

    def differ(self, one: Run, other: Run) -> bool:
        """Return whether two states of a run are not the same, as far as this is known."""
        first, second = self.of(one), self.of(other)
        return fence(one) != fence(other) or (first is not None and second is not None and first != second)

    def changed(self, before: Run | None, run: Run) -> bytes | None:
        """Return the new fence of a run that is to be stored, None when it stays."""
        if before is not None and fence(before) == fence(run):
            self.note(run, self.of(before))
            return None
        new = pack_fence(run) + secrets.token_hex(4).encode()
        self.note(run, new)
        return new
