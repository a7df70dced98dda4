"""
A worker that stands in a world for a step worker elsewhere, which has only Node and a way to here.

It claims, keeps leases, limits and times, and stores, as every worker does; the step worker carries out. So a world
sees nothing new, and the rules of steps are in one place. When the step worker is not heard of any more, what it ran is
given back at once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from msgspec.structs import replace

from torpor.builtin_steps import ApplicationSteps
from torpor.codec.crypto.keys import Keyring
from torpor.engine.carried import Carried, CarriedInput
from torpor.engine.deployments import make_deployment
from torpor.engine.observer import Observer
from torpor.engine.settings import WorkerSettings
from torpor.engine.worker import Worker
from torpor.errors import ConfigurationError, UsageError
from torpor.model import Deployment
from torpor.programs.catalogue import Programs
from torpor.registry import Names
from torpor.sdk.calls import Calls, until_told
from torpor.sdk.mail import Mail
from torpor.sdk.offered import OfferedSteps
from torpor.sdk.world import Application, SdkWorld

_HOW_CHARS_MAX: Final = 200


class Host(Application, Protocol):
    """The application whose steps are carried out; see :class:`torpor.app.Torpor`."""

    name: str
    keyring: Keyring
    settings: WorkerSettings
    url: str
    observers: list[Observer]

    @property
    def names(self) -> Names: ...

    @property
    def programs(self) -> Programs: ...

    @property
    def steps(self) -> ApplicationSteps: ...

    async def deployment(self) -> Deployment: ...


class Deputy:
    """
    One of them. Begin it once, and end it.

    Args:
        app: whose steps.
        offered: full names of the steps that the step worker has, as the SDK gives them.
        queues: names of the queues whose steps it takes, ``""`` for none; None for all.
        concurrency: how many it carries out at once.
        whose: who may speak for the step worker.

    Attributes:
        id: an unguessable name of it.
        whose: as given.
        mail: its line to the step worker.
        silence_seconds: how long it may be silent.
    """

    def __init__(
        self, app: Host, offered: Collection[str], queues: Sequence[str] | None, concurrency: int, whose: str
    ) -> None:
        self.id = secrets.token_hex(16)
        self.whose = whose
        self.mail = Mail()
        self.silence_seconds = app.settings.lease_ms / 1000
        self._app = app
        self._calls = Calls(self.mail.send, SdkWorld(app))
        self._over = asyncio.Event()
        self._here = 0  # requests of the step worker that go on
        self._silence: asyncio.TimerHandle | None = None
        self._steps = OfferedSteps(offered, app.names.elsewhere(), self._carry, app.steps.references)
        settings = replace(app.settings, turns=0, steps=concurrency, queues=None if queues is None else tuple(queues))
        self._worker = Worker(
            app.client.world,
            app.programs.guest,
            self._steps,
            settings,
            keyring=app.keyring,
            guest_names=(),
            deployment=self._deployment,
            url=app.url,
            observers=app.observers,
        )

    @property
    def worker_id(self) -> str:
        """The id of the worker that it is in the world."""
        return self._worker.id

    async def begin(self) -> None:
        """
        Claim from now on.

        Raises:
            ConfigurationError: the application carries out steps itself that the step worker offers.
        """
        try:
            await self._require_left()
            await self._worker.start()
        except BaseException:
            await self.end()
            raise
        self._listen_for_silence()

    async def _require_left(self) -> None:
        await self._app.deployment()  # which makes the programs that tell
        for name in self._steps.claimable_steps():
            if self._app.steps.step_definition(name) is not None:
                raise ConfigurationError(
                    f"the application carries out {name} itself, and so no step worker does; leave the project's steps "
                    "to step workers by app.sdk(…, processes=0), or TORPOR_NODE_PROCESSES=0"
                )

    async def until_over(self) -> None:
        """Wait until the step worker has left, or is silent for too long."""
        await self._over.wait()

    async def leave(self) -> None:
        """Claim nothing more, and let what runs end, for as long as the application's settings say."""
        try:
            await self._worker.stop()
        finally:
            self._over.set()

    async def end(self) -> None:
        """Give back what runs."""
        self._over.set()
        if self._silence is not None:
            self._silence.cancel()
        await self._worker.give_up()
        self._calls.close()

    @property
    def is_over(self) -> bool:
        """Whether the step worker has left, or was silent for too long."""
        return self._over.is_set()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Know that the step worker is there while the block runs."""
        self._here += 1
        if self._silence is not None:
            self._silence.cancel()
        try:
            yield
        finally:
            self._here -= 1
            if not self._here:
                self._listen_for_silence()

    def take(self, before: int, data: bytes) -> None:
        """
        Take messages of the step worker's.

        Raises:
            UsageError: they are none.
        """
        for header, body in self.mail.take(before, data):
            try:
                if header["type"] == "died":
                    self._calls.died(str(header["how"])[:_HOW_CHARS_MAX], header["calls"])
                else:
                    self._calls.take(header, body)
            except (KeyError, TypeError, ValueError) as error:
                raise UsageError(f"a message is not as it should be: {error!r}") from error

    def _listen_for_silence(self) -> None:
        self._silence = asyncio.get_running_loop().call_later(self.silence_seconds, self._over.set)

    async def _carry(self, name: str, given: CarriedInput) -> Carried:
        return await until_told(name, lambda: self._calls.carry(name, given))

    async def _deployment(self) -> Deployment:
        return make_deployment(self._app.name, {}, self._steps.signatures())
