"""
Starting runs and asking about them: what any process can do that has the world.

A client needs no VM and no worker; runs make progress where workers are.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast, get_args

from msgspec.structs import replace

from torpor import codec, ids, tracing
from torpor.attributes import PARENT, ROOT, TRACE, Attributes
from torpor.codec.crypto.keys import Keyring
from torpor.codec.large import in_thread_if, is_large_value
from torpor.codec.types.classes import find_class
from torpor.codec.typing.annotations import convert
from torpor.codec.values import Encoded
from torpor.durations import Duration, When, milliseconds
from torpor.engine.deployments import Startable, find_workflow
from torpor.engine.endings import Endings
from torpor.engine.hook_arrival import wait_for_hook
from torpor.engine.images import program_key
from torpor.engine.metadata import running_step
from torpor.engine.streams import Streams
from torpor.errors import (
    ConfigurationError,
    EntityConflictError,
    HookNotFoundError,
    KeyMissingError,
    ProgramMissingError,
    RunNotFoundError,
    TorporError,
    UsageError,
)
from torpor.hook_info import HookInfo
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.limits import MAILBOX_CHARS_MAX
from torpor.model import Ending, Hook, NewRun, Run, RunFilter, Runtime
from torpor.programs.catalogue import guests
from torpor.run_handle import Handles, RunHandle
from torpor.run_info import RunInfo, read_infos
from torpor.starting import Cleanup, beginning
from torpor.vm.guest import MakeGuest
from torpor.world import World

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # as type checkers know it; with defaults it is in Python 3.13

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")

_DIGEST_BYTES = 16


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

    def led_by(self, key_id: str) -> Client:
        """Return a client whose new runs are encrypted under another key, ``""`` for none."""
        return Client(self.world, self.keyring.led_by(key_id), app=self.app, cleanup=self.cleanup)

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
        arguments: Sequence[Any] | Encoded,
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
        self, workflow: Startable, arguments: Sequence[Any] | Encoded, *, runtime: Runtime, run_id: str | None = None
    ) -> NewRun:
        """Return the run that :meth:`create_run` would create; nothing is stored."""
        new, text = await self._new_run(workflow, arguments, runtime, run_id, {})
        return self._encrypted(new, text, self.keyring.current)

    async def _new_run(
        self,
        workflow: Startable,
        arguments: Sequence[Any] | Encoded,
        runtime: Runtime,
        run_id: str | None,
        begins: Mapping[str, Any],
    ) -> tuple[NewRun, bytes]:
        """Return a run without its input, and that as it is before it is encrypted."""
        about = workflow.workflow
        if about.queue and "queue" not in begins:
            begins = {"queue": about.queue, "key": workflow.key, **begins}
        given = arguments if isinstance(arguments, Encoded) else list(arguments)
        text = await in_thread_if(is_large_value(given), codec.dumps, given)
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
