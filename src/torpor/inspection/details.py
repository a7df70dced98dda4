"""One run as far as it can be read, and the same as JSON data."""

from __future__ import annotations

from typing import Any

import msgspec

from torpor.inspection.history import History
from torpor.inspection.readable import readable_payload
from torpor.inspection.timestamps import iso
from torpor.model import Event, LogEntry, Run, Snapshot
from torpor.programs.catalogue import short_name
from torpor.vm.guest import Program


class RunDetails(msgspec.Struct):
    """
    A run, as far as it could be read.

    Attributes:
        summary: the run as JSON data, as ``torpor runs --json`` has it.
        now: when it was read, epoch milliseconds.
        program: None when the world does not have it, or it cannot be decrypted.
        problems: what could not be read, for people.
    """

    run: Run
    summary: dict[str, Any]
    now: int
    events: list[Event]
    history: History
    logs: list[LogEntry]
    snapshot: Snapshot | None
    program: Program | None
    problems: list[str]


def details_data(found: RunDetails) -> dict[str, Any]:
    """Return details as JSON data."""
    history, snapshot, start = found.history, found.snapshot, found.run.created_at
    return {
        "run": {**found.summary, "head": found.run.head, "ops": found.run.ops},
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
        "logs": [_timed(msgspec.structs.asdict(entry)) for entry in found.logs],
        "events": [event_data(event, start) for event in found.events],
        "snapshot": snapshot
        and {
            "at": iso(snapshot.at),
            "age_ms": found.now - snapshot.at,
            "bytes": len(snapshot.data),
            "cursor": snapshot.cursor,
            "ops": snapshot.ops,
            "image": snapshot.image,
        },
        "program": found.program
        and {
            "id": found.run.program,
            "guest": found.program.guest,
            "build": found.program.build,
            "files": sorted(found.program.files),
            "workflows": sorted(found.program.workflows),
        },
        "problems": found.problems,
    }


def event_data(event: Event, start: int) -> dict[str, Any]:
    """Return an event as JSON data; *start* is the run's creation."""
    return {
        "seq": event.seq,
        "type": event.type,
        "at": iso(event.at),
        "offset_ms": event.at - start,
        "id": event.id or None,
        "op": event.op or None,
        "name": event.name or None,
        "attempt": event.attempt or None,
        "due": iso(event.due),
        "ref": event.ref or None,
        "payload": readable_payload(event.payload),
    }


def _timed(data: dict[str, Any]) -> dict[str, Any]:
    """Give times as text, and a duration to what has begun and ended."""
    begun, ended = data.get("started_at") or data.get("created_at"), data.get("ended_at")
    shown = {key: iso(value) if key in ("at", "due") or key.endswith("_at") else value for key, value in data.items()}
    if "ended_at" in data:
        shown["duration_ms"] = ended - begun if begun and ended else None
    return shown
