"""
What a process remembers of its server: what was answered, and whether the server has forgotten any of that.

A server that writes its log once a second loses what it answered just before a crash. A worker would wait for ever then
for what it has done already, for it does not know that this is undone. So it is told that its claims are gone.
"""

from __future__ import annotations


class Memory:
    """
    Of all connections of one world in one process.

    Attributes:
        answered: number of the last request of each connection that was answered, by the connection's name.
        losses: how often the server had forgotten something.
    """

    def __init__(self) -> None:
        self.answered: dict[bytes, int] = {}
        self.losses = 0
        self._registered: dict[str, int] = {}

    def compare(self, before: dict[bytes, int], noted: dict[bytes, bytes]) -> None:
        """
        Take note of what the server has forgotten.

        Args:
            before: what was answered before it was asked.
            noted: what it has noted of each connection.
        """
        lost = [name for name, count in before.items() if int(noted.get(name, b"0:").partition(b":")[0]) < count]
        for name in lost:
            self.answered.pop(name, None)
        self.losses += bool(lost)

    def registered(self, worker_id: str) -> None:
        """Take note that a worker was registered."""
        self._registered[worker_id] = self.losses

    def has_lost(self, worker_id: str) -> bool:
        """Return whether the server has forgotten something since a worker was registered here."""
        return self._registered.get(worker_id, self.losses) < self.losses
