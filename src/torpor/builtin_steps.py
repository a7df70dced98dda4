"""
Steps that every application has, beside its own: what workflow code asks of other runs.

Their names begin with ``step//torpor//``. No step of a user can have such a name, since those carry the path of a file,
and the lists of steps in messages leave them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from msgspec.structs import replace

from torpor import ids
from torpor.agents.steps import AgentSteps
from torpor.authority import APPLICATION, HOST, Authority
from torpor.client import Client, chosen_runtime
from torpor.codec.requests import Request, Response
from torpor.codec.types.references import AsTheyAre, References
from torpor.codec.values import AbortSignal as AbortReference
from torpor.codec.values import (
    ReadableStream,
    RunReference,
    StepFunction,
    WorkflowFunction,
    WritableStream,
)
from torpor.engine.deployments import Startable, as_called, positional, read_versions, startable_again
from torpor.engine.images import read_program
from torpor.engine.metadata import current_step
from torpor.engine.signals import AbortSignal
from torpor.engine.step_definition import StepDefinition
from torpor.errors import (
    ArgumentError,
    ConflictError,
    EntityConflictError,
    KeyMissingError,
    NotAllowedError,
    NotFoundError,
    RunCancelledError,
    RunFailedError,
    StreamClosedError,
    UsageError,
    WorkflowNotRegisteredError,
)
from torpor.fetching import fetch
from torpor.limits import FORKS_MAX
from torpor.programs.catalogue import Programs, short_name
from torpor.registry import Names
from torpor.run_handle import RunHandle
from torpor.starting import checked
from torpor.step import function_of
from torpor.tenant_names import owned, tenant_of, token_of
from torpor.tenants import beginning_of
from torpor.vm.guest import program_bytes

_FINAL: Final = (UsageError, NotFoundError, ConflictError, RunFailedError, RunCancelledError)


class Application(Protocol):
    """What the steps need of the application that has them; see :class:`torpor.app.Torpor`."""

    name: str
    client: Client
    authority: Authority

    @property
    def programs(self) -> Programs: ...

    async def startable(
        self, workflow: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Startable, list[Any]]: ...

    def run(self, run_id: str) -> RunHandle: ...


class BuiltinSteps:
    """
    The steps, bound to one application.

    A world that fails is tried again like any step; what they say of a run is final. A run whose key is not here
    is left to a worker that has it; see :meth:`torpor.engine.steps.Steps.attempt`.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        functions: dict[str, Callable[..., Any]] = {
            "step//torpor//start": self.start,
            "step//torpor//result": self.result,
            "step//torpor//status": self.status,
            "step//torpor//cancel": self.cancel,
            "step//torpor//send": self.send,
            "step//torpor//resume": self.resume,
            "step//torpor//abort": self.abort,
            "step//torpor//respond": self.respond,
            "step//torpor//fetch": self.fetch,
            "step//torpor//fork": self.fork,
            **AgentSteps(app.authority).functions(),
        }
        self._definitions = {name: StepDefinition(name, made, final=_FINAL) for name, made in functions.items()}

    def names(self) -> list[str]:
        """Return their full names."""
        return list(self._definitions)

    def get(self, name: str) -> StepDefinition | None:
        """Return the step with this full name."""
        return self._definitions.get(name)

    async def start(
        self, workflow: str | WorkflowFunction, args: Sequence[Any], options: Mapping[str, Any] | None = None
    ) -> RunHandle:
        """
        Start a run, once however often this step is tried: its id is a function of the step's.

        While versions of the application are rolled out, this worker's may not have the workflow that a program of
        another means; then the run is of the newest one that has it.

        Args:
            workflow: name, or the workflow itself.
            args: its arguments; keyword arguments last, as :class:`~torpor.codec.values.Kwargs`.
            options: ``runtime``, that of the starting run by default; ``runId``, an id of the author's own; and how it
                begins, as :func:`torpor.starting.beginning` returns it.

        Raises:
            WorkflowNotRegisteredError, ArgumentError: none of the application's deployments has such a workflow.
            SerializationError, LimitExceededError: as :meth:`torpor.app.Torpor.start`.
            EntityConflictError: *runId* is taken by a run of another workflow or with other arguments.
        """
        name = workflow.workflow_id if isinstance(workflow, WorkflowFunction) else workflow
        args, kwargs = as_called(args)
        step = current_step()
        options = options or {}
        child = options.get("runId") or ids.child(step.step_id)
        if not isinstance(child, str):
            raise ArgumentError(f"runId: the id of a run is a text, not {child!r:.100}")
        runtime = options.get("runtime") or (await self._app.run(step.run_id).info()).runtime
        begins = checked(options)
        if tenant := tenant_of(step.run_id):
            return await self._start_of(tenant, step.run_id, name, args, kwargs, child, runtime, begins)
        try:
            return await self._start(name, args, kwargs, child, runtime, begins)
        except (EntityConflictError, KeyMissingError):
            # An earlier attempt has started it, in a process that wrote the members of a set in another order, or
            # that had a newer key.
            if "runId" in options and (await self._app.run(child).info()).parent != step.run_id:
                raise  # a name of the author's own may be somebody else's
            return self._app.run(child)

    async def _start_of(
        self,
        tenant: str,
        parent_id: str,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        run_id: str,
        runtime: str,
        begins: Mapping[str, Any],
    ) -> RunHandle:
        """Start a run of a tenant's: of the program of the run that starts it, and under its key."""
        client = self._app.client
        parent = await client.world.get_run(parent_id)
        program = await read_program(client.world, client.keyring, parent.program, parent.key_id)
        workflows = {} if program is None else program.workflows
        found = [each for each in workflows if name in (each, short_name(each))]
        if program is None or not found:
            known = ", ".join(sorted(map(short_name, workflows))) or "none"
            raise WorkflowNotRegisteredError(
                f"the program has no workflow {name!r:.100}; a tenant's runs may start those of their program: {known}"
            )
        startable = replace(startable_again(parent), name=found[0])
        return await client.led_by(parent.key_id).create_run(
            startable,
            positional(args, kwargs),
            runtime=chosen_runtime(runtime),
            run_id=owned(tenant, run_id),
            begins=beginning_of(tenant, begins, len(program_bytes(program))),
        )

    async def _start(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        run_id: str,
        runtime: str,
        begins: Mapping[str, Any],
    ) -> RunHandle:
        try:
            version, arguments = await self._app.startable(name, args, kwargs)
        except (WorkflowNotRegisteredError, ArgumentError):
            found = await self._elsewhere(name, args, kwargs)
            if found is None:
                raise
            version, arguments = found
        return await self._app.client.create_run(
            version, arguments, runtime=chosen_runtime(runtime), run_id=run_id, begins=begins
        )

    async def _elsewhere(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Startable, list[Any]] | None:
        """Return another version of a workflow, which takes these arguments, and what its run is started with."""
        try:
            own = self._app.programs.resolve(name).program_id
        except WorkflowNotRegisteredError:
            own = ""
        for version in await read_versions(self._app.client.world, name, self._app.name):
            if version.workflow.program != own:
                with suppress(ArgumentError):
                    return version, version.arguments(args, kwargs)
        return None

    async def _own(self, run_id: str) -> RunHandle:
        """
        Return the handle of a run that workflow code of this application may ask about.

        Raises:
            NotAllowedError: it is another application's, or another tenant's.
            RunNotFoundError: no such run.
        """
        tenant = tenant_of(current_step().run_id)
        if tenant and tenant_of(run_id) != tenant:
            raise NotAllowedError(
                f"run {run_id!r:.200} is not of tenant {tenant!r}, whose workflow code may not touch it"
            )
        handle = self._app.run(run_id)
        app = (await handle.info()).app
        if app not in ("", self._app.name) and not self._app.authority.allows_application(app):
            raise NotAllowedError(
                f"run {run_id} is of application {app!r}, which workflow code of {self._app.name or 'this one'!r} may "
                f"not touch; let it: Torpor(allow=[{f'{APPLICATION}{app}'!r}])"
            )
        return handle

    async def result(self, run_id: str) -> Any:
        """
        Return what a run that has ended returned.

        Raises:
            NotAllowedError: it is another application's.
            RunFailedError, RunCancelledError, RunNotFoundError: as :meth:`torpor.run_handle.RunHandle.result`.
        """
        return await (await self._own(run_id)).result()

    async def status(self, run_id: str) -> str:
        """
        Return the status of a run.

        Raises:
            NotAllowedError: it is another application's.
            RunNotFoundError: no such run.
        """
        return await (await self._own(run_id)).status()

    async def cancel(self, run_id: str, reason: str = "", force: bool = False) -> None:  # guests
        """
        Cancel a run; one that is cancelled already stays so, because it may be an earlier attempt's doing.

        Raises:
            NotAllowedError: it is another application's.
            RunNotFoundError: no such run.
            EntityConflictError: it has ended otherwise.
        """
        run = await self._own(run_id)
        try:
            await run.cancel(reason, force=force)
        except EntityConflictError:
            if await run.status() != "cancelled":
                raise

    async def send(self, run_id: str, name: str, payload: Any = None) -> None:
        """
        Send a run a message, once however often this step is tried.

        Raises:
            NotAllowedError: it is another application's.
            RunNotFoundError, RunEndedError, LimitExceededError: as :meth:`torpor.client.Client.send`.
        """
        run = await self._own(run_id)
        await run.send(name, payload, id=current_step().step_id)

    async def resume(self, token: str, payload: Any = None) -> RunHandle:
        """
        Deliver a payload to a hook, once however often this step is tried.

        Raises:
            NotAllowedError: it is of another application's run.
            HookNotFoundError, ArgumentError, LimitExceededError: as :meth:`torpor.client.Client.resume_hook`.
        """
        client, step_id = self._app.client, current_step().step_id
        if tenant := tenant_of(current_step().run_id):
            token = token_of(tenant, token)
        if receiver := await client.world.resumed(token, step_id):  # and the hook may be gone since
            return await self._own(receiver)
        await self._own((await client.get_hook(token)).run.id)
        return await client.resume_hook(token, payload, resume_id=step_id)

    async def abort(self, stream: str, reason: Any = None) -> None:
        """
        Tell the steps that a signal of this run was passed to that it has aborted, and why.

        Args:
            stream: of the signal.
            reason: any value.
        """
        told = self._app.client.streams.writable(current_step().run_id, stream)
        with suppress(StreamClosedError):  # an earlier attempt has told it
            await told.write(reason)
            await told.close()

    async def fork(self, count: int) -> dict[str, Any]:
        """
        Let new runs go on from where this step was asked for, once however often it is tried: their ids are functions
        of the step's. Each is told by this step's result which one it is.

        Args:
            count: how many.
        """
        if not 1 <= count <= FORKS_MAX:
            raise UsageError(f"a workflow may fork into 1 to {FORKS_MAX} new runs at once, not {count}")
        step = current_step()
        run = self._app.client.run(step.run_id)
        asked = next(event for event in await run.events() if event.id == step.step_id)
        made = [
            await run.fork(
                at=asked.seq,
                results={asked.op: {"index": index, "forks": []}},
                run_id=ids.child(f"{step.step_id}//{index}"),
            )
            for index in range(1, count + 1)
        ]
        return {"index": 0, "forks": made}

    async def respond(self, answers: Any, response: Response) -> None:
        """
        Answer the request of a webhook.

        Args:
            answers: the stream that its caller reads.
            response: what the caller is to get.

        Raises:
            StreamClosedError: it was answered already.
        """
        await answers.respond(response)

    async def fetch(self, request: Request) -> Response:
        """
        Make an HTTP request; see :func:`torpor.fetching.fetch`.

        Raises:
            NotAllowedError: the application does not allow its host.
        """
        authority = self._app.authority
        if name := tenant_of(current_step().run_id):
            allow = (await self._app.client.world.tenant(name)).tenant.allow
            hosts = [entry for entry in allow if entry.startswith(HOST)]
            authority = Authority(hosts, f"app.tenant({name!r}, allow=[…, {{!r}}])")
        return await fetch(request, authority)


