"""
All that is read from a world to be shown.

Damage in one part of a run does not hide the others: what cannot be read is told beside what can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from torpor.client import Client
from torpor.engine.images import program_key, read_program
from torpor.engine.liveness import living
from torpor.engine.stream_reading import Part, StreamChunk
from torpor.engine.streams import StreamInfo
from torpor.engine.waiting import Unmet, read_unmet, unmet_steps
from torpor.errors import KeyMissingError, RunNotFoundError, TorporError, UsageError, WorldError
from torpor.inspection.details import EventView, ProgramView, QueuePlace, RunDetails, RunSummary, SnapshotView
from torpor.inspection.history import Historian, History
from torpor.inspection.readable import readable_failure, readable_payload
from torpor.inspection.redaction import Mark, Redactor, in_words
from torpor.inspection.streams import shown_chunks
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import Entities, Event, LogEntry, Run, RunFilter, WorkerRow
from torpor.model.flow import Limits
from torpor.model.webhooks import WEBHOOK, path_of
from torpor.programs.catalogue import guests, short_name
from torpor.queues import limits_text
from torpor.run_info import RunInfo, read_info, read_infos
from torpor.stream_names import stored_name
from torpor.vm.guest import TaskStack
from torpor.world import World

if TYPE_CHECKING:
    from torpor.parked import ParkedRun
    from torpor.travelling import Traveller

T = TypeVar("T")

_PAGE: Final = 200
_MAILBOX_PAGES: Final = 10
"""Pages of running runs that are looked through for those that wait for a message."""
_BEGINNING: Final = 8
"""Events among which a run's ``run_started`` is, if it is kept."""

MATCHES_TOLD_MAX: Final = 10
"""Runs that are listed when the beginning of an id fits several."""


class WaitingHook(msgspec.Struct, frozen=True):
    """
    A hook that waits for the outside world.

    Attributes:
        token: what it is resumed by.
        metadata: what its creator says of it, as JSON data.
        run_id, workflow: whose; the workflow by its short name.
        created_at: since when, epoch milliseconds.
        takes: class of its payloads, ``module:name``, ``""`` for any.
        webhook: address at which it is reached by HTTP, its path alone where the application had none when the run
            began; ``""`` when it is not reached so.
    """

    token: str
    metadata: Any
    run_id: str
    workflow: str
    created_at: int
    takes: str = ""
    webhook: str = ""


class WaitingMailbox(msgspec.Struct, frozen=True):
    """
    A mailbox in which a run waits for a message.

    Attributes:
        mailbox: its name, for ``torpor send RUN NAME``.
        run_id, workflow: whose; the workflow by its short name.
    """

    mailbox: str
    run_id: str
    workflow: str


