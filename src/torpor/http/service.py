"""What the routes work on: a client, the application if there is one, and when this server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torpor.client import Client, chosen_runtime
from torpor.engine.deployments import Startable, find_workflow
from torpor.inspection.reading import Reader
from torpor.model import Runtime

if TYPE_CHECKING:  # who has a client alone needs none of it
    from torpor.app import Torpor


class Service:
    """
    A world as the routes see it.

    Args:
        source: an application, or a client of an open world.

    Attributes:
        client: the client.
        stopping: is set when the server stops, so that those who wait for something are answered.
    """

    def __init__(self, source: Torpor | Client) -> None:
        self._app = None if isinstance(source, Client) else source
        self._given = source if isinstance(source, Client) else None
        self.stopping = asyncio.Event()

    @property
    def client(self) -> Client:
        """The client of the world that the application has now."""
        if self._app is not None:
            return self._app.client
        assert self._given is not None, "it is the one or the other"
        return self._given

    async def open(self) -> None:
        """Open the world, for a server whose host has not done so. May be called often."""
        await self.client.world.open()

    def reader(self, *, decrypt: bool) -> Reader:
        """Return what reads runs to show them."""
        return Reader(self.client, decrypt=decrypt)

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

    def runtime(self, wanted: str | None) -> Runtime:
        """
        Return how a run is kept.

        Raises:
            ConfigurationError: there is no such runtime.
        """
        usual = None if self._app is None else self._app.runtime
        return chosen_runtime(wanted or usual)
