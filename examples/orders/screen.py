"""What is seen while the demo goes on: bars that move in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.orders.audit import OUTCOMES
from examples.orders.watch import ASLEEP, BUSY

PLAIN_SECONDS = 1.0
"""How often counts are printed where nothing can move."""

_COLOURS = {BUSY: "yellow", ASLEEP: "blue", "shipped": "green", "refused": "magenta", "out of stock": "cyan"}


class Screen:
    """
    The demo's face.

    Args:
        console: where it is printed.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._printed_at = 0.0
        self._places: Mapping[str, int] = {}
        self._live = (
            Live(console=console, get_renderable=self._bars, auto_refresh=False) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str, *, alarm: bool = False) -> None:
        """Tell what happened, with the seconds since the beginning."""
        self._console.print(Text(f"{self._seconds:6.1f} s  {text}", style="bold red" if alarm else ""), soft_wrap=True)

    def show(self, places: Mapping[str, int]) -> None:
        """Show how many runs are where."""
        changed, self._places = places != self._places, dict(places)
        if self._live is not None:
            self._live.refresh()
        elif changed and self._seconds - self._printed_at >= PLAIN_SECONDS:
            self._printed_at = self._seconds
            self.say(", ".join(f"{places[place]} {place}" for place in _order(places)))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _bars(self) -> Table:
        bars = Table.grid(padding=(0, 1))
        for place in _order(self._places):
            count = self._places[place]
            bars.add_row(place, str(count), Text("■" * count, style=_COLOURS.get(place, "red")))
        return bars


def _order(places: Mapping[str, int]) -> list[str]:
    known = [BUSY, ASLEEP, *OUTCOMES]
    return [place for place in known if places.get(place)] + sorted(places.keys() - set(known))
