"""
The front door: where steps and workflows are registered, runs are started and workers are opened.

::

    app = Torpor()                                  # sqlite:///torpor.db, or TORPOR_WORLD

    @app.step
    async def charge(order: str, cents: int) -> str: ...

    app.workflows("flows/*.js")

    async with app, app.worker():
        run = await app.start("checkout", "o-1", 4200)
        print(await run.result())
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar, cast, get_args, overload

from torpor import ids
from torpor.builtin_steps import BuiltinSteps
from torpor.client import Client, RunHandle
from torpor.clock import Clock, SystemClock
from torpor.codec.crypto.keys import Keyring
from torpor.codec.types.custom import serializable
from torpor.codec.types.references import name_step
from torpor.codec.values import WorkflowFunction
from torpor.durations import Duration, milliseconds
from torpor.engine.images import program_key
from torpor.engine.retry import Backoff
from torpor.engine.steps import RETRIES_DEFAULT, StepDefinition, running_step
from torpor.engine.worker import Worker, WorkerSettings
from torpor.errors import ConfigurationError, RunNotFoundError, UsageError
from torpor.lifecycle import RunStatus
from torpor.model import NewRun, Run, Runtime
from torpor.programs.catalogue import Programs, alias_main
from torpor.programs.languages import Functions, available_guests
from torpor.references import ApplicationReferences
from torpor.vm.guest import program_bytes, program_id
from torpor.workflow import Workflow, check_workflow, positional
from torpor.world import World
from torpor.worlds import open_world

WORLD_DEFAULT = "sqlite:///torpor.db"

A = TypeVar("A", bound=Callable[..., Coroutine[Any, Any, Any]])
P = ParamSpec("P")
R = TypeVar("R")


class StepDecorator(Protocol):
    """
    What ``@app.step(…)`` does to types.

    An asynchronous function keeps its type. A ``def`` becomes awaitable, because workflows await it; called outside of
    one it still returns its value at once.
    """

    @overload
    def __call__(self, function: A, /) -> A: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, Coroutine[Any, Any, R]]: ...


class WorkflowDecorator(Protocol):
    """What ``@app.workflow(…)`` does to types."""

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...


class Torpor:
    """
    An application: its steps, its workflows, and the world that its runs live in.

    Args:
        world: URL of the world, or a world; else ``TORPOR_WORLD``, else ``sqlite:///torpor.db``.
        runtime: ``snapshot`` or ``replay`` for runs started here; else ``TORPOR_RUNTIME``, else ``snapshot``.
        root: folder that paths of workflows and steps are relative to; the folder of the calling file by default.
        clock: tells the time; tests give their own.
        settings: how much a worker of this application does at once.
        bundle: third-party packages of pure Python that workflow code needs, by the names that it imports.
        keys: deployment keys, newest first, as ``TORPOR_KEYS`` has them, or a keyring; else ``TORPOR_KEYS``. With keys
            everything that runs store is encrypted; ``""`` stands for no keys.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self,
        world: str | World | None = None,
        *,
        runtime: Runtime | None = None,
        root: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        settings: WorkerSettings | None = None,
        keys: str | Keyring | None = None,
        bundle: Sequence[str] = (),
    ) -> None:
        given = world if world is not None else os.environ.get("TORPOR_WORLD", WORLD_DEFAULT)
        self.world: World = open_world(given) if isinstance(given, str) else given
        self.runtime: Runtime = _runtime(runtime or os.environ.get("TORPOR_RUNTIME", "snapshot"))
        self.root = Path(_folder_of_caller() if root is None else root).resolve()
        self.clock: Clock = clock or SystemClock()
        self.settings = settings or WorkerSettings()
        self.keyring = _keyring(keys)
        self.client = Client(self.world, self.clock, self.keyring)
        self._steps: dict[str, StepDefinition] = {}
        self._workflows: dict[str, Workflow[..., Any]] = {}
        self._builtin_steps = BuiltinSteps(self)
        self._programs = Programs(
            self.root, self.step_names, workflows=self._workflow_functions, steps=self._step_functions, bundle=bundle
        )
        alias_main()
        self._stored_generation = -1  # of the programs that the world has

    # Registration

    @overload
    def step(self, function: A, /) -> A: ...

    @overload
    def step(self, function: Callable[P, R], /) -> Callable[P, Coroutine[Any, Any, R]]: ...

    @overload
    def step(
        self,
        *,
        name: str | None = ...,
        max_retries: int = ...,
        timeout: Duration | None = ...,
        backoff: Backoff | None = ...,
    ) -> StepDecorator: ...

    def step(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        max_retries: int = RETRIES_DEFAULT,
        timeout: Duration | None = None,
        backoff: Backoff | None = None,
    ) -> Any:
        """
        Register a function as a step. Called outside of a workflow it stays the function that it is.

        To type checkers a ``def`` becomes awaitable, because workflows await it.

        Args:
            function: ``async def``, or ``def`` (runs in a thread).
            name: what workflows import it as; the function's own name by default.
            max_retries: attempts after the first; 0 for none.
            timeout: how long one attempt may take, such as ``"30s"``.
            backoff: delays between attempts; exponential from 0.2 s to 60 s by default.

        Raises:
            ConfigurationError: the name is taken by another function, or a setting is wrong.
        """
        if max_retries < 0:
            raise ConfigurationError(f"max_retries={max_retries} of a step; give 0 for no retries, or more")
        seconds = None if timeout is None else _seconds(timeout)

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            plain = inspect.unwrap(function)
            if not (inspect.isfunction(plain) or inspect.ismethod(plain)):
                raise ConfigurationError(f"{function!r} is no Python function, so it cannot be a step; write a `def`")
            full = self._step_name(function, name or function.__qualname__)
            known = self._steps.get(full)
            if known is not None and _origin(known.function) != _origin(function):
                raise ConfigurationError(f"two functions are registered as {full}; give one of them another name")
            self._steps[full] = StepDefinition(full, function, max_retries, seconds, backoff or Backoff())
            with suppress(AttributeError):  # what takes no attributes cannot be a value
                name_step(function, full)
            return function

        return register if function is None else register(function)

    @overload
    def workflow(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...

    @overload
    def workflow(self, *, name: str | None = ...) -> WorkflowDecorator: ...

    def workflow(self, function: Any = None, *, name: str | None = None) -> Any:
        """
        Register a function as a workflow. Called directly it stays the function that it is.

        Args:
            function: ``async def`` at module level; its source runs in the VM, with all that it reaches.
            name: what runs of it are called; the function's own name by default.

        Raises:
            ConfigurationError: the name is taken by another function, or the function cannot be a workflow.
        """

        def register(function: Callable[P, Coroutine[Any, Any, R]]) -> Workflow[P, R]:
            file = check_workflow(function)
            full = f"workflow//{self._programs.module_name(file)}//{name or function.__name__}"
            known = self._workflows.get(full)
            if known is not None and _origin(known.function) != _origin(function):
                raise ConfigurationError(f"two functions are registered as {full}; give one of them another name")
            found = Workflow(function, full)
            self._workflows[full] = found
            self._programs.renew()
            return found

        return register if function is None else register(function)

    def workflows(self, *patterns: str) -> None:
        """
        Add workflow files, by glob patterns relative to the root; ``{a,b}`` alternatives are understood.

        Python files are imported, so that they register their workflows; modules that are imported anyway need no
        pattern. Files are read when the first run starts or a worker opens.
        """
        self._programs.add(patterns)

    serializable = staticmethod(serializable)

    def step_definition(self, name: str) -> StepDefinition | None:
        """Return the step registered under a full name, such as ``step//./orders.py//charge``, or a built-in one."""
        return self._steps.get(name) or self._builtin_steps.get(name)

    def step_names(self) -> list[str]:
        """Return the full names of all registered steps."""
        return list(self._steps)

    @property
    def references(self) -> ApplicationReferences:
        """What steps and runs become that arrive as values in steps of this application."""
        return ApplicationReferences(self.client, self.step_definition)

    @property
    def programs(self) -> Programs:
        """The workflow files of this application and what became of them."""
        return self._programs

    def on(
        self,
        world: str | World,
        *,
        runtime: Runtime | None = None,
        clock: Clock | None = None,
        settings: WorkerSettings | None = None,
        keys: str | Keyring | None = None,
    ) -> Self:
        """
        Return the same application, with its steps and workflows, on another world; made for tests.

        Args:
            world, runtime, clock, settings, keys: as for the constructor; what is not given stays as it is here.
        """
        twin = copy.copy(self)
        twin.world = open_world(world) if isinstance(world, str) else world
        twin.runtime = _runtime(runtime or self.runtime)
        twin.clock = clock or self.clock
        twin.settings = settings or self.settings
        twin.keyring = self.keyring if keys is None else _keyring(keys)
        twin._builtin_steps = BuiltinSteps(twin)  # noqa: SLF001  # as below
        twin.client = Client(twin.world, twin.clock, twin.keyring)
        twin._stored_generation = -1  # noqa: SLF001  # it is one of us
        return twin

    def use_world(self, world: str | World) -> None:
        """
        Live in another world from now on, as ``torpor --world URL`` asks. The application must not be open.

        Unlike :meth:`on` this changes the application that step functions know, so that the runs they start follow it.

        Raises:
            ConfigurationError: no back end has this URL.
        """
        self.world = open_world(world) if isinstance(world, str) else world
        self.client = Client(self.world, self.clock, self.keyring)
        self._stored_generation = -1  # of the programs that the world has

    # Life

    async def open(self) -> None:
        """Open the world. May be called twice."""
        await self.world.open()

    async def close(self) -> None:
        """Close the world. May be called twice."""
        await self.world.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[Worker]:
        """
        Run a worker in this process while the block runs.

        Args:
            options: passed to :class:`torpor.engine.worker.Worker`.
        """
        await self.open()
        await self.store_programs()
        worker = Worker(
            self.world,
            self._programs.guest,
            self,
            self.clock,
            self.settings,
            keyring=self.keyring,
            **{"guest_names": available_guests(), **options},
        )
        try:
            await worker.start()
            yield worker
        finally:
            await worker.stop()

    # Runs

    @overload
    async def start(self, workflow: Workflow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, run_id: str, runtime: Runtime | None = ..., **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, runtime: Runtime, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self,
        workflow: str | WorkflowFunction,
        /,
        *args: Any,
        run_id: str | None = ...,
        runtime: Runtime | None = ...,
        **kwargs: Any,
    ) -> RunHandle[Any]: ...

    async def start(  # type: ignore[misc]  # parameters of a workflow are not called run_id or runtime
        self,
        workflow: Workflow[..., Any] | WorkflowFunction | str,
        /,
        *args: Any,
        run_id: str | None = None,
        runtime: Runtime | None = None,
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """
        Start a run.

        Args:
            workflow: the workflow, also as a step gets one among its arguments, or its name, such as ``checkout``, or
                the full one, ``workflow//./flows/checkout.js//checkout``.
            args: its arguments.
            run_id: an id of your own, ``wrun_<ULID>``, to start once however often you ask.
            runtime: ``snapshot`` or ``replay`` for this run.
            kwargs: its keyword arguments; a workflow in JavaScript gets them as an object behind the others.

        Raises:
            WorkflowNotRegisteredError: no such workflow; the message lists those there are.
            UsageError: it is no workflow, or does not take these arguments.
            SerializationError, LimitExceededError: the arguments cannot be stored.
            EntityConflictError: the id is taken by a run of another workflow or with other arguments.
        """
        await self.open()
        await self.store_programs()
        found = self._programs.resolve(_workflow_name(workflow))
        own = self._workflows.get(found.name)
        arguments = positional(args, kwargs) if own is None else own.arguments(args, kwargs)
        parent, root = await self._line()
        now = self.clock.now()
        new = NewRun(
            id=run_id or ids.fresh("wrun", now),
            workflow=found.name,
            program=found.program_id,
            guest=found.program.guest,
            runtime=_runtime(runtime or self.runtime),
            seed=ids.seed(),
            at=now,
            input=b"",
            parent=parent,
            root=root,
        )
        run = await self.client.create_run(new, arguments)
        return self.client.run(run.id)

    async def store_programs(self) -> None:
        """
        Put the programs of this application into the world, where runs find them; done once.

        A program that the world does not have yet is loaded in a VM first, so that one that does not work is refused
        here and starts no run.

        Raises:
            ConfigurationError: a program does not load; the message names file and line.
        """
        generation = self._programs.generation
        if self._stored_generation == generation:
            return
        for program in await asyncio.to_thread(self._programs.all):
            name = program_key(program_id(program), self.keyring.current)
            if await self.world.blob(name) is None:
                await asyncio.to_thread(self._programs.guest(program.guest).load, program)
                blob_codec = self.keyring.blob(name, self.keyring.current)
                await self.world.put_blob(name, blob_codec.pack_binary(program_bytes(program)))
        self._stored_generation = generation

    def run(self, run_id: str) -> RunHandle:
        """Return a handle of a run of this world."""
        return self.client.run(run_id)

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Return runs, newest first; ``workflow`` may be a short name that is registered here."""
        await self.open()
        full = None if workflow is None else self._programs.full_name(workflow)
        return await self.client.list_runs(status=status, workflow=full, before=before, limit=limit)

    async def resume_hook(self, token: str, payload: Any = None, *, resume_id: str | None = None) -> RunHandle:
        """
        Deliver a payload to the live hook with this token.

        See :meth:`torpor.client.Client.resume_hook`.
        """
        await self.open()
        return await self.client.resume_hook(token, payload, resume_id=resume_id)

    async def cancel(self, run_ids: Sequence[str], reason: str = "") -> list[str]:
        """Cancel runs and return the ids of those that had not ended."""
        await self.open()
        return await self.client.cancel_many(run_ids, reason)

    async def _line(self) -> tuple[str, str]:
        """Return the run whose step is running here, and the first of its line of parents; empty outside steps."""
        step = running_step()
        if step is None:
            return "", ""
        try:
            parent = await self.world.get_run(step.run_id)
        except RunNotFoundError:  # it lives in another world
            return "", ""
        return parent.id, parent.root or parent.id

    def _step_functions(self) -> Functions:
        return {name: definition.function for name, definition in self._steps.items()}

    def _workflow_functions(self) -> Functions:
        return {name: workflow.function for name, workflow in self._workflows.items()}

    def _step_name(self, function: Callable[..., Any], name: str) -> str:
        source = inspect.getsourcefile(inspect.unwrap(function))
        path = self._programs.module_name(Path(source)) if source else f"./{function.__module__}"
        return f"step//{path}//{name}"


def _keyring(keys: str | Keyring | None) -> Keyring:
    if keys is None:
        return Keyring.from_environment()
    return Keyring.parse(keys, "keys=") if isinstance(keys, str) else keys


def _seconds(timeout: Duration) -> float:
    try:
        return milliseconds(timeout) / 1000
    except ValueError as error:
        raise ConfigurationError(f"timeout of a step: {error}") from None


def _workflow_name(workflow: object) -> str:
    if isinstance(workflow, str):
        return workflow
    if isinstance(workflow, Workflow):
        return workflow.name
    if isinstance(workflow, WorkflowFunction):
        return workflow.workflow_id
    if inspect.iscoroutine(workflow):
        workflow.close()
        raise UsageError(
            f"app.start was given a call of {workflow.__qualname__}; give it the workflow and its arguments apart: "
            f"app.start({workflow.__qualname__}, …)"
        )
    raise UsageError(f"app.start takes a workflow or its name, not {workflow!r}; decorate it with @app.workflow")


def _runtime(name: str) -> Runtime:
    if name not in get_args(Runtime):
        raise ConfigurationError(f"runtime {name!r} (argument or TORPOR_RUNTIME) is unknown; use snapshot or replay")
    return cast("Runtime", name)


def _folder_of_caller() -> Path:
    """Return the folder of the file that creates the application, or the working folder in a prompt."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame is not None else None
    return Path(file).parent if file else Path.cwd()


def _origin(function: Callable[..., Any]) -> tuple[str, int]:
    """Return where a function is defined; the same after a module was imported under two names."""
    code = inspect.unwrap(function).__code__
    return code.co_filename, code.co_firstlineno
