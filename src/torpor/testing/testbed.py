"""
An application under test: in a world of its own in this process, with a worker, and with time that skips.

::

    async with Testbed(app) as torpor:
        run = await torpor.start(remind, "o-1")
        assert await run.result() == "reminded"      # thirty days later, in some milliseconds
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from torpor.app import Torpor
from torpor.clock import SystemClock
from torpor.codec.crypto.keys import Keyring
from torpor.durations import Duration, milliseconds
from torpor.engine.failpoints import Failpoint
from torpor.engine.settings import WorkerSettings
from torpor.engine.worker import Worker
from torpor.errors import UsageError, WaitTimeoutError
from torpor.model import Notice, RunFilter, Runtime
from torpor.testing.clock import SkippingClock
from torpor.testing.mortal import Death, Mortal
from torpor.testing.runs import ClientOnTest, RunOnTest
from torpor.testing.skipping import Check, Skipping
from torpor.testing.standing import story
from torpor.testing.substitutes import Gate, Substitute, called, failing, find_step, slow
from torpor.world import World
from torpor.worlds import open_world

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
"""How long a test waits, in real seconds, before it says where the run stands."""

_STORIES_MAX = 5
_RUNS_MAX = 20


class Testbed:
    """
    An application on a world of its own, with a worker, while the ``async with`` block runs.

    The application itself is moved there, so that its steps and whoever else starts runs follow. Time stands still
    while the test does something, and jumps to the next timer when the test waits and nothing else goes on.

    Args:
        app: the application.
        world: where it lives meanwhile: a world, or its URL; in memory by default.
        runtime: ``snapshot`` or ``replay``; the application's by default.
        now: what the clock shows at first; the present by default.
        timeout: how many real seconds each wait of the test may take.
        settings, keys: as for :class:`torpor.Torpor`; what is not given is the application's.

    Attributes:
        app: the application.
        clock: its clock.
    """

    __test__ = False  # to pytest, whose test classes begin with Test

    def __init__(
        self,
        app: Torpor,
        *,
        world: str | World = "memory://",
        runtime: Runtime | None = None,
        now: datetime | None = None,
        timeout: float = TIMEOUT_SECONDS,
        settings: WorkerSettings | None = None,
        keys: str | Keyring | None = None,
    ) -> None:
        if now is not None and now.tzinfo is None:
            raise UsageError("Testbed(now=…) takes an aware datetime, such as datetime(2026, 1, 1, tzinfo=UTC)")
        self.app = app
        self.clock = SkippingClock(SystemClock().now() if now is None else round(now.timestamp() * 1000))
        self.timeout = timeout
        self._place = world
        self._options: dict[str, Any] = {
            "runtime": runtime,
            "settings": _impatient(settings or app.settings),
            "keys": keys,
        }
        self._worker: Worker | None = None
        self._opened = AsyncExitStack()  # of the worker
        self._line: Mortal | None = None
        self._stack = AsyncExitStack()  # of all
        self._loop: asyncio.AbstractEventLoop  # that it is open in
        self._substitutes: list[Substitute] = []
        self._death: Death | None = None  # that is to come
        self._replacing: asyncio.Task[None] | None = None
        self.skipping = Skipping(self.clock, lambda: self._worker)

    # Life

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            world = open_world(self._place, self.clock) if isinstance(self._place, str) else self._place
            stack.enter_context(self.app.moved(world, clock=self.clock, **self._options))
            self.app.client = ClientOnTest(self, self.app)
            await stack.enter_async_context(self.app)
            stack.callback(self._restore)
            stack.callback(self.world.subscribe(self._hear))
            await self._begin_worker()
            stack.push_async_callback(self._end_worker)
            going = asyncio.create_task(self.skipping.go_on())
            stack.push_async_callback(_cancelled, going)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def world(self) -> World:
        """The world that the application lives in meanwhile."""
        return self.app.world

    def now(self) -> datetime:
        """Return what the clock shows, in UTC."""
        return datetime.fromtimestamp(self.clock.now() / 1000, UTC)

    # Runs

    async def start(self, workflow: Any, /, *args: Any, **kwargs: Any) -> RunOnTest:
        """Start a run; see :meth:`torpor.app.Torpor.start`."""
        return self.run((await self.app.start(workflow, *args, **kwargs)).id)

    def run(self, run_id: str) -> RunOnTest:
        """Return a handle of a run."""
        return RunOnTest(self._client, run_id)

    async def resume_hook(self, token: str, payload: Any = None, *, resume_id: str | None = None) -> RunOnTest:
        """Deliver a payload to a hook; see :meth:`torpor.app.Torpor.resume_hook`."""
        return self.run((await self.app.resume_hook(token, payload, resume_id=resume_id)).id)

    async def skip(self, duration: Duration) -> None:
        """
        Let so much time pass, and everything that is due meanwhile happen.

        Raises:
            WaitTimeoutError: something goes on for longer than the testbed's timeout; says where the runs stand.
        """
        until = self.clock.now() + milliseconds(duration)
        alarm = asyncio.create_task(self.clock.wait_until(until))

        async def over() -> bool | None:
            return True if alarm.done() and self.skipping.is_quiet() else None

        try:
            await self.until(None, over, f"{duration} have not passed", self.timeout)
        finally:
            await _cancelled(alarm)

    async def story(self, *, besides: BaseException | None = None) -> str:
        """
        Return what happened in the newest runs and where they stand, as text; those that did not complete first.

        Args:
            besides: an error that may tell of some already, which are left out.
        """
        runs = await self.world.list_runs(RunFilter(limit=_RUNS_MAX))
        if isinstance(besides, WaitTimeoutError):
            runs = [run for run in runs if run.id not in str(besides)]
        runs.sort(key=lambda run: run.status == "completed")
        told = [await story(self.app.client, run.id) for run in runs[:_STORIES_MAX]]
        if len(runs) > _STORIES_MAX:
            told.append(f"… and more runs: {', '.join(f'{run.id} {run.status}' for run in runs[_STORIES_MAX:])}")
        return "\n\n".join(told)

    # Steps

    def replace(self, step: object, fake: Callable[..., Any]) -> Substitute:
        """
        Call *fake* in place of a step, in real runs: its arguments are converted, its result is stored, and its errors
        are retried as the step's are. It lasts until the test is over, or as long as the ``with`` block around it.

        Args:
            step: the step's function, or its name.
            fake: what is called with the arguments of the step, ``def`` or ``async def``; also a mock.

        Raises:
            UsageError: there is no such step, or *fake* cannot be called.
        """
        definition = find_step(self.app.names, step)
        return self._substituted(Substitute(self.app.names, definition, called(fake, definition.name)))

    def fail(
        self, step: object, times: int = 1, error: BaseException | type[BaseException] = ConnectionError
    ) -> Substitute:
        """
        Let the next attempts of a step fail, of whatever run.

        Args:
            step: the step's function, or its name.
            times: how many attempts; the others do what the step does.
            error: what they raise.

        Raises:
            UsageError: there is no such step.
        """
        definition = find_step(self.app.names, step)
        return self._substituted(Substitute(self.app.names, definition, failing(definition, times, error)))

    def slow(self, step: object, duration: Duration) -> Substitute:
        """
        Let each attempt of a step take so long by the test's clock, which skips that; its timeout ends it meanwhile.

        Raises:
            UsageError: there is no such step.
        """
        definition = find_step(self.app.names, step)
        return self._substituted(Substitute(self.app.names, definition, slow(definition, duration, self._rest)))

    def hold(self, step: object) -> Gate:
        """
        Let the attempts of a step wait at their beginning until the test calls ``release`` of what is returned.

        While the test waits for something else, time passes them by.

        Raises:
            UsageError: there is no such step.
        """
        definition = find_step(self.app.names, step)
        made = called(definition.function, definition.name)
        gate = Gate(self.app.names, definition, made, self.skipping.resting)
        self._substitutes.append(gate)
        return gate

    # Workers

    async def kill_worker(self) -> None:
        """
        Let the worker die now, as if its process were killed, and begin another one, which takes over.

        Steps that run are begun again there; a ``def`` step that runs cannot be ended, as threads cannot.
        """
        worker, line = self._at_work
        line.cut()
        await self._take_over(worker)

    def kill_worker_at(self, point: Failpoint | str, nth: int = 1) -> Death:
        """
        Let the worker die where it passes a point of the engine for the *nth* time; another one takes over.

        Args:
            point: such as ``"after commit"``; see :class:`torpor.engine.failpoints.Failpoint`.
            nth: 1 for the next time.

        Returns:
            Whose ``died`` tells whether it has died by now.

        Raises:
            UsageError: there is no such point; the message lists them.
        """
        try:
            self._death = Death(Failpoint(point), nth)
            return self._death
        except ValueError:
            there = ", ".join(f"{each.value!r}" for each in Failpoint)
            raise UsageError(f"the engine has no point {point!r}; it has {there}") from None

    # Within

    @property
    def _client(self) -> ClientOnTest:
        client = self.app.client
        if not isinstance(client, ClientOnTest) or client.bed is not self:
            raise UsageError("this testbed is not open; use it inside its `async with` block")
        return client

    @property
    def _at_work(self) -> tuple[Worker, Mortal]:
        if self._worker is None or self._line is None:
            raise UsageError("this testbed is not open; use it inside its `async with` block")
        return self._worker, self._line

    async def until(self, run_id: str | None, check: Check[T], lacks: str, timeout: float | None) -> T:
        """
        Let time pass until *check* finds something, and return that.

        Raises:
            WaitTimeoutError: it did not in so many real seconds; says what *lacks*, and where the run, or each, stands.
        """
        seconds = self.timeout if timeout is None else timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self._client.bed.skipping.wait_for(check)
        except TimeoutError:
            if not limit.expired():
                raise
        told = await self.story() if run_id is None else await story(self._client, run_id)
        raise WaitTimeoutError(f"{lacks}, {seconds:g} s after the test began to wait for that\n\n{told}")

    def _substituted(self, made: Substitute) -> Substitute:
        self._substitutes.append(made)
        return made

    def _restore(self) -> None:
        for substitute in reversed(self._substitutes):
            substitute.restore()

    async def _rest(self, ms: int) -> None:
        with self.skipping.resting():
            await self.clock.wait_until(self.clock.now() + ms)

    def _hear(self, _notice: Notice) -> None:
        self.skipping.hear()

    async def _begin_worker(self) -> None:
        self._line = line = Mortal(self.world)
        self._opened = AsyncExitStack()
        opening = self.app.worker(world=line.world, observers=[self._observe])
        self._worker = await self._opened.enter_async_context(opening)
        self._worker.on_change(self.skipping.hear)
        self.skipping.hear()

    async def _end_worker(self) -> None:
        if self._replacing is not None:
            await self._replacing
        if self._worker is not None:
            await self._dismiss(self._worker)

    async def _take_over(self, dead: Worker) -> None:
        await self._dismiss(dead)
        await self._begin_worker()

    async def _dismiss(self, worker: Worker) -> None:
        self._worker = None
        await worker.abandon()  # a test waits for no step that still runs
        await self._opened.aclose()
        await self.world.release([worker.id])

    def _observe(self, observation: object) -> None:
        if self._death is not None and self._death.comes(observation):
            self._death = None
            worker, line = self._at_work
            line.cut()  # at this very point, in whatever thread; what comes after it never reaches the world
            self._loop.call_soon_threadsafe(self._replace, worker)

    def _replace(self, dead: Worker) -> None:
        self._replacing = self._loop.create_task(self._take_over(dead))


def _impatient(settings: WorkerSettings) -> WorkerSettings:
    """Let no turn stay awake in real time for what waits for time to jump: it jumps when all turns are over."""
    turn = replace(settings.turn, inline_ms=min(settings.turn.inline_ms, settings.turn.hurried_ms), nap_ms=0)
    return replace(settings, turn=turn)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
