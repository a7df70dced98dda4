"""
Tells what the runs of a worker do, a line each, as it is stored: beginnings, log lines, failing steps, endings.

What other processes do to the runs that are open here, such as a cancellation, is noticed too.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Literal, Self

from torpor.cli.moments import span_text, time_text
from torpor.cli.output import LEVEL_STYLES, STATUS_STYLES, say
from torpor.cli.readable import place_of, readable_payload, summary
from torpor.cli.veil import Veil
from torpor.errors import RunNotFoundError, WorldError
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL
from torpor.model import Event, LogEntry, Notice, Run, RunFilter
from torpor.programs import short_name
from torpor.world import World

OPEN_RUNS_MAX: Final = 100
"""Open runs that are looked at when another process has written; the ones that moved last."""

LOOK_SECONDS: Final = 0.5
"""Least time between two such looks."""

VALUE_CHARS_MAX: Final = 200

Piece = tuple[str, Sequence[Event], Sequence[LogEntry]]
Signal = Literal["look", "end"]


class Narrator:
    """
    Prints what :meth:`hear` is told while its ``async with`` block runs, and all of it before the block ends.

    Args:
        world: where runs are looked up; open.
        veil: lies over what is encrypted.
    """

    def __init__(self, world: World, veil: Veil) -> None:
        self._world = world
        self._veil = veil
        self._heard: asyncio.Queue[Piece | Signal] = asyncio.Queue()
        self._open: OrderedDict[str, Run] = OrderedDict()
        self._looking = False

    def hear(self, run_id: str, events: Sequence[Event], entries: Sequence[LogEntry]) -> None:
        """Take what was stored of a run; a listener of :class:`torpor.cli.told_world.ToldWorld`."""
        self._heard.put_nowait((run_id, events, entries))

    async def __aenter__(self) -> Self:
        running = await self._world.list_runs(RunFilter(status="running", limit=OPEN_RUNS_MAX))
        self._open.update((run.id, run) for run in reversed(running))
        self._unsubscribe = self._world.subscribe(self._notice)
        self._telling = asyncio.ensure_future(self._narrate())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()
        self._heard.put_nowait("end")
        await self._telling

    async def _narrate(self) -> None:
        while (heard := await self._heard.get()) != "end":
            try:
                await (self._look() if heard == "look" else self._tell(*heard))
            except WorldError as trouble:
                say((f"what runs do cannot be told: {trouble}", "yellow"), err=True)

    def _notice(self, notice: Notice) -> None:
        if notice.run_id is None and notice.ended and self._open and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._heard.put_nowait, "look")

    async def _tell(self, run_id: str, events: Sequence[Event], entries: Sequence[LogEntry]) -> None:
        run = await self._run(run_id)
        both: list[Event | LogEntry] = [*self._veil.events(run, events), *self._veil.entries(run, entries)]
        for told in sorted(both, key=_order):
            if isinstance(told, Event):
                self._tell_event(run, told)
            else:
                self._say(run, told.at, ("│ ", "dim"), (told.text, LEVEL_STYLES.get(told.level, "")))

    def _tell_event(self, run: Run, event: Event) -> None:
        match event.type:
            case "run_started":
                self._say(run, event.at, "started")
            case "step_retrying" | "step_failed":
                ending = f"; again in {span_text(event.due - event.at)}" if event.type == "step_retrying" else ""
                what = f"step {short_name(event.name)} failed (attempt {event.attempt}): "
                self._say(run, event.at, (what + _error_text(event) + ending, "yellow"))
            case "run_completed" | "run_failed" | "run_cancelled":
                self._tell_ending(run, event)

    def _tell_ending(self, run: Run, event: Event) -> None:
        self._open.pop(run.id, None)
        status = event.type.removeprefix("run_")
        said = (status, STATUS_STYLES[status])
        took = f" in {span_text(event.at - run.created_at)}"
        if status == "completed":
            result = summary(readable_payload(event.payload), VALUE_CHARS_MAX)
            self._say(run, event.at, said, took, (f"  {result}", "dim"))
        elif status == "failed":
            self._say(
                run, event.at, said, took, f" with {event.name}  ", (_error_text(event) + _place_text(event), "red")
            )
        else:
            self._say(run, event.at, said, took, f": {event.ref}" if event.ref else "")

    async def _look(self) -> None:
        """Tell of open runs that ended elsewhere."""
        self._looking = False
        for run_id in list(self._open):
            try:
                run = await self._world.get_run(run_id)
            except RunNotFoundError:
                self._open.pop(run_id, None)
                continue
            if run.status in RUN_TERMINAL and run_id in self._open:
                for event in self._veil.events(run, await self._world.events(run_id, after=run.head - 1)):
                    if event.type in RUN_ENDINGS:
                        self._tell_ending(run, event)

    async def _run(self, run_id: str) -> Run:
        run = self._open.get(run_id) or await self._world.get_run(run_id)
        self._open[run_id] = run
        self._open.move_to_end(run_id)
        while len(self._open) > OPEN_RUNS_MAX:
            self._open.popitem(last=False)
        return run

    def _say(self, run: Run, at: int, *parts: str | tuple[str, str]) -> None:
        say((f"{time_text(at)}  {run.id}  ", "dim"), (f"{short_name(run.workflow)}  ", "bold"), *parts)


def _order(told: Event | LogEntry) -> tuple[int, int]:
    """Order by time, a run's beginning first and its ending last: all that it wrote lies between them."""
    if isinstance(told, LogEntry):
        return 1, told.at
    return 0 if told.type == "run_started" else 2 if told.type in RUN_ENDINGS else 1, told.at


def _error_text(event: Event) -> str:
    error = readable_payload(event.payload)
    if isinstance(error, dict) and "message" in error:
        return f"{error.get('name')}: {error['message']}"
    return summary(error, VALUE_CHARS_MAX)


def _place_text(event: Event) -> str:
    place = place_of(readable_payload(event.payload))
    return f" (at {place})" if place else ""
