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
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast, get_args, overload

from torpor import codec, ids
from torpor.client import Client, RunHandle
from torpor.clock import Clock, SystemClock
from torpor.durations import Duration, milliseconds
from torpor.engine.images import program_key
from torpor.engine.retry import Backoff
from torpor.engine.steps import RETRIES_DEFAULT, StepDefinition
from torpor.engine.worker import Worker, WorkerSettings
from torpor.errors import ConfigurationError
from torpor.lifecycle import RunStatus
from torpor.model import NewRun, Run, Runtime
from torpor.programs import Programs
from torpor.vm.guest import program_bytes, program_id
from torpor.world import World
from torpor.worlds import open_world

WORLD_DEFAULT = "sqlite:///torpor.db"

F = TypeVar("F", bound=Callable[..., Any])


class Torpor:
    """
    An application: its steps, its workflows, and the world that its runs live in.

    Args:
        world: URL of the world, or a world; else ``TORPOR_WORLD``, else ``sqlite:///torpor.db``.
        runtime: ``snapshot`` or ``replay`` for runs started here; else ``TORPOR_RUNTIME``, else ``snapshot``.
        root: folder that paths of workflows and steps are relative to; the folder of the calling file by default.
        clock: tells the time; tests give their own.
        settings: how much a worker of this application does at once.

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
    ) -> None:
        given = world if world is not None else os.environ.get("TORPOR_WORLD", WORLD_DEFAULT)
        self.world: World = open_world(given) if isinstance(given, str) else given
        self.runtime: Runtime = _runtime(runtime or os.environ.get("TORPOR_RUNTIME", "snapshot"))
        self.root = Path(_folder_of_caller() if root is None else root).resolve()
        self.clock: Clock = clock or SystemClock()
        self.settings = settings or WorkerSettings()
        self.client = Client(self.world, self.clock)
        self._steps: dict[str, StepDefinition] = {}
        self._programs = Programs(self.root, self.step_names)
        self._stored_generation = -1  # of the programs that the world has

    # Registration

    @overload
    def step(self, function: F) -> F: ...

    @overload
    def step(
        self,
        *,
        name: str | None = ...,
        max_retries: int = ...,
        timeout: Duration | None = ...,
        backoff: Backoff | None = ...,
    ) -> Callable[[F], F]: ...

    def step(
        self,
        function: F | None = None,
        *,
        name: str | None = None,
        max_retries: int = RETRIES_DEFAULT,
        timeout: Duration | None = None,
        backoff: Backoff | None = None,
    ) -> F | Callable[[F], F]:
        """
        Register a function as a step. Called directly it stays the function that it is.

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

        def register(function: F) -> F:
            full = self._step_name(function, name or function.__qualname__)
            known = self._steps.get(full)
            if known is not None and _origin(known.function) != _origin(function):
                raise ConfigurationError(f"two functions are registered as {full}; give one of them another name")
            seconds = None if timeout is None else milliseconds(timeout) / 1000
            self._steps[full] = StepDefinition(full, function, max_retries, seconds, backoff or Backoff())
            return function

        return register if function is None else register(function)

    def workflows(self, *patterns: str) -> None:
        """
        Add workflow files, by glob patterns relative to the root; ``{a,b}`` alternatives are understood.

        Files are read when the first run starts or a worker opens.
        """
        self._programs.add(patterns)

    def step_definition(self, name: str) -> StepDefinition | None:
        """Return the step registered under a full name, such as ``step//./orders.py//charge``."""
        return self._steps.get(name)

    def step_names(self) -> list[str]:
        """Return the full names of all registered steps."""
        return list(self._steps)

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
    ) -> Self:
        """
        Return the same application, with its steps and workflows, on another world; made for tests.

        Args:
            world, runtime, clock, settings: as for the constructor; what is not given stays as it is here.
        """
        twin = copy.copy(self)
        twin.world = open_world(world) if isinstance(world, str) else world
        twin.runtime = _runtime(runtime or self.runtime)
        twin.clock = clock or self.clock
        twin.settings = settings or self.settings
        twin.client = Client(twin.world, twin.clock)
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
        self.client = Client(self.world, self.clock)
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
        worker = Worker(self.world, self._programs.guest, self, self.clock, self.settings, **options)
        try:
            await worker.start()
            yield worker
        finally:
            await worker.stop()

    # Runs

    async def start(
        self, workflow: str, *args: Any, run_id: str | None = None, runtime: Runtime | None = None
    ) -> RunHandle:
        """
        Start a run.

        Args:
            workflow: its name, such as ``checkout``, or the full one, ``workflow//./flows/checkout.js//checkout``.
            args: its arguments.
            run_id: an id of your own, ``wrun_<ULID>``, to start once however often you ask.
            runtime: ``snapshot`` or ``replay`` for this run.

        Raises:
            WorkflowNotRegisteredError: no such workflow; the message lists those there are.
            SerializationError, LimitExceededError: the arguments cannot be stored.
            EntityConflictError: the id is taken by a run of another workflow or with other arguments.
        """
        await self.open()
        await self.store_programs()
        found = self._programs.resolve(workflow)
        now = self.clock.now()
        new = NewRun(
            id=run_id or ids.fresh("wrun", now),
            workflow=found.name,
            program=found.program_id,
            guest=found.program.guest,
            runtime=_runtime(runtime or self.runtime),
            seed=ids.seed(),
            at=now,
            input=codec.dumps(list(args)),
        )
        run = await self.world.create_run(new)
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
            key = program_key(program_id(program))
            if await self.world.blob(key) is None:
                await asyncio.to_thread(self._programs.guest(program.guest).load, program)
                await self.world.put_blob(key, codec.seal_binary(program_bytes(program)))
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

    def _step_name(self, function: Callable[..., Any], name: str) -> str:
        source = inspect.getsourcefile(inspect.unwrap(function))
        path = self._programs.module_name(Path(source)) if source else f"./{function.__module__}"
        return f"step//{path}//{name}"


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
