"""
All that is read from a world to be shown.

Damage in one part of a run does not hide the others: what cannot be read is told beside what can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import msgspec

from torpor.client import Client
from torpor.clock import Clock
from torpor.engine.images import program_key
from torpor.engine.liveness import dead_workers
from torpor.errors import TorporError, UsageError, WorldError
from torpor.inspection.details import RunDetails
from torpor.inspection.history import history_of
from torpor.inspection.parked import parked
from torpor.inspection.readable import readable_payload
from torpor.inspection.redaction import Redactor
from torpor.inspection.timestamps import iso
from torpor.lifecycle import RUN_ENDINGS, RunStatus
from torpor.model import Event, LogEntry, Run, RunFilter, Snapshot, WorkerRow
from torpor.programs.catalogue import guests, short_name
from torpor.vm.guest import Program, TaskStack
from torpor.world import World

T = TypeVar("T")

_PAGE = 200

_DAMAGE = (LookupError, TypeError, ValueError)
"""What reading a world raises that meets values which no version has stored."""


async def matching_runs(
    client: Client, status: RunStatus | None, workflow: str | None, before: str | None = None
) -> AsyncIterator[Run]:
    """
    Yield runs, newest first, reading them in pages.

    Args:
        client: the world.
        status: their state.
        workflow: the full name of their workflow; or its short one, which takes a look at every run, since worlds
            know full names only.
        before: the run to continue after.

    Raises:
        WorldError: a page of runs cannot be read.
    """
    full = workflow if workflow is not None and "//" in workflow else None
    while True:
        try:
            page = await client.list_runs(status=status, workflow=full, before=before, limit=_PAGE)
        except _DAMAGE as error:
            raise WorldError(
                f"a run in world {client.world.url} is damaged, so that the page with it cannot be listed: {error!r}; "
                f"list around it with --before and --limit"
            ) from error
        for run in page:
            if workflow is None or workflow in (run.workflow, short_name(run.workflow)):
                yield run
        if len(page) < _PAGE:
            return
        before = page[-1].id


async def run_data(client: Client, run: Run, redactor: Redactor) -> dict[str, Any]:
    """Return a run as JSON data, with its decoded input and output as far as they may be seen."""
    handle = client.run(run.id)
    first = redactor.events(run, await handle.events(limit=1))
    last = redactor.events(run, await handle.events(after=run.head - 1)) if run.ended_at else []
    ending = readable_payload(last[-1].payload) if last else None
    return {
        "id": run.id,
        "name": short_name(run.workflow),
        "workflow": run.workflow,
        "status": run.status,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "duration_ms": run.ended_at - run.created_at if run.ended_at else None,
        "runtime": run.runtime,
        "guest": run.guest,
        "program": run.program,
        "key": run.key_id or None,
        "parent": run.parent or None,
        "root": run.root or None,
        "input": readable_payload(first[0].payload) if first else None,
        "output": ending if run.status == "completed" else None,
        "error_code": run.error_code or None,
        "error": ending if run.status == "failed" else None,
        "cancel_reason": (last[-1].ref or None) if last and run.status == "cancelled" else None,
    }


async def read_details(client: Client, run_id: str, *, decrypt: bool) -> RunDetails:
    """
    Return what the world has of a run; what is encrypted only with *decrypt*.

    Raises:
        KeyMissingError: it is to be decrypted, and its key is not here.
        RunNotFoundError: no such run.
        WorldError: not even the run itself can be read.
    """
    world = client.world
    try:
        run = await world.get_run(run_id)
    except _DAMAGE as error:
        raise WorldError(f"run {run_id} is damaged in world {world.url} and cannot be shown: {error!r}") from error
    redactor = Redactor(client.keyring, decrypt=decrypt)
    redactor.check(run)
    problems: list[str] = []
    events: list[Event] = await _part("its log", world.events(run_id), [], problems)
    events = redactor.events(run, events)
    logs: list[LogEntry] = await _part("its log lines", world.log_entries(run_id), [], problems)
    logs = redactor.entries(run, logs)
    snapshot: Snapshot | None = await _part("its snapshot", world.snapshot(run_id), None, problems)
    program = await _part("its program", _program(client, run), None, problems)
    summary: dict[str, Any] = await _part("its input or output", run_data(client, run, redactor), {}, problems)
    history = history_of(events, run.head)
    return RunDetails(
        run, summary, client.clock.now(), events, history, logs, snapshot, program, problems + history.problems
    )


async def read_stack(client: Client, run_id: str, *, decrypt: bool) -> tuple[Run, list[TaskStack]]:
    """
    Return a run and its tasks, read from a copy of its VM that is thrown away.

    Raises:
        UsageError: the run is encrypted, and nobody has asked to *decrypt* it.
        TorporError: as :func:`torpor.inspection.parked.parked` and :meth:`torpor.inspection.parked.ParkedRun.stack`.
    """
    await refuse_encrypted(client, run_id, decrypt=decrypt)
    async with parked(client.world, guests(), run_id, client.clock, client.keyring) as copy:
        return copy.run, await copy.stack()


async def refuse_encrypted(client: Client, run_id: str, *, decrypt: bool) -> None:
    """
    Refuse to show the variables of an encrypted run to somebody who has not asked for it.

    Raises:
        UsageError: the run is encrypted, and *decrypt* is false.
        RunNotFoundError: no such run.
    """
    key_id = (await client.world.get_run(run_id)).key_id
    if key_id and not decrypt:
        raise UsageError(f"run {run_id} is encrypted (key {key_id}), and so are its variables; --decrypt shows them")


async def newest_running(world: World, limit: int) -> list[Run]:
    """Return the runs that have begun and not ended, newest first."""
    return await world.list_runs(RunFilter(status="running", limit=limit))


async def read_ending(world: World, run: Run) -> Event | None:
    """Return the event that ended a run, encrypted as it is stored; None where the log has none."""
    events = await world.events(run.id, after=run.head - 1)
    return next((event for event in events if event.type in RUN_ENDINGS), None)


async def living_workers(world: World, clock: Clock) -> tuple[list[WorkerRow], int]:
    """Return the workers that are not known or presumed to be dead, and the number of the others."""
    known = await world.workers()
    dead = set(dead_workers(known, "", clock.now()))
    return [worker for worker in known if worker.id not in dead], len(dead)


async def _program(client: Client, run: Run) -> Program | None:
    """Return a run's program; None when the world does not have it, or its key is not here."""
    name = program_key(run.program, run.key_id)
    data = await client.world.blob(name)
    if data is None or run.key_id not in client.keyring.readable:
        return None
    return msgspec.json.decode(client.keyring.blob(name, run.key_id).unpack_binary(data), type=Program)


async def _part(what: str, reading: Awaitable[T], instead: T, problems: list[str]) -> T:
    """Return what *reading* reads; when it cannot be read, note that and return *instead*."""
    try:
        return await reading
    except TorporError as error:
        problems.append(f"{what} cannot be read: {error}")
    except _DAMAGE as error:
        problems.append(f"{what} is damaged: {error!r}")
    return instead
