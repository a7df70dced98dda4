"""What the routes work on: a client, the application if there is one, and when this server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from torpor.client import Client, chosen_runtime
from torpor.engine.deployments import Startable, find_workflow
from torpor.engine.figures import Figures
from torpor.engine.step_definition import StepDefinition
from torpor.errors import ConfigurationError
from torpor.inspection.reading import Reader
from torpor.model import Runtime
from torpor.programs.catalogue import short_name
from torpor.queues import Queues
from torpor.retention import Policies
from torpor.schedules import Schedules

if TYPE_CHECKING:  # who has a client alone needs none of it
    from torpor.app import Torpor
    from torpor.ticking import Tick

T = TypeVar("T")


_QUERIES_AT_ONCE: Final = 2

SEALED: Final = "$sealed"
"""The key of what stands in JSON in the place of a value that is encrypted: its value is the id of the key."""


def sealed(key_id: str) -> dict[str, str]:
    """Return what stands in the place of a value that is encrypted."""
    return {SEALED: key_id}


class Service:
    """
    A world as the routes see it.

    Args:
        source: an application, or a client of an open world.
        prompts: whether who operates may run code in copies of runs.

    Attributes:
        client: the client.
        prompts: as given.
        figures: what workers of the application do in this process, None without an application.
        stopping: is set when the server stops, so that those who wait for something are answered.
        asking: is held while a copy of a run is asked: each is a VM.
        carried: steps that are carried out here for others, by name and id.
    """

    def __init__(self, source: Torpor | Client, *, prompts: bool = False) -> None:
        self.prompts = prompts
        self._app = None if isinstance(source, Client) else source
        self._given = source if isinstance(source, Client) else None
        self.figures: Figures | None = None
        if self._app is not None:
            self.figures = Figures()
            self._app.observers.append(self.figures.observer)
        self.stopping = asyncio.Event()
        self.asking = asyncio.Semaphore(_QUERIES_AT_ONCE)
        self._parts: dict[type, Any] = {}
        self.carried: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._later: set[asyncio.Future[Any]] = set()

    @property
    def client(self) -> Client:
        """The client of the world that the application has now."""
        if self._app is not None:
            return self._app.client
        assert self._given is not None, "it is the one or the other"
        return self._given

    def part(self, kind: type[T]) -> T:
        """Return the one thing of a kind that this server has; it is made when it is first asked for."""
        if kind not in self._parts:
            self._parts[kind] = kind()
        found: T = self._parts[kind]
        return found

    async def open(self) -> None:
        """Open the world, for a server whose host has not done so. May be called often."""
        await self.client.world.open()

    def reader(self, *, decrypt: bool) -> Reader:
        """Return what reads runs to show them."""
        return Reader(self.client, decrypt=decrypt, mark=sealed)

    @property
    def schedules(self) -> Schedules:
        """The schedules of the application, or of the client."""
        return Schedules(self.client) if self._app is None else self._app.schedules

    @property
    def queues(self) -> Queues:
        """The queues of the application, or of the client."""
        return Queues(self.client) if self._app is None else self._app.queues

    def application(self, without: str) -> Torpor:
        """
        Return the application.

        Args:
            without: what a server is or does that has none, for the message.

        Raises:
            ConfigurationError: this server has none.
        """
        if self._app is None:
            raise ConfigurationError(f"this server has a client and no application, so it {without}")
        return self._app

    def step(self, name: str) -> StepDefinition | None:
        """Return the step of the application that has this name, full or short, None when none has, or several have."""
        if self._app is None:
            return None
        found = [each for each in self._app.step_names() if name in (each, short_name(each))]
        return self._app.steps.step_definition(found[0]) if len(found) == 1 else None

    def later(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Do something that no request waits for; it is given up when this server stops."""
        task = asyncio.ensure_future(work)
        watch = asyncio.ensure_future(self._give_up(task))
        for each in (task, watch):
            self._later.add(each)
            each.add_done_callback(self._later.discard)
        task.add_done_callback(lambda _: watch.cancel())
        return task

    async def given_up(self) -> None:
        """Return once all of that has ended."""
        while self._later:
            await asyncio.wait(self._later)

    def leave(self) -> None:
        """Be told no more of what workers of the application do; for a server that does not come back."""
        if self._app is not None and self.figures is not None:
            self._app.observers.remove(self.figures.observer)

    async def _give_up(self, task: asyncio.Future[Any]) -> None:
        await self.stopping.wait()
        task.cancel()

    async def until_stopping(self, work: Awaitable[T], seconds: float) -> T | None:
        """
        Return what *work* returns, None when it takes longer than so many seconds, or this server stops before.

        Raises:
            Exception: what *work* raises.
        """
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({working, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            working.cancel()
            stopping.cancel()

    async def startable(
        self, workflow: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Startable, list[Any]]:
        """
        Return a workflow, and what a run of it is started with: by the application, whose annotations make objects of
        plain data, else by what is deployed.

        Raises:
            WorkflowNotRegisteredError: there is none of this name, or several.
            ArgumentError: it does not take these arguments.
            KeyMissingError, ProgramMissingError, ConfigurationError: its program cannot be had.
        """
        if self._app is not None:
            return await self._app.startable(workflow, args, kwargs)
        found = await find_workflow(self.client.world, workflow, self.client.app)
        arguments = found.arguments(args, kwargs)
        await self.client.require_program(found)
        return found, arguments

    async def code_of(self, workflow: str) -> Startable:
        """
        Return a workflow whose program is stored, for who starts it with arguments that nobody here opens.

        Raises:
            WorkflowNotRegisteredError: there is none of this name, or several.
            KeyMissingError, ProgramMissingError, ConfigurationError: its program cannot be had.
        """
        if self._app is not None:
            return await self._app.code_of(workflow)
        found = await find_workflow(self.client.world, workflow, self.client.app)
        await self.client.require_program(found)
        return found

    async def workflow_name(self, workflow: str) -> str:
        """
        Return the full name of a workflow.

        Raises:
            WorkflowNotRegisteredError: there is none of this name, or several.
        """
        if self._app is not None:
            await self._app.store_programs()  # which makes them, in a thread
            return self._app.programs.resolve(workflow).name
        return (await find_workflow(self.client.world, workflow, self.client.app)).name

    def what_is_kept(self) -> Policies | None:
        """
        Return what the application keeps of its runs, None for everything for ever, or where there is none.

        Raises:
            WorkflowNotRegisteredError: it names a workflow that there is not.
        """
        return None if self._app is None else self._app.what_is_kept()

    async def tick(self, budget: str) -> Tick:
        """
        Make a tick of the application.

        Raises:
            ConfigurationError: this server has no application, or the budget is no duration.
        """
        return await self.application("has no code that a tick could carry out").tick(budget=budget)

    def runtime(self, wanted: str | None) -> Runtime:
        """
        Return how a run is kept.

        Raises:
            ConfigurationError: there is no such runtime.
        """
        usual = None if self._app is None else self._app.runtime
        return chosen_runtime(wanted or usual)
