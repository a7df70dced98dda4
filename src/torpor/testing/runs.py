"""Runs as a test sees them: waiting for one lets time pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from torpor.app import Torpor
from torpor.client import Client
from torpor.durations import When, read_when
from torpor.engine.metadata import running_step
from torpor.errors import UsageError, WaitTimeoutError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import NOW, Ending, Run
from torpor.programs.catalogue import short_name
from torpor.run_handle import RunHandle
from torpor.run_info import Awaited, read_info
from torpor.testing.skipping import Check, Skipping
from torpor.testing.standing import Standing, standing, story
from torpor.testing.substitutes import find_step
from torpor.world import World

T = TypeVar("T")
if TYPE_CHECKING:
    from typing_extensions import TypeVar as _TypeVar

    R = _TypeVar("R", default=Any)
else:
    R = TypeVar("R")


class Bed(Protocol):
    """What a run on test needs of its testbed; see :class:`torpor.testing.testbed.Testbed`."""

    app: Torpor
    skipping: Skipping

    @property
    def world(self) -> World: ...

    async def until(self, run_id: str | None, check: Check[T], lacks: str, timeout: float | None) -> T: ...


class RunOnTest(RunHandle[R], Generic[R]):
    """A run as a test sees it. Handles are cheap; :meth:`torpor.testing.Testbed.run` makes as many as you like."""

    def __init__(self, client: ClientOnTest, run_id: str) -> None:
        super().__init__(client, run_id)
        self._bed, self._asking = client.bed, client

    async def result(self, *, timeout: float | None = None) -> R:
        """
        Let time pass until the run ends and return what the workflow returned.

        Args:
            timeout: real seconds to wait; the testbed's by default.

        Raises:
            WaitTimeoutError: it did not end in time; the message says where it stands.
            RunFailedError, RunCancelledError: as for :meth:`torpor.run_handle.RunHandle.result`.
        """
        if running_step() is not None:  # it is a step of the application that waits, and no test
            return await super().result(timeout=timeout)
        await self._bed.until(self.id, self._ended, "it has not ended", timeout)
        return await super().result()

    async def waiting_for(
        self,
        *,
        hook: str | bool = False,
        sleep: When | bool = False,
        step: object = False,
        message: str | bool = False,
        timeout: float | None = None,
    ) -> Awaited:
        """
        Let time pass until the run waits there, and return what it waits for. Time stands still from then on.

        Args:
            hook: the token of a hook, or True for any.
            sleep: how long it sleeps, such as ``"30d"``, or until when; or True for any.
            step: a step that has begun, the function or its name; or True for any.
            message: the mailbox in which it waits for a message, or True for any.
            timeout: real seconds to wait; the testbed's by default.

        Raises:
            WaitTimeoutError: it does not wait there in time, or has ended; the message says where it stands.
            UsageError: nothing or several things were asked for, or the application has no such step.
        """
        asked = {"hook": hook, "sleep": sleep, "step": step, "message": message}
        given = {kind: what for kind, what in asked.items() if what is not False}
        if len(given) != 1:
            raise UsageError("waiting_for takes one of hook=, sleep=, step= and message=; True stands for any")
        (kind, what), *_ = given.items()
        told = kind if what is True else f"{kind} {_told(what)}"
        fits = self._fits(kind, what)

        async def there() -> Awaited | None:
            run = await self._run()
            if run.status in RUN_TERMINAL:
                raise WaitTimeoutError(f"it did not wait for {told} before it ended\n\n{await self.story()}")
            if kind != "step" and (run.worker or run.ready_at == NOW):
                return None  # it is awake: what it waits for may be over in a moment
            for awaited in (await read_info(self._bed.world, run)).waits_for:
                if await fits(awaited):
                    return awaited
            return None

        return await self._bed.until(self.id, there, f"it does not wait for {told}", timeout)

    async def standing(self) -> Standing:
        """
        Return where the sleeping run stands: what it waits for, its variables, the size of its snapshot.

        Raises:
            UsageError: it has ended.
        """
        return await standing(self._asking, self.id)

    async def story(self) -> str:
        """Return what happened in the run and where it stands, as text."""
        return await story(self._asking, self.id)

    async def _ended(self) -> Run | None:
        run = await self._run()
        return run if run.status in RUN_TERMINAL else None

    def _fits(self, kind: str, what: object) -> Callable[[Awaited], Awaitable[bool]]:
        """Return what tells whether something awaited is what was asked for."""
        kinds = {"hook": "hook", "sleep": "timer", "step": "step", "message": "message"}
        name = what
        if kind == "step" and what is not True:
            name = short_name(find_step(self._bed.app.names, what).name)

        async def fits(awaited: Awaited) -> bool:
            if awaited.kind != kinds[kind]:
                return False
            if kind == "step" and awaited.status != "running":
                return False
            if what is True:
                return True
            return await self._is_due(awaited, what) if kind == "sleep" else awaited.name == name

        return fits

    async def _is_due(self, timer: Awaited, when: Any) -> bool:
        meant = read_when(when)
        if isinstance(meant, datetime):
            return timer.due == round(meant.timestamp() * 1000)
        created = [event.at for event in await self.events() if event.type == "wait_created" and event.id == timer.id]
        return bool(created) and timer.due - created[0] == meant


class ClientOnTest(Client):
    """A client whose handles let time pass while they wait."""

    def __init__(self, bed: Bed, app: Torpor) -> None:
        super().__init__(app.world, app.keyring, app=app.name)
        self.bed = bed

    def run(self, run_id: str) -> RunHandle:
        return RunOnTest(self, run_id)

    async def wait_ended(self, run_id: str) -> Ending:
        async def ended() -> Ending | None:
            run = await self.world.get_run(run_id)
            return Ending(run) if run.status in RUN_TERMINAL else None

        if running_step() is None:
            return await self.bed.skipping.wait_for(ended)
        with self.bed.skipping.resting():  # of a step nobody knows whether the test waits for it
            return await super().wait_ended(run_id)


def _told(what: object) -> str:
    return what if isinstance(what, str) else getattr(what, "__qualname__", None) or repr(what)
