"""Everything that a world has of one run, gathered so that damage in one part does not hide the others."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec

from torpor.cli.history import History, history_of
from torpor.cli.moments import iso
from torpor.cli.readable import readable_payload
from torpor.cli.runs import DAMAGE, run_data
from torpor.cli.veil import Veil
from torpor.client import Client
from torpor.engine.images import program_key
from torpor.errors import TorporError, WorldError
from torpor.model import Event, LogEntry, Run, Snapshot
from torpor.programs import short_name
from torpor.vm.guest import Program

T = TypeVar("T")


class Inspection(msgspec.Struct):
    """
    A run, as far as it could be read.

    Attributes:
        summary: the run as JSON data, as ``torpor runs --json`` has it.
        now: when it was gathered, epoch milliseconds.
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


async def gather(client: Client, run_id: str, *, decrypt: bool) -> Inspection:
    """
    Gather what the world has of a run; what is encrypted only with *decrypt*.

    Raises:
        KeyMissingError: it is to be decrypted, and its key is not here.
        RunNotFoundError: no such run.
        WorldError: not even the run itself can be read.
    """
    world = client.world
    try:
        run = await world.get_run(run_id)
    except DAMAGE as error:
        raise WorldError(f"run {run_id} is damaged in world {world.url} and cannot be shown: {error!r}") from error
    veil = Veil(client.keyring, decrypt=decrypt)
    veil.check(run)
    problems: list[str] = []
    events: list[Event] = await _part("its log", world.events(run_id), [], problems)
    events = veil.events(run, events)
    logs: list[LogEntry] = await _part("its log lines", world.log_entries(run_id), [], problems)
    logs = veil.entries(run, logs)
    snapshot = await _part("its snapshot", world.snapshot(run_id), None, problems)
    program = await _part("its program", _program(client, run), None, problems)
    summary: dict[str, Any] = await _part("its input or output", run_data(client, run, veil), {}, problems)
    history = history_of(events, run.head)
    return Inspection(
        run, summary, client.clock.now(), events, history, logs, snapshot, program, problems + history.problems
    )


def inspection_data(found: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON data."""
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


async def _program(client: Client, run: Run) -> Program | None:
    """Return a run's program; None when the world does not have it, or its key is not here."""
    name = program_key(run.program, run.key)
    data = await client.world.blob(name)
    if data is None or run.key not in client.keyring.readable:
        return None
    return msgspec.json.decode(client.keyring.blob(name, run.key).unseal_binary(data), type=Program)


async def _part(what: str, reading: Awaitable[T], instead: T, problems: list[str]) -> T:
    """Return what *reading* reads; when it cannot be read, note that and return *instead*."""
    try:
        return await reading
    except TorporError as error:
        problems.append(f"{what} cannot be read: {error}")
    except DAMAGE as error:
        problems.append(f"{what} is damaged: {error!r}")
    return instead
