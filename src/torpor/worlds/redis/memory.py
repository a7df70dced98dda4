"""
What a process remembers of its server: what was answered, and whether the server has forgotten any of that.

A server that writes its log once a second loses what it answered just before a crash, and so does one whose replica
takes over that had not heard of all. A worker would wait for ever then for what it has done already, for it does not
know that this is undone; or it would go on where its run is not any more, which an epoch and a number of events do not
tell: others may have raised them to the same again. So its claims are given up before anything else is stored, and it
is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Memory:
    """
    Of all connections of one world in one process.

    Attributes:
        answered: number of the last request of each connection that was answered, by the connection's name.
        losses: how often the server had forgotten something.
        settling: is held while somebody looks what was forgotten, and gives claims up: nobody stores anything then.
    """

    def __init__(self) -> None:
        self.settling = threading.RLock()
        self.answered: dict[bytes, int] = {}
        self.losses = 0
        self._lives: dict[bytes, str] = {}
        self._registered: dict[str, int] = {}

    def note(self, name: bytes, count: int, life: str) -> None:
        """
        Take note of what was answered.

        Args:
            name: of the connection.
            count: number of its request.
            life: of the server that has answered: it changes when the server is restarted, or another one takes over.
        """
        self.answered[name] = count
        self._lives[name] = life

    def forget(self, name: bytes) -> None:
        """Forget a connection that is let go of."""
        self.answered.pop(name, None)
        self._lives.pop(name, None)

    def unsure(self, life: str) -> dict[bytes, int]:
        """Return what was answered, and may not be known to the server that lives this life."""
        return {name: count for name, count in [*self.answered.items()] if self._lives.get(name) != life}

    def compare(self, before: dict[bytes, int], noted: dict[bytes, bytes], life: str = "") -> None:
        """
        Take note of what the server has forgotten.

        Args:
            before: what was answered before it was asked.
            noted: what it has noted of each connection.
            life: of the server that was asked, if that is known.
        """
        lost = [name for name, count in before.items() if int(noted.get(name, b"0:").partition(b":")[0]) < count]
        for name in lost:
            self.forget(name)
        if life:
            self._lives.update(dict.fromkeys(before.keys() - {*lost}, life))
        self.losses += bool(lost)

    def registered(self, worker_id: str) -> None:
        """Take note that a worker was registered."""
        self._registered[worker_id] = self.losses

    def lost(self) -> list[str]:
        """Return the workers that were registered here before the server has forgotten something."""
        return [worker_id for worker_id, losses in [*self._registered.items()] if losses < self.losses]

    @contextmanager
    def giving_up(self, worker_id: str) -> Iterator[None]:
        """Forget a worker, what it has is given up in the block; it is one of :meth:`lost` again if that fails."""
        losses = self._registered.pop(worker_id, None)
        try:
            yield
        except BaseException:
            if losses is not None:
                self._registered.setdefault(worker_id, losses)
            raise
