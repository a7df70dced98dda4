"""
Who is connected to a world with a server: the rule by which a worker counts as dead whose process is not.

A process shows by its lasting connection, the one on which its ear listens, that it is there; a back end says how, and
how others see it. Whoever gives a sign of life looks at the others on the way. Who was there, and is gone for
:data:`torpor.model.GONE_MS` without a sign of life, has died: his connection would be back. What nobody can know of is
left to the lease:

* what was shown to another server, or to this one before it was restarted, says nothing of the one that is asked now;
* who has lost his own connection does not judge, and begins to count when he has it again: all may have lost theirs;
* looks that are far apart are none of the same absence.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import GONE_MS, WorkerRow

_APART_MS: Final = 2 * GONE_MS + 1_000


class Presence:
    """
    How this process is seen, and since when it does not see others. It may be used on any thread.

    Attributes:
        id: what it is known by; rows of its workers have it.
        shown_to: which server, and since which start of it, its connection is shown to; ``""`` while it has none.
        shows: how often its connection was there anew.
    """

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self.shown_to = ""
        self.shows = 0
        self._is_cut = False
        self._changing = threading.Lock()
        self._missed: dict[tuple[str, int], int] = {}  # steady time, by worker and its last sign of life
        self._looked_at = 0

    def show(self, server: str) -> None:
        """Note that the connection is there, and is seen by others who ask the same *server* while it runs."""
        with self._changing:
            self.shown_to, self._is_cut = server, False
            self.shows += 1
            self._missed.clear()

    def lose(self) -> None:
        """Note that the connection is gone."""
        with self._changing:
            self.shown_to, self._is_cut = "", True

    def judge(self, looked: Iterable[tuple[WorkerRow, bool | None]], clock: Clock, shows: int) -> list[WorkerRow]:
        """
        Return workers with how long they have been gone.

        Args:
            looked: all workers that there are, each with whether its connection was seen just now; None where nothing
                is known of it.
            clock: tells steady time.
            shows: what :attr:`shows` was before anybody looked.
        """
        now, found = clock.steady(), list(looked)
        missing = {(worker.id, worker.seen_at) for worker, is_there in found if is_there is False}
        with self._changing:
            is_away = any(is_there is False and worker.presence == self.id for worker, is_there in found)
            if is_away and self.shows == shows:  # else it is back since then
                self.shown_to = ""  # somebody in between has given it away, as a pooler does
            before = self._missed if now - self._looked_at <= _APART_MS else {}
            self._looked_at = now
            self._missed = {} if self._is_cut else {each: before.get(each, now) for each in missing}
            missed = self._missed
        return [
            worker
            if (since := missed.get((worker.id, worker.seen_at))) is None
            else replace(worker, gone_ms=now - since)
            for worker, _ in found
        ]
