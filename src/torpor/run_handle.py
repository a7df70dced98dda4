"""A run as its starter sees it: awaited, cancelled, asked, looked into, forked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, cast

from msgspec.structs import replace

from torpor import codec, ids
from torpor.attributes import Attributes, check_write
from torpor.codec.crypto.keys import Keyring
from torpor.codec.large import in_thread_if, is_large_payload, is_large_value
from torpor.codec.types.references import AsTheyAre, recognise
from torpor.codec.values import Encoded, RunReference
from torpor.codec.values import ReadableStream as ReadableReference
from torpor.codec.values import WritableStream as WritableReference
from torpor.engine.cancellation import pack_reason, reason_of
from torpor.engine.deployments import Startable, find_workflow, positional, startable_again
from torpor.engine.endings import read_ending
from torpor.engine.failures import failed_step
from torpor.engine.stream_reading import Attempts, Until
from torpor.engine.streams import ReadableStream, StreamInfo, Streams, WritableStream
from torpor.engine.tenancy import child_of
from torpor.errors import (
    EntityConflictError,
    RunCancelledError,
    SerializationError,
    StepError,
    UsageError,
)
from torpor.lifecycle import EventType, RunStatus
from torpor.model import Ending, Event, LogEntry, Run, Runtime, StepInfo, StreamType
from torpor.moments import Difference, Moment
from torpor.run_failure import failure
from torpor.run_info import RunInfo, read_info
from torpor.tenant_names import tenant_of
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


class Home(Protocol):
    """What handles need of the client that they come from; :class:`torpor.client.Client` is one."""

    @property
    def world(self) -> World: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def references(self) -> AsTheyAre: ...

    @property
    def streams(self) -> Streams: ...

    @property
    def guests(self) -> MakeGuest: ...

    def run(self, run_id: str) -> RunHandle: ...

    def led_by(self, key_id: str) -> Home: ...

    def readable(self, run: Run, payload: bytes) -> Any: ...

    async def wait_ended(self, run_id: str) -> Ending: ...

    async def require_program(self, workflow: Startable) -> None: ...

    async def create_run(
        self,
        workflow: Startable,
        arguments: Sequence[Any] | Encoded,
        *,
        runtime: Runtime,
        run_id: str | None = None,
        begins: Mapping[str, Any] = ...,
    ) -> RunHandle: ...

    async def send(
        self,
        run: RunHandle | str,
        name: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the word
        connection: object = None,
    ) -> None: ...


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

    def __init__(self, client: Home, run_id: str) -> None:
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
        raise failure(run, ending, run_codec)

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
        client: Home = self._client
        run = await self._run()
        first = next(iter(await client.world.events(self.id, limit=1)), None)
        if first is None or first.type != "run_created":
            raise EntityConflictError(
                f"run {self.id} cannot be started anew: its log begins after event {run.base}, so that its input is "
                f"gone; start its workflow {run.workflow} with arguments of your own"
            )
        arguments = client.keyring.run(run.id, run.key_id).loads(first.payload or b"")
        own = {name: value for name, value in run.attributes.items() if not name.startswith("$")}
        begins = {"queue": run.queue, "priority": run.priority, "attributes": own}
        if tenant_of(run.id):  # nobody deploys its workflow: it keeps the program that it has
            found = startable_again(run)
            run_id = child_of(run.id, run_id or ids.fresh("wrun", client.world.clock.now()))
            client = client.led_by(run.key_id)
        else:
            found = await find_workflow(client.world, run.workflow, run.app or None)
            await client.require_program(found)
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

    def __init__(self, client: Home) -> None:
        self._client = client

    def run(self, reference: RunReference) -> RunHandle:
        return self._client.run(reference.run_id)

    def readable(self, reference: ReadableReference) -> object:
        return self._client.streams.read_handle(reference)

    def writable(self, reference: WritableReference) -> object:
        return self._client.streams.write_handle(reference)


recognise(RunHandle, lambda handle: RunReference(handle.id))