class ApplicationSteps(AsTheyAre):
    """
    Where a worker finds the steps of its application, its own and the built-in ones.

    Steps and runs that arrive as values become the application's functions and handles.

    Args:
        app: the application.
        names: what it has registered.
    """

    def __init__(self, app: Application, names: Names) -> None:
        self._app = app
        self._names = names
        self._builtin = BuiltinSteps(app)

    def step_definition(self, name: str) -> StepDefinition | None:
        """Return the step with this full name, such as ``step//./orders.py//charge``, if a worker carries it out."""
        found = self._names.step(name) or self._builtin.get(name)
        return None if found is not None and found.elsewhere else found

    def allows(self, name: str) -> bool:
        """Return whether workflow code may call this step although its program does not name it."""
        return self._builtin.get(name) is not None or self._app.authority.allows_step(name)

    def claimable_steps(self) -> list[str]:
        """Return the full names of all steps that a worker carries out, old names and built-in ones included."""
        names, others = self._names, self._names.elsewhere()
        own = [name for name in names.step_names() if name not in others]
        return [*own, *names.carried_names(), *names.old_step_names(), *self._builtin.names()]

    def signatures(self) -> dict[str, str]:
        """Return what each of those takes, by full name."""
        found = {name: self.step_definition(name) for name in self.claimable_steps()}
        return {name: step.signature for name, step in found.items() if step is not None}

    @property
    def references(self) -> References:
        """What steps and runs become that arrive as values in steps."""
        return self

    def step(self, reference: StepFunction) -> object:
        return function_of(reference, self.step_definition(reference.step_id))

    def run(self, reference: RunReference) -> RunHandle:
        return self._app.run(reference.run_id)

    def readable(self, reference: ReadableStream) -> object:
        return self._app.client.streams.read_handle(reference)

    def signal(self, reference: AbortReference) -> AbortSignal:
        return AbortSignal(reference, self._app.client.streams)

    def writable(self, reference: WritableStream) -> object:
        return self._app.client.streams.write_handle(reference)
