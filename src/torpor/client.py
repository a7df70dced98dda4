"""
Starting runs and asking about them: what any process can do that has the world.

A client needs no VM and no worker; runs make progress where workers are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, cast, get_args

from msgspec.structs import replace

from torpor import codec, ids, tracing
from torpor.attributes import PARENT, ROOT, TRACE, Attributes, check_write
from torpor.codec.crypto.keys import Keyring
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.errors import remembered_traceback
from torpor.codec.large import in_thread_if, is_large_payload, is_large_value
from torpor.codec.types.classes import find_class
from torpor.codec.types.references import AsTheyAre, recognise
from torpor.codec.typing.annotations import convert
from torpor.codec.values import ReadableStream as ReadableReference
from torpor.codec.values import RunReference
from torpor.codec.values import WritableStream as WritableReference
from torpor.durations import Duration, When, milliseconds
from torpor.engine.cancellation import pack_reason, reason_of
from torpor.engine.deployments import Startable, find_workflow, positional
from torpor.engine.endings import Endings, ended_by_world, read_ending
from torpor.engine.failures import failed_step
from torpor.engine.hook_arrival import wait_for_hook
from torpor.engine.images import program_key
from torpor.engine.metadata import running_step
from torpor.engine.stream_reading import Attempts, Until
from torpor.engine.streams import ReadableStream, StreamInfo, Streams, WritableStream
from torpor.errors import (
    ConfigurationError,
    EntityConflictError,
    HookNotFoundError,
    KeyMissingError,
    ProgramMissingError,
    RunCancelledError,
    RunFailedError,
    RunNotFoundError,
    SerializationError,
    StepError,
    TorporError,
    UsageError,
)
from torpor.hook_info import HookInfo
from torpor.lifecycle import RUN_TERMINAL, EventType, RunStatus
from torpor.limits import MAILBOX_CHARS_MAX
from torpor.model import Ending, Event, Hook, LogEntry, NewRun, Run, RunFilter, Runtime, StepInfo, StreamType
from torpor.moments import Difference, Moment
from torpor.programs.catalogue import guests
from torpor.run_info import RunInfo, read_info, read_infos
from torpor.starting import Cleanup, beginning
from torpor.vm.guest import MakeGuest
from torpor.world import World
from torpor.worlds.rules import steps_of

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # as type checkers know it; with defaults it is in Python 3.13

    from torpor.travelling import Traveller

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")

_DIGEST_BYTES = 16
_CONTEXT = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
_DIRECT_CAUSE = "\n\nThe above exception was the direct cause of the following exception:\n\n"


class Code(Protocol):
    """An application whose code a run may go on with, such as :class:`torpor.Torpor`."""

    async def code_of(self, workflow: str) -> Startable:
        """Return a workflow, given by its full name, with the program that is stored of it."""
        ...


class RunHandle(Generic[R]):
    """
    A run as its starter sees it. Handles are cheap; make as many as you like with :meth:`Client.run`.

    To type checkers it has the type of its result.

    Attributes:
        id: ``wrun_<ULID>``, or the name that its starter gave it.
    """

    def __init__(self, client: Client, run_id: str) -> None:
        self._client = client
        self.id = run_id

    def __repr__(self) -> str:
        return f"RunHandle({self.id!r})"

    async def info(self) -> RunInfo:
        """
        Return the run as it stands.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return await read_info(self._client.world, await self._run(), self._client.readable)

    async def status(self) -> RunStatus:
        """Return ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``."""
        return (await self._run()).status

    async def result(self, *, timeout: float | None = None) -> R:
        """
        Wait until the run ends and return what the workflow returned.

        Args:
            timeout: seconds to wait; the run goes on when it passes.

        Raises:
            RunFailedError: the workflow threw, or the run failed otherwise; the cause is the workflow's error.
            RunCancelledError: it was cancelled.
            KeyMissingError: its key is not here.
            SerializationError: what it returned cannot be read here, for instance because a class is not loaded.
            TimeoutError: it did not end in time.
        """
        async with asyncio.timeout(timeout):
            ended = await self._client.wait_ended(self.id)
        run, ending = ended.run, ended.event or await read_ending(self._client.world, ended.run)
        run_codec = self._client.keyring.run(run.id, run.key_id)
        if run.status == "completed":
            try:
                envelope = run_codec.decrypt(ending.payload or b"")
                references = self._client.references
                value: R = await in_thread_if(is_large_payload(envelope), codec.loads, envelope, references)
            except SerializationError as error:
                what = f"the result of run {self.id} ({run.workflow})"
                raise type(error)(f"{what} cannot be read here: {error}") from error
            return value
        if run.status == "cancelled":
            reason = reason_of(ending.ref, run_codec)
            told = f"run {self.id} ({run.workflow}) was cancelled{f': {reason}' if reason else ''}"
            raise RunCancelledError(told, run_id=self.id, reason=reason)
        raise _failure(run, ending, run_codec)

    async def cancel(self, reason: str = "", *, force: bool = False) -> None:
        """
        Cancel the run, and the runs that it has started, but for detached ones.

        Its code is told and may clean up, for as long as ``cleanup`` of the application or run says; then the run ends
        as cancelled, with its waits, hooks and steps. This returns once the request is stored: :meth:`result` waits for
        the end. A run that has not begun ends at once. Asking again is harmless; the first reason counts.

        Args:
            reason: why, at most 512 characters; awaiting the result tells it.
            force: end it at once, whatever its code would clean up.

        Raises:
            EntityConflictError: it has ended already; the message says how.
            RunNotFoundError: no such run in this world.
            UsageError: the reason is too long.
        """
        if reason:
            run = await self._run()
            reason = pack_reason(reason, self._client.keyring.run(run.id, run.key_id, run.public))
        await self._client.world.cancel_run(self.id, reason, force=force)

    async def resolve(self, op: int | str, value: Any = None, *, failed: str | None = None) -> None:
        """
        Say how a step ended that is blocked, because nobody knew: its worker died inside, or it raised
        UnknownOutcomeError. The run goes on with that.

        Args:
            op: number of the step among what the run has asked for, as ``torpor inspect`` and :attr:`RunInfo.blocked`
                show it, or its id.
            value: what the step returns.
            failed: why it has failed instead; workflow code gets a StepError with this text.

        Raises:
            EntityConflictError: the step is not blocked, or the run has ended.
            RunNotFoundError: no such run in this world.
            KeyMissingError: the run's key is not here.
            SerializationError, LimitExceededError: the value cannot be stored.
        """
        world = self._client.world
        entities = await world.open_entities(self.id)
        step = next((step for step in entities.steps.values() if op in (step.op, step.id)), None)
        name = step.name.rpartition("//")[2] if step is not None else str(op)
        run_codec = self._client.keyring.run(self.id, entities.run.key_id)
        outcome = value if failed is None else StepError(f"step {name} was resolved as failed: {failed}")
        payload = await in_thread_if(is_large_value(outcome), run_codec.dumps, outcome)
        kind: EventType = "step_completed" if failed is None else "step_failed"
        event = Event(kind, world.clock.now(), payload=payload)
        await world.resolve_step(self.id, step.id if step is not None else str(op), event)

    async def send(
        self,
        name: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the word
        connection: object = None,
    ) -> None:
        """Send the run a message; see :meth:`Client.send`."""
        await self._client.send(self.id, name, payload, id=id, connection=connection)

    async def pause(self) -> None:
        """
        Let nothing happen in the run for now: its workflow's code gets nothing and none of its steps begins. What
        arrives is kept, steps that run end and are recorded, and a deadline passes. Pausing twice changes nothing.

        Raises:
            EntityConflictError: it has ended.
            RunNotFoundError: no such run in this world.
        """
        await self._client.world.pause_run(self.id)

    async def unpause(self) -> None:
        """
        Let a paused run go on; one that is not paused stays as it is.

        Raises:
            EntityConflictError: it has ended.
            RunNotFoundError: no such run in this world.
        """
        await self._client.world.unpause_run(self.id)

    async def wake_up(self, ids: Collection[str] | None = None) -> list[str]:
        """
        End sleeps and other timers of the run before their time, and return the ids of those that were open.

        Args:
            ids: of which timers, as :attr:`torpor.run_info.RunInfo.waits_for` has them; all without it.

        Raises:
            EntityConflictError: it has ended.
            RunNotFoundError: no such run in this world.
        """
        return list(await self._client.world.wake_up(self.id, ids))

    async def retry(self) -> None:
        """
        Take a failed run up again: the step that failed it gets new attempts, and the run goes on from before its
        failure as if that had not happened. What its workflow did because of the failure is void; its log keeps both.
        One that a limit, its deadline or a missing thing ended goes on from where it was, without the deadline.

        Raises:
            UsageError: its own code failed it, and no step's failure is to blame; the message says what helps.
            EntityConflictError: it has not failed, its log has forgotten what that needs, or another run has a token
                that it waits for.
            KeyMissingError: its key is not here, so that nobody can tell why it failed.
            RunNotFoundError: no such run in this world.
        """
        run = await self._run()
        since = None
        if run.status == "failed" and run.error_code == "USER_ERROR":
            since = await failed_step(self._client.world, run, self._client.keyring.run(run.id, run.key_id))
        await self._client.world.retry_run(self.id, since)

    async def rerun(self, *, run_id: str | None = None) -> RunHandle[R]:
        """
        Start a new run of the same workflow with the same input, in the same queue, with the same priority and
        attributes; the newest deployment says which program it keeps.

        Args:
            run_id: a name for the new run.

        Raises:
            EntityConflictError: the beginning of this run's log was dropped, and its input with it, or the name is
                taken.
            WorkflowNotRegisteredError: no deployment has its workflow any more.
            KeyMissingError: its key is not here.
            RunNotFoundError: no such run in this world.
        """
        client, run = self._client, await self._run()
        first = next(iter(await client.world.events(self.id, limit=1)), None)
        if first is None or first.type != "run_created":
            raise EntityConflictError(
                f"run {self.id} cannot be started anew: its log begins after event {run.base}, so that its input is "
                f"gone; start its workflow {run.workflow} with arguments of your own"
            )
        arguments = client.keyring.run(run.id, run.key_id).loads(first.payload or b"")
        found = await find_workflow(client.world, run.workflow, run.app or None)
        await client.require_program(found)
        own = {name: value for name, value in run.attributes.items() if not name.startswith("$")}
        begins = {"queue": run.queue, "priority": run.priority, "attributes": own}
        return await client.create_run(found, arguments, runtime=run.runtime, run_id=run_id, begins=begins)

    async def query(self, query: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """
        Call a query function in a copy of the run's VM and return its answer: the state after the run's log as it is
        stored now. The run is not woken, changed or delayed.

        Args:
            query: the function, or its name; JavaScript's by the name of the export.
            args, kwargs: its arguments.

        Raises:
            UsageError: the program has no such query, the query asked for something, or the run has ended.
            KeyMissingError: the run's key is not here.
            SerializationError: an argument or the answer cannot be stored.
            ConfigurationError: the run sleeps in a guest build that knows no queries.
            RunNotFoundError: no such run in this world.
            VmError: the query passed a limit of CPU, memory or output.
            Exception: what the query raised.
        """
        from torpor.parked import parked  # noqa: PLC0415  # it needs the VM, and who only asks does not

        name = query if isinstance(query, str) else getattr(query, "__name__", repr(query))
        text = codec.unpack_devalue(codec.dumps(positional(args, kwargs), f"the arguments of query {name}"))
        client = self._client
        async with parked(client.world, client.guests, self.id, client.world.clock, client.keyring) as copy:
            answer = await copy.query(name, text)
        told = codec.loads(codec.pack_devalue(answer.value or answer.error or ""), client.references)
        if answer.error is None:
            return told
        raise told if isinstance(told, BaseException) else UsageError(f"query {name} threw {told!r:.200}")

    def travel(self) -> AbstractAsyncContextManager[Traveller]:
        """
        Go to any moments of the run's life, for the time of the block; neighbours of a moment cost little::

            async with run.travel() as traveller:
                moment = await traveller.at(17)

        Raises:
            TorporError: as :func:`torpor.travelling.travelling`, and as the methods of the traveller.
        """
        from torpor.travelling import travelling  # noqa: PLC0415  # it needs the VM, and who only asks does not

        client = self._client
        return travelling(client.world, client.guests, self.id, client.keyring)

    async def at(self, seq: int) -> Moment:
        """
        Return the run as it was after event *seq* of its log: stack and variables of every task, and its output.

        The log is replayed in a copy; the run itself is not touched, be it at work, asleep or over. For more than one
        moment use :meth:`travel`.

        Args:
            seq: the place in the log; a negative one counts from its end.

        Raises:
            UsageError: the log does not tell of that place, or not any more.
            KeyMissingError: the run's key is not here.
            RunNotFoundError: no such run in this world.
            TorporError: as :meth:`travel`.
        """
        async with self.travel() as traveller:
            return await traveller.at(seq)

    async def difference(self, before: int, after: int) -> Difference:
        """
        Return what differs between two moments of the run: functions, variables, output.

        Args:
            before, after: their places, as of :meth:`at`.

        Raises:
            TorporError: as :meth:`at`.
        """
        async with self.travel() as traveller:
            return await traveller.difference(before, after)

    async def fork(
        self,
        *,
        at: int,
        results: Mapping[int, Any] | None = None,
        code: Code | Literal["newest"] | None = None,
        take_over: bool = False,
        run_id: str | None = None,
    ) -> RunHandle[R]:
        """
        Start a new run that goes on from a place of this one's log; this one is not touched.

        It has the log up to there, and from then on its own id, entropy and names for steps. Steps that are open begin
        anew in it, timers keep their due times, hooks that are open get new tokens. Children of this run stay this
        one's: their results are the fork's too.

        Args:
            at: seq of the last event that it has; a negative one counts from the end of the log.
            results: what steps returned instead, by the number of their op: of those that had ended, if the rest of
                the log up to there agrees with that, and of those that are open.
            code: goes on with other code, if its replay up to there agrees with the log: that of an open application,
                or ``"newest"``, what workers have brought last.
            take_over: let hooks that are open keep their tokens, which nobody must have any more.
            run_id: a name for the new run; asking again for the same fork by it returns the one there is.

        Raises:
            UsageError: nothing goes on from that place, or an op of *results* is no step.
            DivergenceError: the code does not agree with the log; the message says where they differ.
            EntityConflictError: the name is taken, or a token that is to be taken over.
            WorkflowNotRegisteredError: the new code has no such workflow.
            KeyMissingError: the run's key is not here.
            RunNotFoundError: no such run in this world.
        """
        from torpor.forking import Asked, fork  # noqa: PLC0415  # it needs the VM, and who only asks does not

        client = self._client
        found: Startable | None = None
        if code is not None:
            run = await self._run()
            newest = code == "newest"
            found = await (
                find_workflow(client.world, run.workflow, run.app or None)
                if newest
                else cast("Code", code).code_of(run.workflow)
            )
            await client.require_program(found)
        asked = Asked(self.id, at, run_id or "", dict(results or {}), found, take_over=take_over)
        return client.run((await fork(client.world, client.guests, client.keyring, asked)).id)

    async def set_attributes(self, attributes: Attributes) -> None:
        """
        Say something of the run in plain text, to find it by; the run is not woken.

        Args:
            attributes: texts by name; None takes one away. See :mod:`torpor.attributes` for bounds.

        Raises:
            ArgumentError: they are no texts, or are reserved.
            LimitExceededError: they are too long, or the run would have too many.
            EntityConflictError: the run has ended.
            RunNotFoundError: no such run in this world.
        """
        await self._client.world.set_attributes(self.id, check_write(attributes))

    async def delete(self) -> None:
        """
        Delete the run with everything that belongs to it, its name included; it must have ended.

        Raises:
            EntityConflictError: it goes on; cancel it first.
            RunNotFoundError: no such run in this world.
        """
        while not await self._client.world.delete_run(self.id):
            pass  # a long run goes in several transactions, between which others have their turn

    async def export(self, file: str | Path, *, whole: bool = False, encrypt: bool = False) -> None:
        """
        Write the run with all that belongs to it into a file, a *capsule*, which :meth:`Client.import_run` and ``torpor
        import`` put into another world; see docs/capsules.md. It is as one moment has it, and the run is not touched.

        Args:
            file: in place of what is there.
            whole: also its image and guest build, so that it can be opened where they are not.
            encrypt: under the newest key of this client, but for what the file says of itself: ids and names.

        Raises:
            RunNotFoundError: no such run in this world.
            BuildMissingError: it is to be whole, and its guest build is neither in the world nor installed here.
            ConfigurationError: it is to be encrypted, and there is no key.
            LimitExceededError: it has too much for one file.
            UsageError: the file cannot be written.
        """
        from torpor.capsules import transfer  # noqa: PLC0415  # who exports nothing needs none of it

        client = self._client
        data = await transfer.take_out(client.world, self.id, client.keyring, whole=whole, encrypt=encrypt)
        await asyncio.to_thread(transfer.save, file, data)

    async def events(self, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """Return the run's log after seq *after*, as it is stored: payloads of an encrypted run are encrypted."""
        return await self._client.world.events(self.id, after=after, limit=limit)

    async def steps(self) -> list[StepInfo]:
        """Return the run's steps as they stand, in the order in which they were asked for."""
        world = self._client.world
        events = await world.events(self.id)
        return steps_of(self.id, events, (await world.open_entities(self.id)).steps.values())

    async def logs(self, *, after: int | None = None) -> list[LogEntry]:
        """
        Return the lines that workflow code wrote, and the engine's notes on the run.

        Raises:
            RunNotFoundError: no such run in this world.
            KeyMissingError: its key is not here.
        """
        run = await self._run()
        run_codec = self._client.keyring.run(run.id, run.key_id)
        entries = await self._client.world.log_entries(self.id, after=after)
        return [replace(entry, text=run_codec.unpack_text(entry.text)) for entry in entries]

    def stream(
        self, name: str = "", *, start: int = 0, until: Until = "end", attempts: Attempts = "all"
    ) -> ReadableStream[Any]:
        """
        Return one of the run's streams, to read it: ``async for value in run.stream(): …``.

        Args:
            name: of the stream, ``""`` for the run's default one.
            start: index of the first chunk; a negative one counts from the end, so -10 stands for the last ten.
            until: when to stop: ``end`` when the stream is closed, or the run has ended and all is read; ``close`` when
                it is closed, since others may write longer than the run lives; ``now`` when all is read that is there.
            attempts: ``all`` chunks, or not those of attempts of steps that another one had replaced: ``last``.

        Raises:
            UsageError: an argument makes no sense.
            RunNotFoundError, KeyMissingError, DecryptionError, SerializationError: where it is read.
        """
        return self._client.streams.readable(self.id, name, start=start, until=until, attempts=attempts)

    def writable(self, name: str = "", *, type: StreamType = "") -> WritableStream:  # noqa: A002  # as the SDK
        """
        Return one of the run's streams, to write to it or to close it from outside.

        Args:
            name: of the stream, ``""`` for the run's default one.
            type: ``bytes`` for raw bytes, ``""`` for values.

        Raises:
            UsageError: an argument makes no sense.
        """
        return self._client.streams.writable(self.id, name, type)

    async def streams(self) -> list[StreamInfo]:
        """
        Return the run's streams, those that somebody has written to, in the order of their names.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return await self._client.streams.of_run(self.id)

    async def _run(self) -> Run:
        return await self._client.world.get_run(self.id)


class Handles(AsTheyAre):
    """
    Runs that arrive as values become handles.

    Args:
        client: whose world they are in.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, reference: RunReference) -> RunHandle:
        return self._client.run(reference.run_id)

    def readable(self, reference: ReadableReference) -> object:
        return self._client.streams.read_handle(reference)

    def writable(self, reference: WritableReference) -> object:
        return self._client.streams.write_handle(reference)


recognise(RunHandle, lambda handle: RunReference(handle.id))


class Client:
    """
    The world as its users see it.

    Args:
        world: an open world.
        keyring: deployment keys; without them runs that are encrypted can be seen, cancelled and written to, not read.
        app: name of the application whose workflows :meth:`start` means; that of any by default.
        cleanup: what the code of runs that it starts may do once they are cancelled.
    """

    def __init__(
        self,
        world: World,
        keyring: Keyring | None = None,
        *,
        app: str | None = None,
        cleanup: Cleanup = Cleanup(),  # noqa: B008  # frozen
    ) -> None:
        self.world = world
        self.keyring = keyring or Keyring()
        self.app = app
        self.cleanup = cleanup
        self.references = Handles(self)
        self.streams = Streams(world, self.keyring, self.references)
        self._endings = Endings(world)

    @cached_property
    def guests(self) -> MakeGuest:
        """The guests of this installation, in which copies of runs are asked queries."""
        return guests()

    async def within(self, connection: object) -> Client:
        """
        Return a client whose starts, messages and payloads are part of a transaction in the world's database: they are
        there if and only if that is committed, and workers hear of them then. What fails leaves the transaction open.

        Args:
            connection: of a driver, or what SQLAlchemy or Django have around one; see docs/transactions.md. None stands
                for no transaction.

        Raises:
            TransactionError: the world knows no transactions, the connection leads elsewhere, or none is open on it.
        """
        if connection is None:
            return self
        return Client(await self.world.within(connection), self.keyring, app=self.app, cleanup=self.cleanup)

    def run(self, run_id: str) -> RunHandle:
        """Return a handle; the run is looked up when the handle is used."""
        return RunHandle(self, run_id)

    async def start(
        self,
        workflow: str,
        /,
        *args: Any,
        run_id: str | None = None,
        runtime: Runtime | None = None,
        at: datetime | str | None = None,
        delay: Duration | None = None,
        queue: str = "",
        queue_key: str = "",
        priority: int = 0,
        deadline: When | None = None,
        attributes: Attributes | None = None,
        cleanup: Cleanup | Duration | None = None,
        detached: bool = False,
        connection: object = None,
        **kwargs: Any,
    ) -> RunHandle:
        """
        Start a run by name, without the application: the newest live deployment in the world that has the workflow
        says which program the run keeps, and what it takes.

        Arguments go to the workflow as they are given. Nothing here makes a dataclass of a dict, as ``app.start`` does.

        Args:
            workflow: its name, such as ``checkout``, or the full one.
            args: its arguments.
            run_id: a name of your own, any text such as ``order-17``, to start once however often you ask; it is
                remembered as long as the run is kept.
            runtime: ``snapshot`` or ``replay`` for this run; else ``TORPOR_RUNTIME``, else ``snapshot``.
            at: when it begins, an aware datetime or ISO 8601 text with a time zone; what has passed means at once.
            delay: or after how long: seconds, text such as ``"1h 30m"``, or a timedelta.
            queue: name of a queue, whose workers take it and its steps; see ``WorkerSettings(queues=…)``. What it
                allows is said by ``app.queues.set(…)``.
            queue_key: of whom it is: keys of a queue take turns, and each may have a limit of its own.
            priority: a whole number from -100 to 100; of runs and steps that are ready the highest is taken first.
            deadline: when it fails with code ``DEADLINE_EXCEEDED`` if it has not ended, wherever it is: a moment, or a
                duration from its beginning.
            attributes: plain texts to find it by, such as ``{"customer": "c-17"}``; see :mod:`torpor.attributes`.
            cleanup: what its code may do once it is cancelled; this client's by default.
            detached: it lives on when the run whose step starts it is cancelled.
            connection: with a transaction that the run is to be part of; see :meth:`within`.
            kwargs: its keyword arguments; a workflow in JavaScript gets them as an object behind the others.

        Raises:
            WorkflowNotRegisteredError: no deployment has it, or those of several applications do.
            ArgumentError: it does not take these arguments, or an option of the start is not what it should be.
            KeyMissingError: its program is stored under other keys than this client's.
            SerializationError, LimitExceededError, EntityConflictError: as :meth:`create_run`.
            TransactionError: as :meth:`within`.
        """
        begins = beginning(
            self.world.clock.now(),
            at=at,
            delay=delay,
            queue=queue,
            queue_key=queue_key,
            priority=priority,
            deadline=deadline,
            attributes=attributes,
            cleanup=cleanup,
            detached=detached,
        )
        client = await self.within(connection)
        found = await find_workflow(client.world, workflow, self.app)
        arguments = found.arguments(args, kwargs)
        await client.require_program(found)
        run = await client.create_run(found, arguments, runtime=chosen_runtime(runtime), run_id=run_id, begins=begins)
        return self.run(run.id)

    async def create_run(
        self,
        workflow: Startable,
        arguments: Sequence[Any],
        *,
        runtime: Runtime,
        run_id: str | None = None,
        begins: Mapping[str, Any] = MappingProxyType({}),
    ) -> RunHandle:
        """
        Create a run of a workflow whose program is stored, encrypted if there are keys; asking again for the same one
        changes nothing.

        A run that is started inside a step is a child of the step's run.

        Args:
            workflow: which, with the program that the run keeps.
            arguments: its arguments, as :func:`torpor.engine.deployments.positional` puts them.
            runtime: ``snapshot`` or ``replay``.
            run_id: an id of your own, any text such as ``order-17``, to start once however often you ask.
            begins: how it begins; see :func:`torpor.starting.beginning`.

        Raises:
            SerializationError, LimitExceededError: the arguments cannot be stored.
            EntityConflictError: the id is taken by a run of another workflow or with other arguments.
            KeyMissingError: the id is taken by a run whose key is not here, so that it cannot be told.
        """
        new, text = await self._new_run(workflow, arguments, runtime, run_id, begins)
        return self.run((await self._create(new, text)).id)

    async def new_run(
        self, workflow: Startable, arguments: Sequence[Any], *, runtime: Runtime, run_id: str | None = None
    ) -> NewRun:
        """Return the run that :meth:`create_run` would create; nothing is stored."""
        new, text = await self._new_run(workflow, arguments, runtime, run_id, {})
        return self._encrypted(new, text, self.keyring.current)

    async def _new_run(
        self,
        workflow: Startable,
        arguments: Sequence[Any],
        runtime: Runtime,
        run_id: str | None,
        begins: Mapping[str, Any],
    ) -> tuple[NewRun, bytes]:
        """Return a run without its input, and that as it is before it is encrypted."""
        about = workflow.workflow
        if about.queue and "queue" not in begins:
            begins = {"queue": about.queue, "key": workflow.key, **begins}
        text = await in_thread_if(is_large_value(arguments), codec.dumps, list(arguments))
        parent, root = await self._ancestors()
        ancestors = {PARENT: parent, ROOT: root} if parent else {}
        if traced := tracing.current():
            ancestors[TRACE] = traced
        usual = {"cleanup_ms": self.cleanup.ms, "cleanup_steps": self.cleanup.steps}
        new = NewRun(
            id=run_id or ids.fresh("wrun", self.world.clock.now()),
            workflow=workflow.name,
            program=about.program,
            guest=about.guest,
            runtime=runtime,
            seed=ids.seed(),
            input=b"",
            parent=parent,
            root=root,
            app=workflow.app,
            build=about.build,
            **{**usual, **begins, "attributes": {**begins.get("attributes", {}), **ancestors}},
        )
        return new, text

    async def require_program(self, workflow: Startable) -> None:
        """
        Refuse to start a run whose program no worker could read: programs are stored under their runs' key.

        Raises:
            ProgramMissingError: the world has lost it.
            KeyMissingError, ConfigurationError: it is stored under other keys than this client's.
        """
        current, address = self.keyring.current, workflow.workflow.program
        if await self.world.has_blob(program_key(address, current)):
            return
        what = f"the program of {workflow.name}"
        stored = list(await self.world.blob_sizes(program_key(address, "")))
        if not stored:
            raise ProgramMissingError(f"world {self.world.url} has lost {what}; a worker of its application stores it")
        if not current:
            raise KeyMissingError(what, min(stored).rpartition("@")[2])
        raise ConfigurationError(
            f"new runs of this client would be encrypted under key {current}, and {what} is not stored under it; give "
            f"the client the key that the workers use, or the workers this one"
        )

    async def _ancestors(self) -> tuple[str, str]:
        """Return the run whose step is running here, and the first of its line of parents; empty outside steps."""
        step = running_step()
        if step is None:
            return "", ""
        try:
            parent = await self.world.get_run(step.run_id)
        except RunNotFoundError:  # it lives in another world
            return "", ""
        return parent.id, parent.root or parent.id

    async def _create(self, new: NewRun, text: bytes) -> Run:
        try:
            return await self.world.create_run(self._encrypted(new, text, self.keyring.current))
        except EntityConflictError:
            # The same may have been asked for before there were keys, or before they were rotated.
            stored = await self.world.get_run(new.id)
            if stored.key_id == self.keyring.current:
                raise
            return await self.world.create_run(self._encrypted(new, text, stored.key_id))

    def _encrypted(self, new: NewRun, text: bytes, key_id: str) -> NewRun:
        if not key_id:
            return replace(new, input=text)
        run_codec = self.keyring.run(new.id, key_id)
        # Equal input is told by its digest, because encrypting it twice gives different bytes.
        mark = run_codec.digest(text, _DIGEST_BYTES)
        return replace(
            new, key_id=key_id, public=run_codec.public, seed=b"", input=run_codec.encrypt(text), digest=mark
        )

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        attributes: Mapping[str, str] | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunInfo]:
        """
        Return runs, newest first.

        Args:
            status: only runs in this state.
            workflow: only runs of this workflow, by its full or its short name.
            attributes: only runs that have all of these; ``$parentRunId`` and ``$rootRunId`` find the runs that one has
                started.
            before: id of the last run of the previous page.
            limit: how many at most.
        """
        where = RunFilter(
            status=status, workflow=workflow, before=before, limit=limit, attributes=dict(attributes or {})
        )
        found = await self.world.list_runs(where)
        return await read_infos(self.world, found, self.readable)

    async def import_run(self, file: str | Path, *, paused: bool = False) -> RunHandle:
        """
        Put the run of a capsule into this world, under its own id, asleep: from there it goes on where it was. The run
        that it was made from goes on too, unless somebody sees to it.

        Args:
            file: what :meth:`RunHandle.export` or ``torpor export`` has written.
            paused: nothing happens in the run before :meth:`RunHandle.unpause`.

        Raises:
            CapsuleError: it is none, or damaged, or what is in it does not fit together.
            CapsuleVersionError: a newer version has made it.
            KeyMissingError: the capsule is encrypted, and its key is not here; the run's own key need not be.
            EntityConflictError: the id, or a token that the run waits for, is taken here.
            UsageError: the file cannot be read.
        """
        from torpor.capsules import transfer  # noqa: PLC0415  # who imports nothing needs none of it

        data = await asyncio.to_thread(transfer.load, file)
        return self.run((await transfer.put_in(self.world, data, self.keyring, paused=paused)).id)

    def readable(self, run: Run, payload: bytes) -> Any:
        """Return what a payload of a run is, None where it cannot be read: its key or its classes are not here."""
        with suppress(TorporError):
            return self.keyring.run(run.id, run.key_id).loads(payload)
        return None

    async def get_hook(self, token: str) -> HookInfo[RunHandle]:
        """
        Look a live hook up by its token.

        Raises:
            HookNotFoundError: no live hook has this token.
        """
        hook = await self.world.hook(token)
        return HookInfo(hook, self.run(hook.run_id), self.keyring.run(hook.run_id, hook.key_id), self.references)

    async def resume_hook(
        self,
        token: str | HookInfo[Any],
        payload: Any = None,
        *,
        resume_id: str | None = None,
        wait: Duration | None = None,
        connection: object = None,
    ) -> RunHandle:
        """
        Deliver a payload to a live hook; it is stored durably before the run wakes.

        Args:
            token: the hook's token, or the hook as :meth:`get_hook` returned it.
            payload: any value that the codec takes.
            resume_id: give the same one when you try again; the payload is then received once, and the run that has it
                is returned, also when its hook is gone or the run has ended.
            wait: how long to wait for a hook that is not there yet: seconds, text such as ``"1h"``, or a timedelta.
            connection: with a transaction that this is to be part of; see :meth:`within`.

        Raises:
            HookNotFoundError: no live hook has this token, or had it in time.
            ArgumentError: the hook takes payloads of a class that is loaded here, and this one does not fit it.
            SerializationError, LimitExceededError: the payload cannot be stored.
            UsageError: *wait* is no duration, or was given with a connection, whose transaction it would keep open.
            TransactionError: as :meth:`within`.
        """
        if connection is not None:
            if wait is not None:
                raise UsageError("resume_hook(wait=…) would keep the transaction of connection= open; leave one out")
            run = await (await self.within(connection)).resume_hook(token, payload, resume_id=resume_id)
            return self.run(run.id)
        name = token if isinstance(token, str) else token.token
        look = self._look_for(name, wait)
        resume = resume_id or ids.fresh("rsme", self.world.clock.now())
        text = await in_thread_if(is_large_value(payload), codec.dumps, payload)
        if resume_id is not None and (receiver := await self.world.resumed(name, resume_id)):
            return self.run(receiver)
        while True:
            try:
                found = await look()
            except HookNotFoundError:
                if receiver := await self.world.resumed(name, resume):
                    return self.run(receiver)
                raise
            fitting = _fitting(found, payload)
            if fitting is not payload:
                text = await in_thread_if(is_large_value(fitting), codec.dumps, fitting)
            data = self.keyring.run(found.run_id, found.key_id, found.public).encrypt(text)
            try:
                return self.run(await self.world.resume_hook(name, data, resume, run_id=found.run_id))
            except HookNotFoundError:
                continue  # it is gone, or by now another run's, which the next look tells

    def _look_for(self, token: str, wait: Duration | None) -> Callable[[], Awaitable[Hook]]:
        """Return what finds the live hook with a token, and waits for it until *wait* is over from now on."""
        if wait is None:
            return lambda: self.world.hook(token)
        try:
            deadline = asyncio.get_running_loop().time() + milliseconds(wait) / 1000
        except ValueError as error:
            raise UsageError(f"resume_hook(wait=…): {error}") from None

        async def look() -> Hook:
            try:
                async with asyncio.timeout_at(deadline):
                    return await wait_for_hook(self.world, token)
            except TimeoutError:
                raise HookNotFoundError(
                    f"no live hook had the token {token!r} within {wait!r}: no run has made it, or it is disposed of"
                ) from None

        return look

    async def send(
        self,
        run: RunHandle | str,
        name: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the word
        connection: object = None,
    ) -> None:
        """
        Send a run a message, which it keeps until its code receives it: ``await receive(name)``.

        The run may sleep, work, or not have begun. Messages of one name are received in the order in which they were
        sent.

        Args:
            run: which, or its id.
            name: which of its mailboxes, 1 to 256 characters.
            payload: any value that the codec takes.
            id: give the same one when you try again, up to 256 characters; the run then gets the message once.
            connection: with a transaction that this is to be part of; see :meth:`within`.

        Raises:
            RunNotFoundError: no such run in this world.
            RunEndedError: it has ended.
            LimitExceededError: too many messages wait in it already, or this one is too large.
            SerializationError: the payload cannot be stored.
            UsageError: the name or the id is no text of that length.
            TransactionError: as :meth:`within`.
        """
        run_id = run if isinstance(run, str) else run.id
        _check_text("a mailbox", name)
        message = ids.fresh("msg", self.world.clock.now()) if id is None else _check_text("the id of a message", id)
        text = await in_thread_if(is_large_value(payload), codec.dumps, payload)
        world = (await self.within(connection)).world
        found = await world.get_run(run_id)
        data = self.keyring.run(found.id, found.key_id, found.public).encrypt(text)
        await world.send(found.id, name, data, message)

    async def cancel_runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, reason: str = "", force: bool = False
    ) -> list[str]:
        """
        Cancel all runs that match and have not ended, and return their ids.

        Args:
            status: ``pending`` or ``running``; both by default.
            workflow: only runs of this workflow, by its full or its short name.
            reason, force: as for :meth:`RunHandle.cancel`.

        Raises:
            UsageError: runs of this *status* have ended, or the reason is too long.
        """
        if status in RUN_TERMINAL:
            raise UsageError(f"runs that are {status} have ended; cancel those that are pending or running")
        found: dict[str, None] = {}
        for each in ["pending", "running"] if status is None else [status]:
            where = RunFilter(status=cast("RunStatus", each), workflow=workflow, app=self.app)
            while page := await self.world.list_runs(where):
                found |= dict.fromkeys(run.id for run in page)
                where = replace(where, before=page[-1].id)
        return await self.cancel_many(list(found), reason, force=force)

    async def cancel_many(self, run_ids: Sequence[str], reason: str = "", *, force: bool = False) -> list[str]:
        """Cancel several runs and return the ids of those that had not ended; see :meth:`RunHandle.cancel`."""
        cancelled = []
        for run_id in run_ids:
            try:
                await self.run(run_id).cancel(reason, force=force)
            except EntityConflictError:
                continue
            cancelled.append(run_id)
        return cancelled

    async def wait_ended(self, run_id: str) -> Ending:
        """
        Return how a run ended, once it has.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return await self._endings.wait(run_id)


def _fitting(hook: Hook, payload: Any) -> Any:
    """
    Return a payload as the class wants it that a hook takes; as it is where that class is not loaded.

    Raises:
        ArgumentError: it does not fit.
    """
    kind = find_class(hook.takes) if hook.takes else None
    if kind is None:
        return payload
    return convert(payload, kind, f"hook {hook.token!r} takes {kind.__qualname__}: payload")


def _check_text(what: str, text: str) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= MAILBOX_CHARS_MAX:
        told = f"has {len(text)} characters" if isinstance(text, str) else f"is {text!r}"
        raise UsageError(f"{what} {told}; it is a text of 1 to {MAILBOX_CHARS_MAX}")
    return text


def chosen_runtime(name: str | None) -> Runtime:
    """
    Return how a run is to be kept: as asked, else as ``TORPOR_RUNTIME`` says, else by snapshots.

    Raises:
        ConfigurationError: there is no such runtime.
    """
    chosen = name or os.environ.get("TORPOR_RUNTIME", "snapshot")
    if chosen not in get_args(Runtime):
        raise ConfigurationError(f"runtime {chosen!r} (argument or TORPOR_RUNTIME) is unknown; use snapshot or replay")
    return cast("Runtime", chosen)


def _failure(run: Run, ending: Event, run_codec: RunCodec) -> RunFailedError:
    cause = run_codec.loads(ending.payload) if ending.payload else ended_by_world(ending)
    told = _told(cause)
    error = RunFailedError(
        f"run {run.id} ({run.workflow}) failed with {run.error_code}: {told}", run_id=run.id, failure=run.error_code
    )
    if isinstance(cause, BaseException):
        error.__cause__ = cause
        # Python prints a cause that came from elsewhere without the lines that raised it; a note is printed as it is.
        if where := _where_raised(cause):
            error.add_note(f"\nWhere the workflow raised it:\n{where}")
    return error


def _where_raised(error: BaseException) -> str:
    """Return the tracebacks that an error and those that it came from had elsewhere, each once, as Python has them."""
    told = ""
    texts: list[str] = []
    seen: set[int] = set()  # values may have cycles
    origin: BaseException | None = error
    joint = ""
    while origin is not None and id(origin) not in seen:
        seen.add(id(origin))
        text = remembered_traceback(origin)
        # One without lines is no more than the name and message; that of a step's error has what the step raised in it.
        if text is not None and "\n" in text and not any(text in above for above in texts):
            texts.append(text)
            told = f"{text}{joint}{told}" if told else text
        joint = _DIRECT_CAUSE if origin.__cause__ is not None else _CONTEXT
        origin = origin.__cause__ or (None if origin.__suppress_context__ else origin.__context__)
    return told


def _told(cause: Any) -> str:
    if isinstance(cause, codec.RemoteError):  # its text names the class that it had
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else repr(cause)
