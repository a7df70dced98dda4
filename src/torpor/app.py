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
import importlib
import inspect
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, overload

import msgspec

from torpor.attributes import Attributes
from torpor.authority import Authority
from torpor.builtin_steps import ApplicationSteps
from torpor.client import Client, chosen_runtime
from torpor.clock import Clock
from torpor.codec.crypto.keys import Keyring
from torpor.codec.values import WorkflowFunction
from torpor.durations import Duration, When, milliseconds
from torpor.engine.deployments import Startable, make_deployment, positional
from torpor.engine.images import store_program
from torpor.engine.observer import Observer, Stored, only
from torpor.engine.settings import WorkerSettings
from torpor.errors import ConfigurationError, TorporError, UsageError, WorkflowNotRegisteredError
from torpor.expecting import expect, expect_text, expect_texts, expect_with
from torpor.health import Health, check_health
from torpor.hook_info import HookInfo
from torpor.lifecycle import RunStatus
from torpor.model import DeployedWorkflow, Deployment, Runtime
from torpor.model.tenants import Quotas
from torpor.programs.catalogue import Programs, Registered, alias_main
from torpor.programs.languages import LANGUAGES
from torpor.project import application_name, checked_name
from torpor.queues import Queues
from torpor.registry import DeclaredSchedule, Entry, Names, Registry
from torpor.retention import KeepLog, Policies, Policy, Retention, checked_policy
from torpor.run_handle import RunHandle
from torpor.run_info import RunInfo
from torpor.scheduler import Scheduler
from torpor.schedules import Schedules
from torpor.starting import Cleanup, beginning, checked_cleanup
from torpor.tenants import Tenant
from torpor.thread_start import in_thread
from torpor.workflow import Workflow, workflow_name
from torpor.world import World
from torpor.worlds import WORLD_DEFAULT, open_world

_MAKING = "making the programs of an application"
_STORED_FOR_MS = 600_000
"""
After that it is seen to again that programs, and the images of ticks, are in the world, which drops those that no run
needs.
"""

_PREPARE_SECONDS = 1.0
"""How long a worker waits until its guests are booted; one that is compiled first is not waited for."""

if TYPE_CHECKING:  # what works is imported when it begins to: most processes only ask
    from torpor.engine.images import Kept
    from torpor.engine.worker import Worker
    from torpor.processes.supervisor import Supervisor
    from torpor.sdk import Sdk
    from torpor.ticking import Tick, Wake
    from torpor.worker_processes import Processes

P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W", bound="Wake")

Message = MutableMapping[str, Any]
ASGIApplication = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]
"""What an ASGI server calls."""


