"""Routes, and the numbers that stand for them in the tables of what waits."""

from __future__ import annotations

from typing import Final

from torpor.model import Run
from torpor.worlds.postgres.connection import Connection

Route = tuple[str, str, str, str, int]
"""Application, queue, guest (``""`` for steps), id of the key, priority."""

_FIND: Final = "SELECT k FROM torpor.routes WHERE (app, queue, guest, key_id, priority) = (%s, %s, %s, %s, %s)"
_ADD: Final = (
    "INSERT INTO torpor.routes (app, queue, guest, key_id, priority) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)


class Routes:
    """The numbers that a connection remembers: what one stands for never changes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[Route, int] = {}

    def of_turn(self, run: Run) -> int:
        """Return the number of where a run's turn waits."""
        return self._number((run.app, run.queue, run.guest, run.key_id, run.priority))

    def of_steps(self, run: Run, queue: str) -> int:
        """Return the number of where steps of a run wait in a queue."""
        return self._number((run.app, queue, "", run.key_id, run.priority))

    def forget(self) -> None:
        """Forget what a transaction that was undone may have numbered."""
        self._numbers.clear()

    def _number(self, route: Route) -> int:
        number = self._numbers.get(route)
        if number is None:
            found = self._connection.row(_FIND, *route)
            if found is None:
                self._connection.rows(_ADD, *route)
                found = self._connection.row(_FIND, *route)
            assert found is not None, "it was added, by us or by somebody else"
            number = self._numbers[route] = int(found[0])
        return number
