"""One run as far as it can be read, and the same as JSON data."""

from __future__ import annotations

from typing import Any

import msgspec

from torpor.engine.streams import StreamInfo
from torpor.engine.waiting import Unmet
from torpor.inspection.history import History
from torpor.inspection.streams import stream_data
from torpor.inspection.timestamps import iso
from torpor.model import LogEntry
from torpor.programs.catalogue import short_name
from torpor.run_info import Awaited, RunInfo


class RunSummary(msgspec.Struct, frozen=True):
    """
    A run with what it was given and what became of it, as JSON data.

    Attributes:
        run: the run.
        input: its arguments.
        output: what it returned, None unless it completed.
        error: what it raised, None unless it failed.
        cancel_reason: why it was cancelled, also while it cleans up; ``""`` when it was not or nobody said.
    """

    run: RunInfo
    input: Any = None
    output: Any = None
    error: Any = None
    cancel_reason: str = ""


class EventView(msgspec.Struct, frozen=True):
    """An event of a run's log, its payload as JSON data; see :class:`torpor.model.Event`."""

    seq: int
    type: str
    at: int
    id: str = ""
    op: int = 0
    name: str = ""
    attempt: int = 0
    due: int = 0
    ref: str = ""
    payload: Any = None


class SnapshotView(msgspec.Struct, frozen=True):
    """A snapshot without what is in it; see :class:`torpor.model.Snapshot`."""

    at: int
    bytes: int
    cursor: int
    ops: int
    image: str


class ProgramView(msgspec.Struct, frozen=True):
    """A program without its sources; see :class:`torpor.vm.guest.Program`."""

    id: str
    guest: str
    build: str
    files: list[str]
    workflows: list[str]


class QueuePlace(msgspec.Struct, frozen=True):
    """
    Where a run waits for a slot.

    Attributes:
        name, key: of the queue, and of whom the run is there.
        ahead: how many wait before it.
        limits: what the queue allows, in few words.
    """

    name: str
    key: str
    ahead: int
    limits: str


class RunDetails(msgspec.Struct):
    """
    A run, as far as it could be read.

    Attributes:
        summary: the run, its input and its output or error.
        now: when it was read, epoch milliseconds.
        events: its log.
        history: what became of each step, wait and hook.
        logs: what its workflow's code wrote.
        snapshot: None when there is none.
        streams: what its steps have written to, by name.
        program: None when the world does not have it, or it cannot be decrypted.
        unmet: its steps that wait for a worker which has them.
        place: where it waits for a slot, None when it waits for none.
        problems: what could not be read, for people.
    """

    summary: RunSummary
    now: int
    events: list[EventView] = []
    history: History = msgspec.field(default_factory=History)
    logs: list[LogEntry] = []
    snapshot: SnapshotView | None = None
    streams: list[StreamInfo] = []
    program: ProgramView | None = None
    unmet: list[Unmet] = []
    place: QueuePlace | None = None
    problems: list[str] = []

    @property
    def run(self) -> RunInfo:
        """The run."""
        return self.summary.run

    @property
    def is_stuck(self) -> bool:
        """Whether the run has taken in all its events, is at rest, and has nothing open that could wake it."""
        if self.run.status != "running" or self.problems:
            return False
        if self.snapshot is None or self.snapshot.cursor < self.run.head:
            return False
        return not self.run.waits_for


def summary_data(summary: RunSummary) -> dict[str, Any]:
    """Return a run as JSON data, its times as text."""
    run = summary.run
    return {
        "id": run.id,
        "name": run.name,
        "workflow": run.workflow,
        "status": run.status,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "duration_ms": run.ended_at - run.created_at if run.ended_at else None,
        "waits_for": [awaited_data(awaited) for awaited in run.waits_for],
        "messages": {"sent": run.sent, "unreceived": run.unreceived} if run.sent else None,
        "blocked": [awaited.op for awaited in run.blocked] or None,
        "cancel_by": iso(run.cancel_by) if run.cancel_by and not run.ended_at else None,
        "snoozed": run.snoozed or None,
        "damage": run.damage or None,
        "app": run.app or None,
        "queue": run.queue or None,
        "priority": run.priority,
        "starts_at": iso(run.starts_at),
        "deadline": iso(run.deadline),
        "attributes": run.attributes,
        "paused": run.paused,
        "status_line": run.status_line or None,
        "runtime": run.runtime,
        "guest": run.guest,
        "program": run.program,
        "key": run.key_id or None,
        "parent": run.parent or None,
        "forked_from": run.forked_from or None,
        "root": run.root or None,
        "input": summary.input,
        "output": summary.output,
        "error_code": run.error_code or None,
        "error": summary.error,
        "cancel_reason": summary.cancel_reason or None,
    }


def awaited_data(awaited: Awaited) -> dict[str, Any]:
    """Return what a run waits for as JSON data."""
    data = _timed(msgspec.structs.asdict(awaited))
    return {name: value for name, value in data.items() if value not in ("", 0, None)}


def details_data(found: RunDetails) -> dict[str, Any]:
    """Return details as JSON data."""
    history, snapshot, start = found.history, found.snapshot, found.run.created_at
    return {
        "run": {**summary_data(found.summary), "head": found.run.head, "base": found.run.base, "ops": found.run.ops},
        "steps": [
            {
                **_timed(msgspec.structs.asdict(step)),
                "short_name": short_name(step.name),
                "attempts": [_timed(msgspec.structs.asdict(attempt)) for attempt in step.attempts],
            }
            for step in history.steps.values()
        ],
        "waits": [_timed(msgspec.structs.asdict(wait)) for wait in history.waits.values()],
        "hooks": [
            {
                **_timed(msgspec.structs.asdict(hook)),
                "received": [_timed(msgspec.structs.asdict(receipt)) for receipt in hook.received],
            }
            for hook in history.hooks.values()
        ],
        "messages": [_timed(msgspec.structs.asdict(message)) for message in history.messages],
        "logs": [_timed(msgspec.structs.asdict(entry)) for entry in found.logs],
        "events": [event_data(event, start) for event in found.events],
        "snapshot": snapshot and {**_timed(msgspec.structs.asdict(snapshot)), "age_ms": found.now - snapshot.at},
        "streams": [stream_data(info) for info in found.streams],
        "place": found.place and msgspec.structs.asdict(found.place),
        "program": found.program and msgspec.structs.asdict(found.program),
        "unmet": [
            {"step": each.steps.name, "since": iso(each.steps.since), "reason": each.reason} for each in found.unmet
        ],
        "problems": found.problems,
    }


def event_data(event: EventView, start: int) -> dict[str, Any]:
    """Return an event as JSON data; *start* is the run's creation."""
    return {
        "seq": event.seq,
        "type": event.type,
        "at": iso(event.at),
        "offset_ms": event.at - start,
        "id": event.id or None,
        "op": event.op or None,
        "name": event.name or None,
        "attempt": None if event.type == "hook_created" else event.attempt or None,
        "due": None if event.type == "hook_created" else iso(event.due),
        **({"retention_ms": event.due} if event.type == "hook_created" and event.due else {}),
        "ref": event.ref or None,
        "payload": event.payload,
    }


def _timed(data: dict[str, Any]) -> dict[str, Any]:
    """Give times as text, and a duration to what has begun and ended."""
    begun, ended = data.get("started_at") or data.get("created_at"), data.get("ended_at")
    is_time = {name for name in data if name in ("at", "due", "since") or name.endswith("_at")}
    shown = {name: iso(value) if name in is_time else value for name, value in data.items()}
    if "ended_at" in data:
        shown["duration_ms"] = ended - begun if begun and ended else None
    return shown