class Torpor(Registry):
    """
    An application: its steps and workflows, and the world that its runs live in.

    Args:
        world: URL of the world, or a world; else ``TORPOR_WORLD``, else ``sqlite:///torpor.db``.
        name: what the application is called in the world, where its workers leave the runs of other applications alone;
            else ``name`` of ``[tool.torpor]`` or of ``[project]`` in the nearest ``pyproject.toml`` at or above the
            root, else nothing. Whoever changes it leaves its runs behind.
        runtime: ``snapshot`` or ``replay`` for runs started here; else ``TORPOR_RUNTIME``, else ``snapshot``.
        root: folder that paths of workflows and steps are relative to; the folder of the calling file by default.
        clock: the world's clock, for tests; the machine's by default.
        settings: how much a worker of this application does at once.
        bundle: third-party packages of pure Python that workflow code needs, by the names that it imports.
        python: the Python inside: ``slim``, with the standard library, or ``full``, with numpy and other packages of
            ``torpor[science]``. Runs keep the one that they began with.
        keys: deployment keys, newest first, as ``TORPOR_KEYS`` has them, or a keyring; else ``TORPOR_KEYS``. With keys
            everything that runs store is encrypted; ``""`` stands for no keys.
        cleanup: what the code of a run may do once the run is cancelled: a :class:`torpor.Cleanup`, or how long; by
            default 30 seconds and 100 steps. 0 ends runs at once.
        retention: how long runs are kept that have ended, such as ``"30d"``, or a :class:`torpor.Retention`; for ever
            by default. See :meth:`keep` for single workflows.
        log: how many of the newest events of a run that goes on are kept at least, or a :class:`torpor.KeepLog`; all
            by default.
        url: address at which this application's HTTP front door is reached from outside, such as
            ``https://shop.example``; else ``TORPOR_URL``, else not known. Runs note it when they begin, and webhooks
            have it in their ``url``.
        allow: what workflow code may do beside calling the steps that it imports and dealing with runs of this
            application: full names of steps, such as ``step//./ops.py//restart``, ``application//NAME`` for runs of
            another one, and ``host//NAME`` for hosts to fetch from; ``*`` stands for any characters.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self,
        world: str | World | None = None,
        *,
        name: str | None = None,
        runtime: Runtime | None = None,
        root: str | os.PathLike[str] | None = None,
        clock: Clock | None = None,
        settings: WorkerSettings | None = None,
        keys: str | Keyring | None = None,
        bundle: Sequence[str] = (),
        python: Literal["slim", "full"] = "slim",
        url: str | None = None,
        allow: Sequence[str] = (),
        cleanup: Cleanup | Duration | None = None,
        retention: Retention | Duration | None = None,
        log: KeepLog | int | None = None,
    ) -> None:
        super().__init__()
        self.authority = Authority(expect_texts("allow", allow))
        given = world if world is not None else os.environ.get("TORPOR_WORLD", WORLD_DEFAULT)
        self._clock = expect_with("clock", clock, "now", "a clock, as torpor.testing has")
        self.world: World = _opened(given, clock)
        self.runtime: Runtime = chosen_runtime(runtime)
        self.root = Path(
            _folder_of_caller() if root is None else expect("root", root, (str, os.PathLike), "a path")
        ).resolve()
        self.name = application_name(self.root) if name is None else checked_name(name, "Torpor(name=…)")
        self.settings = expect("settings", settings, WorkerSettings, "WorkerSettings(…)") or WorkerSettings()
        self.url = _address(os.environ.get("TORPOR_URL", "") if url is None else url)
        self.keyring = _keyring(keys)
        self._cleanup = Cleanup() if cleanup is None else checked_cleanup(cleanup)
        self.client = Client(self.world, self.keyring, app=self.name, cleanup=self._cleanup)
        self._names = names = Names(self.root)
        self._steps: ApplicationSteps | None = None  # made once: a tick has no time to look at signatures
        self._programs = Programs(
            self.root,
            names.step_names,
            workflows=names.workflow_functions,
            steps=names.step_functions,
            bundle=expect_texts("bundle", bundle),
            allows=self.authority.allows_step,
            full=_full_guests(python),
        )
        self._policy = checked_policy(retention, log)
        self._policies: dict[str, Policy] = {}  # of single workflows
        self._declared: list[DeclaredSchedule] = []
        self._sdks: list[Sdk] = []
        self.observers: list[Observer] = []
        self._wake: Wake | None = None
        self._kept: tuple[int, Kept] | None = None  # what ticks have at hand, since when
        self.watch(self._name)
        alias_main()
        self._stored_generation = -1  # of the programs that the world has
        self._stored_at = 0
        self._closed = False
        self._brought: tuple[tuple[int, int], Deployment] | None = None  # what it was with these numbers of things
        self._moved = False  # to another world than that of its module

    # What it has

    def workflows(self, *patterns: str) -> None:
        """
        Add workflow files, by glob patterns relative to the root; ``{a,b}`` alternatives are understood.

        Python files are imported, so that they register their workflows; modules that are imported anyway need no
        pattern. Files are read when the first run starts or a worker opens.
        """
        self._programs.add(patterns)

    def sdk(self, folder: str | os.PathLike[str], *, env: Sequence[str] = (), processes: int | None = None) -> Sdk:
        """
        Add a project of the TypeScript Workflow SDK: its workflows run here as they are, its steps in Node.

        It is built by its own compiler when it is needed first, and again when its files have changed.

        Args:
            folder: where its ``package.json`` is, relative to the root.
            env: names of the environment variables that its workflow code has in ``process.env``, with the values that
                they have when its program is made; steps have all.
            processes: how many processes of Node run its steps for one worker; else ``TORPOR_NODE_PROCESSES``, else 1.
                0 leaves its steps to step workers that come by HTTP; see docs/step-workers.md.

        Raises:
            ConfigurationError: there is no project in the folder, or an option is wrong.
        """
        from torpor.sdk import Sdk, checked_processes  # noqa: PLC0415  # needed by applications with such projects only

        names = expect_texts("env", env)
        sdk = Sdk(self, self.root / folder, self._names, self._add, env=names, processes=checked_processes(processes))
        self._programs.add_project(sdk.program)
        self._sdks.append(sdk)
        return sdk

    def keep(
        self,
        workflow: Workflow[..., Any] | str,
        *,
        retention: Retention | Duration | None = None,
        log: KeepLog | int | None = None,
    ) -> None:
        """
        Say for one workflow what its runs keep, and how long; the application's own setting is not for it then.

        Args:
            workflow: the workflow, or its name, such as ``checkout``.
            retention, log: as for the constructor.

        Raises:
            ConfigurationError: a setting is wrong.
        """
        name = workflow if isinstance(workflow, str) else workflow.short_name
        self._policies[name] = checked_policy(retention, log)

    def what_is_kept(self) -> Policies | None:
        """
        Return what of its runs is kept and for how long, None for everything for ever.

        Raises:
            WorkflowNotRegisteredError: :meth:`keep` names a workflow that there is not.
        """
        if not self._policies and self._policy == Policy():
            return None
        own = {self._programs.resolve(name).name: policy for name, policy in self._policies.items()}
        return Policies(self._policy, own)

    @property
    def clock(self) -> Clock:
        """The clock of the world."""
        return self.world.clock

    def step_names(self) -> list[str]:
        """Return the full names of all registered steps."""
        return self._names.step_names()

    @property
    def steps(self) -> ApplicationSteps:
        """Where a worker of this application finds steps."""
        if self._steps is None:
            self._steps = ApplicationSteps(self, self._names)
        return self._steps

    @property
    def names(self) -> Names:
        """What is registered here, by full name."""
        return self._names

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
        twin._set(runtime, clock, settings, keys)  # noqa: SLF001  # it is one of us
        twin.use_world(world)
        return twin

    @contextmanager
    def moved(
        self,
        world: str | World,
        *,
        runtime: Runtime | None = None,
        clock: Clock | None = None,
        settings: WorkerSettings | None = None,
        keys: str | Keyring | None = None,
    ) -> Iterator[Self]:
        """
        Live in another world while the block runs; made for tests.

        Unlike a twin of :meth:`on` this is the application that steps and everybody else know: what they start while
        the block runs, they start in that world.

        Args:
            world, runtime, clock, settings, keys: as for the constructor; what is not given stays as it is here.
        """
        before = dict(vars(self))
        try:
            self._set(runtime, clock, settings, keys)
            self.use_world(world)
            yield self
        finally:
            vars(self).clear()
            vars(self).update(before)

    def _set(
        self,
        runtime: Runtime | None,
        clock: Clock | None,
        settings: WorkerSettings | None,
        keys: str | Keyring | None,
    ) -> None:
        self._steps = None  # of a twin they are its own
        self._clock = clock or self._clock
        self.runtime = chosen_runtime(runtime or self.runtime)
        self.settings = settings or self.settings
        self.keyring = self.keyring if keys is None else _keyring(keys)

    def use_world(self, world: str | World) -> None:
        """
        Live in another world from now on, as ``torpor --world URL`` asks. The application must not be open.

        Unlike :meth:`on` this changes the application that step functions know, so that the runs they start follow it.

        Raises:
            ConfigurationError: no back end has this URL.
        """
        self.world = _opened(world, self._clock)
        self._moved = True
        self.client = Client(self.world, self.keyring, app=self.name, cleanup=self._cleanup)
        self._stored_generation = -1  # of the programs that the world has
        self._stored_at = 0
        self._kept = None
        self._closed = False

    def require_shareable(self) -> None:
        """
        Do nothing for an application that several processes can work for at once.

        Raises:
            ConfigurationError: its world or its clock lives inside one process.
        """
        if not self.world.capabilities.shared:
            raise ConfigurationError(
                f"world {self.world.url} lives inside the process that opened it, so no other process can work on its "
                f"runs; use one process, or a world that is shared, such as {WORLD_DEFAULT}"
            )
        if self._clock is not None:
            raise ConfigurationError(
                "an application with a clock= of its own has it in one process, and others would not know the time; "
                "use one process, or leave clock= out"
            )

    @property
    def queues(self) -> Queues:
        """What the queues of this application allow, and what waits in them."""
        return Queues(self.client, opened=self._open_for_use)

    def tenant(
        self,
        name: str,
        *,
        quotas: Quotas | None = None,
        allow: Sequence[str | Callable[..., Any]] | None = None,
        keys: str | Keyring | None = None,
    ) -> Tenant:
        """
        Return a tenant, whose programs come as text, as customers and models write them; see docs/tenants.md.

        Args:
            name: 1 to 40 of a-z, 0-9, ``-`` and ``_``; the same in the whole world.
            quotas: what it may use; what is stored by default, and for a new tenant those of ``Quotas()``.
            allow: steps that its programs may call, functions or full names, and ``host//NAME`` to fetch from; what is
                stored by default, and nothing for a new tenant.
            keys: keys of its own for all that its runs store. Workers need them, too: those that this application
                begins from now on have them.

        Raises:
            ConfigurationError: one of them is not what it should be.
        """
        own = None if keys is None else _keyring(keys)
        if own is not None and own.ids:
            self.keyring = self.keyring.beside(own)
            self.client = Client(self.world, self.keyring, app=self.name, cleanup=self._cleanup)
        return Tenant(self, name, quotas=quotas, allow=allow, keys=own, opened=self._open_for_use)

    @property
    def schedules(self) -> Schedules:
        """The schedules of this application; see also :meth:`schedule`, which declares one in code."""
        return Schedules(self.client, runtime=self.runtime, opened=self._open_for_use, resolve=self._startable)

    def asgi(self, *, prompt: bool = False) -> ASGIApplication:
        """
        Return an ASGI application over this application's world: to be served, or mounted in another one.

        It opens the world when the first request comes; whoever runs it closes the world.

        Args:
            prompt: whether tokens with the role ``operate`` may run code in copies of runs, on the pages.

        Raises:
            ConfigurationError: the extra ``torpor[http]`` is not installed.
        """
        try:
            # Its room is above this one, and a user's front door is here: the one name that is looked up by its text.
            made: ASGIApplication = importlib.import_module("torpor.http.asgi").asgi(self, prompt=prompt)
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"app.asgi() needs {error.name}: pip install 'torpor[http]'") from error
        return made

    # Life

    async def open(self) -> None:
        """Open the world. May be called twice, and again after :meth:`close`."""
        self._closed = False
        await self.world.open()

    async def close(self) -> None:
        """Close the world. May be called twice. What needs it is refused from then on, until :meth:`open`."""
        self._closed = True
        await self._end_node()
        await self.world.close()

    async def _end_node(self) -> None:
        for sdk in self._sdks:
            await sdk.close()

    async def _open_for_use(self) -> None:
        """
        Open the world for somebody who did not say so.

        Raises:
            UsageError: it was closed on purpose.
        """
        if self._closed:
            raise UsageError(
                f"the application of world {self.world.url} is closed: its `async with` block is over, or close() was "
                f"called; do this inside the block, or open it again with open()"
            )
        await self.open()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @overload
    def worker(self, *, processes: Processes) -> AbstractAsyncContextManager[Supervisor]: ...

    @overload
    def worker(self, *, observers: Sequence[Observer] = ..., **options: Any) -> AbstractAsyncContextManager[Worker]: ...

    def worker(
        self, *, processes: Processes | None = None, observers: Sequence[Observer] = (), **options: Any
    ) -> AbstractAsyncContextManager[Worker | Supervisor]:
        """
        Run a worker while the block runs: in this process, or in several others.

        Args:
            processes: how many processes work on runs beside this one, which does not then; ``"auto"``: one for each
                core. They import the module that has this application at its top level. One that ends is replaced. A
                script that starts them keeps what it does under ``if __name__ == "__main__":``.
            observers: are told what a worker in this process does; see :mod:`torpor.engine.observer`.
            options: of a worker in this process, passed to :class:`torpor.engine.worker.Worker`.

        Raises:
            ConfigurationError: a program cannot be made, or does not load; processes cannot work for this application,
                or do not come to work.
            UsageError: the application is closed, or there are no such processes.
        """
        if processes is None:
            return self._worker(observers, options)
        if observers or options:
            raise UsageError(
                f"worker processes know nothing of {', '.join(options) or 'observers'}; leave that out, or processes="
            )
        return self._worker_processes(processes)

    @asynccontextmanager
    async def _worker_processes(self, processes: Processes) -> AsyncIterator[Supervisor]:
        from torpor.worker_processes import worker_processes  # noqa: PLC0415  # see above

        self.require_shareable()
        await self._open_for_use()
        async with worker_processes(
            self, processes, world=self.world, moved=self._moved, deploy=self.deploy
        ) as supervisor:
            yield supervisor

    @asynccontextmanager
    async def _worker(self, observers: Sequence[Observer], options: dict[str, Any]) -> AsyncIterator[Worker]:
        from torpor.engine.worker import Worker  # noqa: PLC0415  # see above

        await self._open_for_use()
        worker = Worker(
            options.pop("world", self.world),
            self._programs.guest,
            self.steps,
            self.settings,
            keyring=self.keyring,
            observers=[*self.observers, *observers],
            **{
                "scheduler": self._scheduler,
                "guest_names": list(LANGUAGES),
                "url": self.url,
                "deployment": self.deploy,
                "programs": self._programs.program,
                "policies": await in_thread(_MAKING, self.what_is_kept),
                **options,
            },
        )
        loop = asyncio.get_running_loop()
        preparing = loop.create_task(in_thread(_MAKING, self._prepare_guests))
        nodes = [loop.create_task(sdk.prepare()) for sdk in self._sdks]
        try:
            await asyncio.wait((preparing,), timeout=_PREPARE_SECONDS)
            await worker.start()
            yield worker
        finally:
            await worker.stop()
            for node in nodes:
                node.cancel()
            await asyncio.gather(*nodes, return_exceptions=True)
            await self._end_node()

    def wake(self, function: W) -> W:
        """
        Let a function see to it that the next tick happens. It is called with a moment and its name after each tick
        behind which something is due, and sets a one-off timer that calls the next: see :data:`torpor.ticking.Wake`.

        What it raises fails the tick, behind its work, so that whoever asked for the tick tries again.
        """
        self._wake = function
        return function

    async def tick(self, *, budget: Duration = "10s") -> Tick:
        """
        Work off what is ready, and return when only the clock or the outside can make a run go on; for processes that
        live only while they are asked something. Nothing of it stays in the process but caches.

        Several ticks may happen at once. What a process that died or was frozen in its tick has left behind is taken
        over once its lease has passed, at the latest.

        Args:
            budget: how long it claims and advances runs; a step that runs then has ``WorkerSettings.grace_seconds`` to
                end, after which it is begun again by another tick.

        Raises:
            ConfigurationError: a program does not load, or the budget is no duration.
            UsageError: the application is closed.
            WorldError: the world failed; what was stored is stored.
        """
        from torpor.engine.images import Kept  # noqa: PLC0415  # see above
        from torpor.engine.logbook import LOG  # noqa: PLC0415  # as above
        from torpor.ticking import Ticking, call_wake  # noqa: PLC0415  # as above

        try:
            ticking = Ticking(self.clock, milliseconds(budget))
        except ValueError as error:
            raise ConfigurationError(f"tick(budget={budget!r}): {error}") from error
        now = self.clock.steady()
        if self._kept is None or now - self._kept[0] > _STORED_FOR_MS:
            self._kept = now, Kept()
        options = {"scheduler": None, "kept": self._kept[1]}
        async with self._worker([only(ticking.observe, Stored)], options) as worker:
            await ticking.work(worker, self._scheduler(LOG))
        tick = ticking.ended()
        if self._wake is not None:
            await call_wake(self._wake, self.name, tick)
        return tick

    def _scheduler(self, observe: Observer) -> Scheduler:
        """Return what keeps this application's schedules for a worker."""
        plans = {made.name: made for made in (each.plan() for each in self._declared)}
        if len(plans) < len(self._declared):
            names = Counter(each.plan().name for each in self._declared)
            twice = ", ".join(repr(name) for name, count in names.items() if count > 1)
            raise ConfigurationError(f"several schedules are declared as {twice}; give each a name=")
        return Scheduler(self.client, self.runtime, plans.values(), self._has, observe)

    def _prepare_guests(self) -> None:
        """Boot the guests of this application's workflows; where that fails, the first run that needs one says so."""
        with suppress(TorporError):
            for program in self._programs.all():
                self._programs.guest(program.guest).prepare()

    # Runs

    @overload
    async def start(self, workflow: Workflow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> RunHandle[R]: ...

    @overload
    async def start(self, workflow: Workflow[..., R], /, *args: Any, run_id: str, **kwargs: Any) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, runtime: Runtime, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, at: datetime | str, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, delay: Duration, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(self, workflow: Workflow[..., R], /, *args: Any, queue: str, **kwargs: Any) -> RunHandle[R]: ...

    @overload
    async def start(self, workflow: Workflow[..., R], /, *args: Any, priority: int, **kwargs: Any) -> RunHandle[R]: ...

    @overload
    async def start(self, workflow: Workflow[..., R], /, *args: Any, deadline: When, **kwargs: Any) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, attributes: Attributes, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, cleanup: Cleanup | Duration, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(self, workflow: Workflow[..., R], /, *args: Any, detached: bool, **kwargs: Any) -> RunHandle[R]: ...

    @overload
    async def start(
        self, workflow: Workflow[..., R], /, *args: Any, connection: object, **kwargs: Any
    ) -> RunHandle[R]: ...

    @overload
    async def start(
        self,
        workflow: str | WorkflowFunction,
        /,
        *args: Any,
        run_id: str | None = ...,
        runtime: Runtime | None = ...,
        at: datetime | str | None = ...,
        delay: Duration | None = ...,
        queue: str = ...,
        queue_key: str = ...,
        priority: int = ...,
        deadline: When | None = ...,
        attributes: Attributes | None = ...,
        cleanup: Cleanup | Duration | None = ...,
        detached: bool = ...,
        connection: object = ...,
        **kwargs: Any,
    ) -> RunHandle[Any]: ...

    async def start(  # type: ignore[misc]  # parameters of a workflow are not called as these options
        self,
        workflow: Workflow[..., Any] | WorkflowFunction | str,
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
    ) -> RunHandle[Any]:
        """
        Start a run.

        Args:
            workflow: the workflow, also as a step gets one among its arguments, or its name, such as ``checkout``, or
                the full one, ``workflow//./flows/checkout.js//checkout``.
            args: its arguments.
            run_id: a name of your own, any text such as ``order-17``, to start once however often you ask; it is
                remembered as long as the run is kept.
            runtime: ``snapshot`` or ``replay`` for this run.
            at: when it begins, an aware datetime or ISO 8601 text with a time zone; what has passed means at once.
            delay: or after how long: seconds, text such as ``"1h 30m"``, or a timedelta.
            queue: name of a queue, whose workers take it and its steps; see ``WorkerSettings(queues=…)``. What it
                allows is said by ``app.queues.set(…)``.
            queue_key: of whom it is: keys of a queue take turns, and each may have a limit of its own.
            priority: a whole number from -100 to 100; of runs and steps that are ready the highest is taken first.
            deadline: when it fails with code ``DEADLINE_EXCEEDED`` if it has not ended, wherever it is: a moment, or a
                duration from its beginning.
            attributes: plain texts to find it by, such as ``{"customer": "c-17"}``; see :mod:`torpor.attributes`.
            cleanup: what its code may do once it is cancelled; what the application says by default.
            detached: it lives on when the run whose step starts it is cancelled.
            connection: with a transaction in the world's database: the run is there if and only if that is committed.
                See :meth:`torpor.client.Client.within` and docs/transactions.md.
            kwargs: its keyword arguments; a workflow in JavaScript gets them as an object behind the others.

        Raises:
            WorkflowNotRegisteredError: no such workflow; the message lists those there are.
            UsageError: it is no workflow, or does not take these arguments, or an option of the start is not what it
                should be; or the application is closed.
            SerializationError, LimitExceededError: the arguments cannot be stored, or the attributes.
            EntityConflictError: the id is taken by a run of another workflow or with other arguments.
            TransactionError: there is no transaction that it could be part of.
        """
        begins = beginning(
            self.clock.now(),
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
        await self._open_for_use()
        client = await self.client.within(connection)
        startable, arguments = await self.startable(workflow_name(workflow), args, kwargs, client.world)
        run = await client.create_run(
            startable, arguments, runtime=chosen_runtime(runtime or self.runtime), run_id=run_id, begins=begins
        )
        return self.run(run.id)

    async def startable(
        self, workflow: str, args: Sequence[Any], kwargs: Mapping[str, Any], world: World | None = None
    ) -> tuple[Startable, list[Any]]:
        """
        Return a workflow of this application, given by its name, once its program is in the world, and what a run of it
        is started with.

        Args:
            workflow: its name.
            args, kwargs: what it is called with.
            world: this world within a transaction, if there is one.

        Raises:
            WorkflowNotRegisteredError: no such workflow.
            UsageError: it does not take these arguments, or the application is closed.
        """
        await self._open_for_use()
        startable = await self._startable(workflow, world)
        own = self._names.workflow(startable.name)
        if own is None:
            return startable, positional(args, kwargs)
        arguments = own.arguments(tuple(args), dict(kwargs))
        return msgspec.structs.replace(startable, key=own.queue_key(arguments)), arguments

    async def _has(self, workflow: str) -> bool:
        try:
            await self._startable(workflow)
        except WorkflowNotRegisteredError:
            return False
        return True

    async def code_of(self, workflow: str) -> Startable:
        """
        Return a workflow as this application has it, with its program stored; ``run.fork(code=app)`` asks for it.

        Raises:
            WorkflowNotRegisteredError: there is none of that name.
            ConfigurationError: its program does not load.
        """
        return await self._startable(workflow)

    async def _startable(self, workflow: str, world: World | None = None) -> Startable:
        """Return the workflow that this application has under a name, once its program is in the world."""
        await self.store_programs(world)
        found = self._programs.resolve(workflow)
        return Startable(found.name, self.name, self._deployed_workflow(found))

    async def deployment(self) -> Deployment:
        """
        Return what a worker of this application would bring; nothing is stored.

        Raises:
            ConfigurationError: a program cannot be made; the message names file and line.
        """
        generation = self._programs.generation, self._names.generation
        if self._brought is None or self._brought[0] != generation:  # a worker asks every second
            workflows = await in_thread(_MAKING, self._deployed)
            self._brought = generation, make_deployment(self.name, workflows, self.steps.signatures())
        return self._brought[1]

    async def deploy(self) -> Deployment:
        """
        Return what a worker of this application brings, once its programs are in the world.

        Raises:
            ConfigurationError: a program does not load; the message names file and line.
        """
        await self.store_programs()
        return await self.deployment()

    def _deployed(self) -> dict[str, DeployedWorkflow]:
        """Return what is deployed of each workflow; makes their programs first."""
        return {found.name: self._deployed_workflow(found) for found in self._programs.registered()}

    def _deployed_workflow(self, found: Registered) -> DeployedWorkflow:
        own, program = self._names.workflow(found.name), found.program
        signature = own.signature if own else LANGUAGES[program.guest].signature(program, found.name)
        queue = own.queue if own else ""
        return DeployedWorkflow(found.program_id, program.guest, program.build, signature, queue)

    async def store_programs(self, within: World | None = None) -> None:
        """
        Put the programs of this application into the world, where runs find them; done once in a while.

        A program that the world does not have yet is loaded in a VM first, so that one that does not work is refused
        here and starts no run.

        Args:
            within: this world within a transaction, which may never be committed.

        Raises:
            ConfigurationError: a program does not load; the message names file and line.
        """
        world = within or self.world
        generation, now = self._programs.generation, self.world.clock.steady()
        if self._stored_generation == generation and now < self._stored_at + _STORED_FOR_MS:
            return
        for program in await in_thread(_MAKING, self._programs.all):
            load = self._programs.guest(program.guest).load
            await store_program(world, self.keyring, program, load)
        if world is self.world:
            self._stored_generation, self._stored_at = generation, now

    def run(self, run_id: str) -> RunHandle:
        """Return a handle of a run of this world."""
        return self.client.run(run_id)

    async def import_run(self, file: str | Path, *, paused: bool = False) -> RunHandle:
        """Put the run of a capsule into this world; see :meth:`torpor.client.Client.import_run`."""
        return await self.client.import_run(file, paused=paused)

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
        Return runs, newest first; see :meth:`torpor.client.Client.list_runs`.

        Raises:
            UsageError: the application is closed.
        """
        await self._open_for_use()
        return await self.client.list_runs(
            status=status, workflow=workflow, attributes=attributes, before=before, limit=limit
        )

    async def get_hook(self, token: str) -> HookInfo[RunHandle]:
        """
        Look a live hook up by its token: its run, and what its creator says of it.

        Raises:
            HookNotFoundError: no live hook has this token.
            UsageError: the application is closed.
        """
        await self._open_for_use()
        return await self.client.get_hook(token)

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
        Deliver a payload to the live hook with this token; *wait* is how long to wait for one that is not there yet.

        Raises:
            UsageError: the application is closed; and all that :meth:`torpor.client.Client.resume_hook` raises.
        """
        await self._open_for_use()
        return await self.client.resume_hook(token, payload, resume_id=resume_id, wait=wait, connection=connection)

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

        Raises:
            UsageError: the application is closed; and all that :meth:`torpor.client.Client.send` raises.
        """
        await self._open_for_use()
        await self.client.send(run, name, payload, id=id, connection=connection)

    async def health(self, queue: str = "", *, timeout: Duration = 30.0) -> Health:
        """
        Ask the workers of this application whether they take work, and return which one has answered: a run without a
        program goes through the queue before all others, and is gone when this returns.

        Args:
            queue: through which queue, whose limits hold; ``""`` for none.
            timeout: how long to wait for the answer: seconds, text such as ``"1m"``, or a timedelta.

        Raises:
            UnhealthyError: none has answered in time; the message says what is known of why.
            ArgumentError, WorldError: as :func:`torpor.health.check_health`.
            UsageError: the application is closed.
        """
        return await check_health(self.client, queue, timeout, opened=self._open_for_use)

    async def cancel(self, run_ids: Sequence[str], reason: str = "", *, force: bool = False) -> list[str]:
        """
        Cancel runs and return the ids of those that had not ended; see :meth:`torpor.run_handle.RunHandle.cancel`.

        Raises:
            RunNotFoundError: no such run in this world.
            UsageError: the application is closed, or the reason is too long.
        """
        await self._open_for_use()
        return await self.client.cancel_many(run_ids, reason, force=force)

    async def cancel_runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, reason: str = "", force: bool = False
    ) -> list[str]:
        """
        Cancel all runs of this application that match; see :meth:`torpor.client.Client.cancel_runs`.

        Raises:
            UsageError: the application is closed, runs of this *status* have ended, or the reason is too long.
        """
        await self._open_for_use()
        return await self.client.cancel_runs(status=status, workflow=workflow, reason=reason, force=force)

    def _name(self, entry: Entry) -> None:
        if isinstance(entry, DeclaredSchedule):
            self._declared.append(entry)
            return
        self._names.add(entry)
        if isinstance(entry, Workflow):
            self._programs.renew()


def _opened(world: str | World, clock: Clock | None) -> World:
    return (
        open_world(world, clock) if isinstance(world, str) else expect_with("world", world, "open", "a URL or a world")
    )


def _address(url: str) -> str:
    """
    Return the address of the front door without a slash at its end.

    Raises:
        ConfigurationError: it is none.
    """
    address = str(expect_text("url", url)).rstrip("/")
    if address and not address.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"the address {url!r} (Torpor(url=…) or TORPOR_URL) is none; it begins with https:// or http://"
        )
    return address


def _full_guests(python: str) -> list[str]:
    """Return the names of the guests that are to be the full ones."""
    if python not in {"slim", "full"}:
        raise ConfigurationError(f"Torpor(python={python!r}): there are 'slim' and 'full'")
    return ["cpython"] if python == "full" else []


def _keyring(keys: str | Keyring | None) -> Keyring:
    if keys is None:
        return Keyring.from_environment()
    return (
        Keyring.parse(keys, "keys=") if isinstance(keys, str) else expect("keys", keys, Keyring, "a text or a Keyring")
    )


def _folder_of_caller() -> Path:
    """Return the folder of the file that creates the application, or the working folder in a prompt."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame is not None else None
    return Path(file).parent if file else Path.cwd()
