"""
What runs do, a line each, as it is stored: beginnings, log lines, steps that end, hooks that wait, endings.

What a worker of this process stores is told by :mod:`torpor.engine.observer`. What other processes do to the runs that
are open here, such as a cancellation, is noticed too.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from torpor.engine.endings import read_ending
from torpor.engine.observer import Observation, Stored
from torpor.errors import DamagedError, RunNotFoundError, WorldError
from torpor.inspection.readable import place_of, readable_failure, readable_payload, summary
from torpor.inspection.reading import newest_running
from torpor.inspection.redaction import Redactor
from torpor.inspection.timestamps import span_text
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL
from torpor.model import Event, LogEntry, Notice, Run
from torpor.programs.catalogue import short_name
from torpor.world import World

OPEN_RUNS_MAX: Final = 100
"""Open runs that are looked at when another process has written; the ones that moved last."""

OPEN_STEPS_MAX: Final = 10_000
"""Steps that run of which it is known since when."""

LOOK_SECONDS: Final = 0.5
"""Least time between two such looks."""

VALUE_CHARS_MAX: Final = 200


class Line(msgspec.Struct, frozen=True):
    """
    Something that happened in a run, for people.

    Attributes:
        at: when, epoch milliseconds.
        run_id, workflow: whose; the workflow by its short name.
        kind: ``log`` for what workflow code wrote, else what happened.
        text: what it says.
        tone: the state of a run or the level of a log line that the text has the colour of, ``""`` for none.
        detail: a result or an error.
    """

    at: int
    run_id: str
    workflow: str
    kind: Literal["started", "step", "hook", "log", "ended"]
    text: str
    tone: str = ""
    detail: str = ""


Signal = Literal["look", "end"]


class Describer:
    """
    Describes what is stored, as :meth:`observe` is told, while its ``async with`` block runs, and all of it before the
    block ends.

    Args:
        world: where runs are looked up; open.
        redactor: what of encrypted runs may be seen.
        show: takes each line.
        complain: takes a sentence about why something cannot be described.
        one_of_many: other processes describe what they do in the same place, so that of what ended elsewhere only
            cancellations are told, of runs that this process has worked on.
    """

    def __init__(
        self,
        world: World,
        redactor: Redactor,
        show: Callable[[Line], None],
        complain: Callable[[str], None],
        *,
        one_of_many: bool = False,
    ) -> None:
        self._one_of_many = one_of_many
        self._world = world
        self._redactor = redactor
        self._show = show
        self._complain = complain
        self._stored: asyncio.Queue[Stored | Signal] = asyncio.Queue()
        self._open: OrderedDict[str, Run] = OrderedDict()
        self._steps: OrderedDict[str, int] = OrderedDict()  # when a step's newest attempt began
        self._looking = False

    def observe(self, observation: Observation) -> None:
        """Take what was stored of a run; an observer of a worker."""
        if isinstance(observation, Stored) and (observation.events or observation.entries):
            self._stored.put_nowait(observation)

    async def __aenter__(self) -> Self:
        running = [] if self._one_of_many else await newest_running(self._world, OPEN_RUNS_MAX)
        self._open.update((run.id, run) for run in reversed(running))
        self._unsubscribe = self._world.subscribe(self._notice)
        self._describing = asyncio.ensure_future(self._describe_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unsubscribe()
        self._stored.put_nowait("end")
        await self._describing

    async def _describe_all(self) -> None:
        while (stored := await self._stored.get()) != "end":
            try:
                if isinstance(stored, Stored):
                    await self._describe(stored.run_id, stored.events, stored.entries)
                else:
                    await self._look()
            except WorldError as trouble:
                self._complain(f"what runs do cannot be described: {trouble}")

    def _notice(self, notice: Notice) -> None:
        if notice.run_id is None and notice.ended and self._open and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._stored.put_nowait, "look")

    async def _describe(self, run_id: str, events: Sequence[Event], entries: Sequence[LogEntry]) -> None:
        run = await self._run(run_id)
        both: list[Event | LogEntry] = [*self._redactor.events(run, events), *self._redactor.entries(run, entries)]
        for each in sorted(both, key=_order):
            if isinstance(each, LogEntry):
                self._show(log_line(run, each))
                continue
            line = event_line(run, each, self._began(each))
            if each.type in RUN_ENDINGS:
                self._open.pop(run.id, None)
            if line is not None:
                self._show(line)

    def _began(self, event: Event) -> int:
        """Return when the attempt of a step began that an event is about, 0 when that is not known."""
        if event.type == "step_started" or (event.type == "step_created" and event.attempt):
            self._steps[event.id] = event.at
            while len(self._steps) > OPEN_STEPS_MAX:
                self._steps.popitem(last=False)
            return event.at
        return self._steps.pop(event.id, 0)

    async def _look(self) -> None:
        """Tell of open runs that ended elsewhere."""
        self._looking = False
        for run_id in list(self._open):
            try:
                run = await self._world.get_run(run_id)
                ending = await read_ending(self._world, run) if run.status in RUN_TERMINAL else None
            except (RunNotFoundError, DamagedError):
                self._open.pop(run_id, None)
                continue
            if ending is not None and self._one_of_many and run.status != "cancelled":
                self._open.pop(run_id, None)
            elif ending is not None and run_id in self._open:
                await self._describe(run_id, (ending,), ())

    async def _run(self, run_id: str) -> Run:
        run = self._open.get(run_id) or await self._world.get_run(run_id)
        self._open[run_id] = run
        self._open.move_to_end(run_id)
        while len(self._open) > OPEN_RUNS_MAX:
            self._open.popitem(last=False)
        return run


def log_line(run: Run, entry: LogEntry) -> Line:
    """Describe what workflow code wrote."""
    return Line(entry.at, run.id, short_name(run.workflow), "log", entry.text, entry.level)


def event_line(run: Run, event: Event, began: int = 0) -> Line | None:
    """
    Describe an event; None for one that is not worth a line.

    Args:
        run: whose.
        event: what happened.
        began: when the attempt began that the event ends, 0 when that is not known.
    """

    def line(kind: Literal["started", "step", "hook", "ended"], text: str, tone: str = "", detail: str = "") -> Line:
        return Line(event.at, run.id, short_name(run.workflow), kind, text, tone, detail)

    step = f"step {short_name(event.name)}"
    match event.type:
        case "run_started" | "run_forked":
            forked = f"forked from run {event.ref} after its event {event.due}"
            return line("started", forked if event.type == "run_forked" else "started")
        case "step_completed":
            took = f" in {span_text(event.at - began)}" if began else ""
            return line("step", f"{step} completed{took}", detail=_text(event))
        case "step_retrying" | "step_failed" | "step_blocked":
            return line("step", f"{step} {_trouble(run, event)}", "warn")
        case "hook_created" if not event.watches:
            return line(
                "hook", f"waits for hook {event.name}", "waiting", "" if event.payload is None else _text(event)
            )
        case "hook_conflict":
            return line("hook", f"cannot have hook {event.name}, which is of run {event.ref}", "warn")
        case "message_sent":
            return line("hook", f"message {event.name}", detail=_text(event))
        case "run_cancelling" | "run_completed" | "run_failed" | "run_cancelled":
            return line("ended" if event.type in RUN_ENDINGS else "hook", *_ending(run, event))
        case _:
            return None


def _trouble(run: Run, event: Event) -> str:
    """Return what went wrong in an attempt."""
    if event.type == "step_blocked":
        return f"is blocked: {event.ref}; torpor resolve {run.id} {event.op} VALUE"
    ending = f"; again in {span_text(event.due - event.at)}" if event.type == "step_retrying" else ""
    return f"failed (attempt {event.attempt}): {_error_text(event)}{ending}"


def _ending(run: Run, event: Event) -> tuple[str, str, str]:
    """Return text, tone and detail of an event that ended a run, or lets it clean up before."""
    if event.type == "run_cancelling":
        return "is cancelled, and cleans up", "waiting", event.ref
    status = event.type.removeprefix("run_")
    text = f"{status} in {span_text(event.at - run.created_at)}"
    if status == "completed":
        return text, status, _text(event)
    if status == "failed":
        return f"{text} with {event.name}", status, _error_text(event) + _place_text(event)
    return text, status, event.ref


def _order(stored: Event | LogEntry) -> tuple[int, int]:
    """Order by time, a run's beginning first and its ending last: all that it wrote lies between them."""
    if isinstance(stored, LogEntry):
        return 1, stored.at
    return 0 if stored.type == "run_started" else 2 if stored.type in RUN_ENDINGS else 1, stored.at


def _text(event: Event) -> str:
    return summary(readable_payload(event.payload), VALUE_CHARS_MAX)


def _error_text(event: Event) -> str:
    error = readable_failure(event)
    if isinstance(error, dict) and "message" in error:
        return f"{error.get('name')}: {error['message']}"
    return summary(error, VALUE_CHARS_MAX)


def _place_text(event: Event) -> str:
    place = place_of(readable_failure(event))
    return f" (at {place})" if place else ""