class Reader:
    """
    Reads runs to show them.

    Args:
        client: of an open world.
        decrypt: whether somebody has asked to see what is encrypted.
        mark: makes what stands in the place of values that are hidden.

    Raises:
        RunNotFoundError: of all methods that take the id of a run: no such run.
        KeyMissingError: of all that show what is in it: it is to be decrypted, and its key is not here.
        WorldError: not even the run itself can be read.
    """

    def __init__(self, client: Client, *, decrypt: bool = False, mark: Mark = in_words) -> None:
        self._client = client
        self._world = client.world
        self._decrypt = decrypt
        self._redactor = Redactor(client.keyring, decrypt=decrypt, mark=mark)

    @property
    def url(self) -> str:
        """The world's URL."""
        return self._world.url

    # Which runs there are

    async def find(self, text: str) -> str:
        """
        Return the id of the run that *text* is the id of, or the beginning of the only id that it is.

        Raises:
            UsageError: several ids begin like this; the message lists them.
        """
        try:
            return (await self._run(text)).id
        except RunNotFoundError:
            found = await self._beginning_with(text) or await self._beginning_with(f"wrun_{text}")
            if not found:
                raise
        if len(found) > 1:
            told = ", ".join(f"{run.id} ({short_name(run.workflow)}, {run.status})" for run in found[:MATCHES_TOLD_MAX])
            more = " and more" if len(found) > MATCHES_TOLD_MAX else ""
            raise UsageError(f"several runs begin with {text}: {told}{more}; give more of the id")
        return found[0].id

    async def newest(self) -> str:
        """
        Return the id of the newest run.

        Raises:
            RunNotFoundError: there is none at all.
        """
        found = await self._world.list_runs(RunFilter(limit=1))
        if not found:
            raise RunNotFoundError(f"there is no run in world {self._world.url} yet; start one with: torpor start")
        return found[0].id

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        attributes: Mapping[str, str] | None = None,
        ended_since: int = 0,
        ended_before: int = 0,
        before: str | None = None,
        limit: int,
    ) -> list[RunInfo]:
        """
        Return runs, newest first.

        Args:
            status: their state.
            workflow: the full or the short name of their workflow.
            attributes: that they have, all of them.
            ended_since, ended_before: when they ended; see :class:`torpor.model.RunFilter`.
            before: the run to continue after.
            limit: how many at most.
        """
        found: list[Run] = []
        while len(found) < limit:
            most = min(_PAGE, limit - len(found))
            where = RunFilter(
                status=status,
                workflow=workflow,
                before=before,
                limit=most,
                attributes=dict(attributes or {}),
                ended_since=ended_since,
                ended_before=ended_before,
            )
            page = await self._world.list_runs(where)
            found += page
            if len(page) < most:
                break
            before = page[-1].id
        return await read_infos(self._world, found, self._shown)

    async def ids(self, *, status: RunStatus | None = None, workflow: str | None = None) -> list[str]:
        """Return the ids of all runs that match, newest first; see :meth:`runs`."""
        found: list[str] = []
        while True:
            before = found[-1] if found else None
            page = await self._world.list_runs(RunFilter(status=status, workflow=workflow, before=before, limit=_PAGE))
            found += [run.id for run in page]
            if len(page) < _PAGE:
                return found

    async def summaries(self, runs: Iterable[RunInfo]) -> list[RunSummary]:
        """Return runs with their input, and their output or error."""
        return [
            RunSummary(info) if info.damage else await self._summary(await self._run(info.id), info) for info in runs
        ]

    async def hooks(self, *, workflow: str | None = None, limit: int) -> list[WaitingHook]:
        """Return hooks that wait for the outside world, newest first; *workflow* is as for :meth:`runs`."""
        found: list[WaitingHook] = []
        before: str | None = None
        while len(found) < limit:
            page = await self._world.live_hooks(limit=_PAGE, before=before)
            runs = await self._world.statuses({hook.run_id for hook in page})
            for hook in page:
                run = runs.get(hook.run_id)  # none when it is damaged
                if run is not None and workflow in (None, run.workflow, short_name(run.workflow)):
                    metadata = self._shown(run, hook.metadata)
                    about = (hook.token, metadata, run.id, short_name(run.workflow), hook.created_at)
                    is_webhook = hook.takes.startswith(WEBHOOK)
                    address = await self._front_door(run.id) + path_of(hook.token) if is_webhook else ""
                    found.append(WaitingHook(*about, "" if is_webhook else hook.takes, address))
            if len(page) < _PAGE:
                break
            before = page[-1].id
        return found[:limit]

    async def mailboxes(self, *, workflow: str | None = None, limit: int) -> list[WaitingMailbox]:
        """Return mailboxes that runs wait for messages in, of the newest runs first; see :meth:`runs`."""
        found: list[WaitingMailbox] = []
        before: str | None = None
        for _ in range(_MAILBOX_PAGES):
            where = RunFilter(status="running", workflow=workflow, before=before, limit=_PAGE)
            page = await self._world.list_runs(where)
            found += [WaitingMailbox(name, run.id, short_name(run.workflow)) for run in page for name in run.receiving]
            if len(page) < _PAGE or len(found) >= limit:
                break
            before = page[-1].id
        return found[:limit]

    async def _front_door(self, run_id: str) -> str:
        """Return the address of the HTTP front door that a run noted when it began, ``""`` when it knew none."""
        first = await self._world.events(run_id, limit=_BEGINNING)
        return next((event.ref for event in first if event.type == "run_started"), "")

    # One run

    async def info(self, run_id: str) -> RunInfo:
        """Return a run as it stands."""
        return await read_info(self._world, await self._run(run_id), self._shown)

    async def _place(self, run: Run) -> QueuePlace | None:
        """Return where a run waits for a slot."""
        ahead = await self._world.ahead_of(run.id) if run.slot == "waits" else None
        if ahead is None:
            return None
        queues = [info for info in await self._world.queues(run.app) if info.name == run.queue]
        return QueuePlace(run.queue, run.key, ahead, limits_text(queues[0].limits if queues else Limits()))

    async def details(self, run_id: str) -> RunDetails:
        """Return all that the world has of a run."""
        run = await self._readable(run_id)
        found = await self._told(run, 0, None)
        entries: list[LogEntry] = await _part("its log lines", self._world.log_entries(run.id), [], found.problems)
        found.logs = self._redactor.entries(run, entries)
        found.program = await _part("its program", self._program(run), None, found.problems)
        return found

    async def story(self, run_id: str, *, after: int = 0, limit: int) -> RunDetails:
        """
        Return what at most *limit* events of a run's log tell, those after seq *after*: without its log lines and its
        program. Of what was asked for before these events only what is still open is told.
        """
        return await self._told(await self._readable(run_id), after, limit)

    async def _told(self, run: Run, after: int, limit: int | None) -> RunDetails:
        """Return a run as a part of its log tells it, without what the log has no part in."""
        world, problems = self._world, list[str]()
        stored: list[Event] = await _part("its log", world.events(run.id, after=after, limit=limit), [], problems)
        events = self._redactor.events(run, stored)
        rows: Entities | None = None
        if run.status not in RUN_TERMINAL:
            rows = await _part("what is open in it", world.open_entities(run.id), None, problems)
        unmet: list[Unmet] = []
        if rows is not None:
            unmet = await _part("whom it waits for", unmet_steps(world, rows), [], problems)
        info = RunInfo.of(run, rows, self._shown)
        is_last = limit is None or len(events) < limit or events[-1].seq >= run.head
        shown = partial(self._shown, run)
        historian = Historian(base=max(run.base, after), rows=rows if is_last else None, shown=shown)
        historian.read(events)
        history = historian.end(run.head if is_last else events[-1].seq)
        return RunDetails(
            summary=await _part("its input or output", self._summary(run, info), RunSummary(info), problems),
            now=self._world.clock.now(),
            events=[_view(event) for event in events],
            history=history,
            snapshot=await _part("its snapshot", self._snapshot(run), None, problems),
            streams=await _part("its streams", self._client.streams.of_run(run.id), [], problems),
            unmet=unmet,
            place=await _part("its place in its queue", self._place(run), None, problems),
            problems=problems + history.problems,
        )

    async def events(self, run_id: str, *, after: int = 0, limit: int) -> list[EventView]:
        """Return at most *limit* events of a run's log after seq *after*."""
        run = await self._readable(run_id)
        return [_view(event) for event in await self._events(run, after, limit)]

    async def history(self, run_id: str, *, after: int = 0, limit: int) -> History:
        """Return what became of at most *limit* steps, waits and hooks of a run, from the op after *after* on."""
        run = await self._readable(run_id)
        rows = None if run.status in RUN_TERMINAL else await self._world.open_entities(run.id)
        shown = partial(self._shown, run)
        historian = Historian(base=run.base, rows=rows, shown=shown, after=after, limit=limit)
        seq = 0
        while events := await self._events(run, seq, _PAGE):
            historian.read(events)
            seq = events[-1].seq
        return historian.end(run.head)

    async def logs(self, run_id: str, *, after: int | None = None, limit: int) -> list[LogEntry]:
        """Return at most *limit* lines that a run's code wrote, after line *after*; the engine's notes come first."""
        run = await self._readable(run_id)
        return self._redactor.entries(run, (await self._world.log_entries(run.id, after=after))[:limit])

    async def streams(self, run_id: str) -> list[StreamInfo]:
        """Return the streams of a run, in the order of their names."""
        return await self._client.streams.of_run((await self._run(run_id)).id)

    async def stream(self, run_id: str, name: str, part: Part) -> AsyncIterator[StreamChunk]:
        """
        Yield a stream's chunks as they are written; see :func:`torpor.inspection.streams.shown_chunks`.

        Raises:
            UsageError: there can be no stream of this name.
        """
        run = await self._readable(run_id)
        stored = stored_name(run.id, name)
        mark = self._redactor.mark
        async for chunk in shown_chunks(self._client, run, stored, part, decrypt=self._decrypt, mark=mark):
            yield chunk

    async def sources(self, run_id: str) -> dict[str, list[str]]:
        """
        Return the lines of a run's program, file by file: what its author wrote, without the bodies of steps.

        Raises:
            WorldError: the program is damaged.
        """
        run = await self._readable(run_id)
        program = await read_program(self._world, self._client.keyring, run.program, run.key_id)
        if program is None or (run.key_id and not self._decrypt):
            return {}
        return {name: text.splitlines() for name, text in program.files.items()}

    async def stack(self, run_id: str) -> tuple[RunInfo, list[TaskStack]]:
        """
        Return a parked run and its tasks, read from a copy of its VM that is thrown away.

        Raises:
            UsageError: the run is encrypted, and nobody has asked to decrypt it.
            TorporError: as :func:`torpor.parked.parked`, and as the stack of a :class:`ParkedRun`.
        """
        async with self.copy(run_id) as copy:
            return copy.run, await copy.stack()

    async def require_opened(self, run_id: str) -> None:
        """
        Do nothing for a run whose variables may be shown.

        Raises:
            UsageError: the run is encrypted, and nobody has asked to decrypt it.
        """
        key_id = (await self._run(run_id)).key_id
        if key_id and not self._decrypt:
            raise UsageError(f"run {run_id} is encrypted (key {key_id}), as are its variables; --decrypt shows them")

    @asynccontextmanager
    async def copy(self, run_id: str) -> AsyncIterator[ParkedRun]:
        """
        Restore a copy of a parked run's VM for the time of the block.

        Raises:
            UsageError: the run is encrypted, and nobody has asked to decrypt it.
            TorporError: as :func:`torpor.parked.parked`.
        """
        await self.require_opened(run_id)
        client = self._client
        from torpor.parked import parked  # noqa: PLC0415  # it needs the VM, and lists do not

        async with parked(client.world, guests(), run_id, client.world.clock, client.keyring) as copy:
            yield copy

    @asynccontextmanager
    async def travelling(self, run_id: str) -> AsyncIterator[Traveller]:
        """
        Have a traveller in the life of a run for the time of the block.

        Raises:
            UsageError: the run is encrypted, and nobody has asked to decrypt it.
            TorporError: as :func:`torpor.travelling.travelling`.
        """
        await self.require_opened(run_id)
        async with self._client.run(run_id).travel() as traveller:
            yield traveller

    # Who works

    async def workers(self) -> tuple[list[WorkerRow], int]:
        """Return the workers that are not known or presumed to be dead, and the number of the others."""
        known = await self._world.workers()
        alive = living(known)
        return alive, len(known) - len(alive)

    async def unmet(self) -> list[Unmet]:
        """Return the steps that wait for a worker which has them, longest waiting first."""
        return await read_unmet(self._world)

    async def unserved(self) -> dict[str, int]:
        """Return how many runs have not ended of each application that has no worker at work."""
        at_work = {worker.app for worker in living(await self._world.workers())}
        found: Counter[str] = Counter()
        for use in await self._world.programs_in_use():
            # Runs without an application are everybody's.
            if use.app not in at_work if use.app else not at_work:
                found[use.app] += use.count
        return dict(found)

    # Reading

    async def _run(self, run_id: str) -> Run:
        return await self._world.get_run(run_id)

    async def _readable(self, run_id: str) -> Run:
        run = await self._run(run_id)
        self._redactor.check(run)
        return run

    async def _beginning_with(self, text: str) -> list[Run]:
        return await self._world.runs_beginning_with(text, limit=MATCHES_TOLD_MAX + 1)

    async def _events(self, run: Run, after: int, limit: int | None = None) -> list[Event]:
        return self._redactor.events(run, await self._world.events(run.id, after=after, limit=limit))

    def _shown(self, run: Run, payload: bytes | None) -> Any:
        return readable_payload(self._redactor.payload(run, payload))

    async def _summary(self, run: Run, info: RunInfo) -> RunSummary:
        first = await self._events(run, 0, 1)
        last = await self._events(run, run.head - 1) if run.ended_at else []
        ending = readable_payload(last[-1].payload) if last else None
        return RunSummary(
            info,
            input=readable_payload(first[0].payload) if first and first[0].type == "run_created" else None,
            output=ending if run.status == "completed" else None,
            error=readable_failure(last[-1]) if last and run.status == "failed" else None,
            cancel_reason=last[-1].ref if last and run.status == "cancelled" else self._redactor.reason(run),
        )

    async def _snapshot(self, run: Run) -> SnapshotView | None:
        found = await self._world.snapshot(run.id)
        if found is None:
            return None
        return SnapshotView(found.at, len(found.data), found.cursor, found.ops, found.image)

    async def _program(self, run: Run) -> ProgramView | None:
        """Return a run's program; None when the world does not have it, or its key is not here."""
        try:
            program = await read_program(self._world, self._client.keyring, run.program, run.key_id)
        except KeyMissingError:
            return None
        if program is None:
            if await self._world.has_blob(program_key(run.program, run.key_id)):
                raise WorldError(f"program {run.program} is damaged; a worker of its application stores it anew")
            return None
        return ProgramView(
            run.program, program.guest, program.build, files=sorted(program.files), workflows=sorted(program.workflows)
        )


async def newest_running(world: World, limit: int) -> list[Run]:
    """Return the runs that have begun and not ended, newest first."""
    return await world.list_runs(RunFilter(status="running", limit=limit))


def _view(event: Event) -> EventView:
    return EventView(
        event.seq,
        event.type,
        event.at,
        event.id,
        event.op,
        event.name,
        event.attempt,
        event.due,
        event.ref,
        readable_payload(event.payload),
    )


async def _part(what: str, reading: Awaitable[T], instead: T, problems: list[str]) -> T:
    """Return what *reading* reads; when it cannot be read, note that and return *instead*."""
    try:
        return await reading
    except TorporError as error:
        problems.append(f"{what} cannot be read: {error}")
    return instead
