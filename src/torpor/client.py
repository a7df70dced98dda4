"""
Starting runs and asking about them: what any process can do that has the world.

A client needs no VM and no worker; runs make progress where workers are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from torpor import codec, ids
from torpor.clock import Clock
from torpor.errors import EntityConflictError, RunCancelledError, RunFailedError
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import Event, LogEntry, Notice, Run, RunFilter, Step
from torpor.world import World

_LOOK_AGAIN_SECONDS = 5.0


class RunHandle:
    """
    A run as its starter sees it. Handles are cheap; make as many as you like with :meth:`Client.run`.

    Attributes:
        id: ``wrun_<ULID>``.
    """

    def __init__(self, client: Client, run_id: str) -> None:
        self._client = client
        self.id = run_id

    def __repr__(self) -> str:
        return f"RunHandle({self.id!r})"

    async def info(self) -> Run:
        """
        Return the run as stored.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        return await self._client.world.get_run(self.id)

    async def status(self) -> RunStatus:
        """Return ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``."""
        return (await self.info()).status

    async def result(self, *, timeout: float | None = None) -> Any:
        """
        Wait until the run ends and return what the workflow returned.

        Args:
            timeout: seconds to wait; the run goes on when it passes.

        Raises:
            RunFailedError: the workflow threw, or the run failed otherwise; the cause is the workflow's error.
            RunCancelledError: it was cancelled.
            TimeoutError: it did not end in time.
        """
        async with asyncio.timeout(timeout):
            run = await self._client.wait_ended(self.id)
        ending = (await self._client.world.events(self.id, after=run.head - 1))[-1]
        if run.status == "completed":
            return codec.loads(ending.payload or b"")
        if run.status == "cancelled":
            reason = f": {ending.ref}" if ending.ref else ""
            raise RunCancelledError(f"run {self.id} ({run.workflow}) was cancelled{reason}", run_id=self.id)
        raise _failure(run, ending)

    async def cancel(self, reason: str = "") -> None:
        """
        End the run as cancelled, with its waits, hooks and pending steps.

        Raises:
            EntityConflictError: it has ended already; the message says how.
            RunNotFoundError: no such run in this world.
        """
        await self._client.world.cancel_run(self.id, reason, self._client.clock.now())

    async def events(self, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """Return the run's log after seq *after*."""
        return await self._client.world.events(self.id, after=after, limit=limit)

    async def steps(self) -> list[Step]:
        """Return the run's steps as they stand."""
        return await self._client.world.steps(self.id)

    async def logs(self, *, after: int | None = None) -> list[LogEntry]:
        """Return the lines that workflow code wrote, and the engine's notes on the run."""
        return await self._client.world.log_entries(self.id, after=after)


class Client:
    """
    The world as its users see it.

    Args:
        world: an open world.
        clock: tells the time.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._unsubscribe: Callable[[], None] | None = None

    def run(self, run_id: str) -> RunHandle:
        """Return a handle; the run is looked up when the handle is used."""
        return RunHandle(self, run_id)

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Return runs, newest first; ``before`` is the id of the last run of the previous page."""
        return await self.world.list_runs(RunFilter(status=status, workflow=workflow, before=before, limit=limit))

    async def resume_hook(self, token: str, payload: Any = None, *, resume_id: str | None = None) -> RunHandle:
        """
        Deliver a payload to the live hook with this token; it is stored durably before the run wakes.

        Args:
            token: the hook's token.
            payload: any value that the codec takes.
            resume_id: give the same one when you try again; the payload is then received once.

        Raises:
            HookNotFoundError: no live hook has this token.
            SerializationError, LimitExceededError: the payload cannot be stored.
        """
        now = self.clock.now()
        resume = resume_id or ids.fresh("rsme", now)
        hook = await self.world.resume_hook(token, codec.dumps(payload), resume, now)
        return self.run(hook.run_id)

    async def cancel_many(self, run_ids: Sequence[str], reason: str = "") -> list[str]:
        """Cancel several runs and return the ids of those that had not ended."""
        cancelled = []
        for run_id in run_ids:
            try:
                await self.run(run_id).cancel(reason)
            except EntityConflictError:
                continue
            cancelled.append(run_id)
        return cancelled

    async def wait_ended(self, run_id: str) -> Run:
        """
        Return the run once it has ended.

        Raises:
            RunNotFoundError: no such run in this world.
        """
        arrival = asyncio.Event()
        self._waiting.setdefault(run_id, set()).add(arrival)
        if self._unsubscribe is None:
            self._unsubscribe = self.world.subscribe(self._notice)
        try:
            while True:
                arrival.clear()
                run = await self.world.get_run(run_id)
                if run.status in RUN_TERMINAL:
                    return run
                try:
                    # Notices are hints; a look from time to time makes a lost one harmless.
                    async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                        await arrival.wait()
                except TimeoutError:
                    continue
        finally:
            self._stop_waiting(run_id, arrival)

    def _stop_waiting(self, run_id: str, arrival: asyncio.Event) -> None:
        self._waiting[run_id].discard(arrival)
        if not self._waiting[run_id]:
            del self._waiting[run_id]
        if not self._waiting and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _notice(self, notice: Notice) -> None:
        if not notice.ended:
            return
        named = self._waiting.values() if notice.run_id is None else [self._waiting.get(notice.run_id, set())]
        for arrivals in named:
            for arrival in arrivals:
                arrival.set()


def _failure(run: Run, ending: Event) -> RunFailedError:
    cause = codec.loads(ending.payload) if ending.payload else None
    told = _told(cause)
    error = RunFailedError(
        f"run {run.id} ({run.workflow}) failed with {run.error_code}: {told}", run_id=run.id, failure=run.error_code
    )
    error.__cause__ = cause if isinstance(cause, BaseException) else None
    return error


def _told(cause: Any) -> str:
    if isinstance(cause, codec.RemoteError):  # its text names the class that it had
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else repr(cause)
