"""The stage of these tests: one guest and one runtime on a world, a clock that can be put forward, and a worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.engine.support import TIMEOUT, until
from torpor import RunHandle, Torpor
from torpor.clock import SystemClock
from torpor.codec.errors import RemoteError, traceback_text
from torpor.errors import HookNotFoundError
from torpor.model import Event
from torpor.programs.catalogue import short_name

SECOND = 1_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR


class MovableClock:
    """The machine's clock, which a test may put forward, so that a night takes no time."""

    def __init__(self) -> None:
        self._machine = SystemClock()
        self._ahead = 0
        self._moved = asyncio.Event()

    def now(self) -> int:
        return self._machine.now() + self._ahead

    def steady(self) -> int:
        return self._machine.steady()

    async def sleep(self, ms: int) -> None:
        await self._machine.sleep(ms)

    async def wait_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), min(left / SECOND, TIMEOUT))

    def put_forward(self, ms: int) -> None:
        """Move on by so much at once."""
        self._ahead += ms
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


@dataclass(frozen=True)
class Stage:
    """
    An open application with a worker, as one guest's workflows see it.

    Attributes:
        app: the application.
        guest: whose workflows are meant.
        clock: the application's.
    """

    app: Torpor
    guest: str
    clock: MovableClock

    @property
    def runtime(self) -> str:
        """The application's; makes tokens that no other stage has."""
        return self.app.runtime

    @property
    def speaks_python(self) -> bool:
        """Whether the workflows are Python."""
        return self.guest == "cpython"

    def full_name(self, workflow: str) -> str:
        """Return the full name of a workflow of this guest, given the name that it has in Python."""
        words = workflow.split("_")
        wanted = workflow if self.speaks_python else words[0] + "".join(word.capitalize() for word in words[1:])
        (found,) = (
            name
            for program in self.app.programs.all()
            if program.guest == self.guest
            for name in program.workflows
            if short_name(name) == wanted
        )
        return found

    async def start(self, workflow: str, *args: object) -> RunHandle:
        """Start a run."""
        return await self.app.start(self.full_name(workflow), *args)

    async def result(self, workflow: str, *args: object) -> Any:
        """Start a run and return what it returns."""
        run = await self.start(workflow, *args)
        return await run.result(timeout=TIMEOUT)

    async def resume(self, token: str, payload: object = None) -> None:
        """Resume a hook, as soon as a run has made it."""

        async def resumed() -> RunHandle | None:
            try:
                return await self.app.resume_hook(token, payload)
            except HookNotFoundError:
                return None

        assert await until(self.app, resumed) is not None

    async def logged(self, run: RunHandle, kind: str, count: int = 1) -> list[Event]:
        """Return the events of one kind, once the run's log has so many of them."""

        async def there() -> list[Event]:
            events = [event for event in await run.events() if event.type == kind]
            return events if len(events) >= count else []

        return await until(self.app, there)


async def outcome(run: RunHandle) -> Any:
    """Return what a run returns."""
    return await run.result(timeout=TIMEOUT)


async def attempts(run: RunHandle) -> list[tuple[str, int]]:
    """Return what the log says of the run's steps, and of which attempt."""
    return [(event.type, event.attempt) for event in await run.events() if event.type.startswith("step_")]


async def kinds(run: RunHandle) -> Counter[str]:
    """Count the events of a run by type."""
    return Counter(event.type for event in await run.events())


def name_of(error: BaseException | None) -> str:
    """Return the name that an error's class has in the language in which it was raised."""
    return error.name if isinstance(error, RemoteError) else type(error).__name__


def stack_of(error: BaseException | None) -> str:
    """Return the stack that an error had where it was raised, in the words of the language there."""
    assert error is not None
    return (error.stack or "") if isinstance(error, RemoteError) else traceback_text(error)
