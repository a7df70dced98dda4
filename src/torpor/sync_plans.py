"""Schedules and queues behind blocking calls."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, Unpack

from torpor.durations import Duration
from torpor.model.flow import Asleep, QueueInfo
from torpor.model.schedules import Overlap
from torpor.queues import UNSET, Queues
from torpor.run_handle import RunHandle
from torpor.schedules import ScheduleInfo, Schedules
from torpor.scheduling import ScheduleOptions
from torpor.workflow import Workflow

T = TypeVar("T")
R = TypeVar("R")

Times = list[int]


class Front(Protocol):
    """Who carries coroutines out."""

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns."""
        ...


class SyncSchedules(Generic[R]):
    """
    Schedules behind blocking calls; see :class:`torpor.schedules.Schedules`.

    Args:
        front: carries out what they do.
        schedules: the schedules.
        run: returns a run as callers want it.
    """

    def __init__(self, front: Front, schedules: Schedules, run: Callable[[RunHandle[Any]], R]) -> None:
        self._front, self._schedules, self._run = front, schedules, run

    def create(
        self,
        name: str,
        workflow: Workflow[..., Any] | str,
        /,
        *args: Any,
        kwargs: dict[str, Any] | None = None,
        paused: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        return self._front.wait(self._schedules.create(name, workflow, *args, kwargs=kwargs, paused=paused, **options))

    def debounce(
        self,
        key: str,
        workflow: Workflow[..., Any] | str,
        /,
        *args: Any,
        wait: Duration,
        at_most: Duration | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> ScheduleInfo:
        return self._front.wait(
            self._schedules.debounce(key, workflow, *args, wait=wait, at_most=at_most, kwargs=kwargs)
        )

    def list(self) -> list[ScheduleInfo]:
        return self._front.wait(self._schedules.list())

    def get(self, name: str) -> ScheduleInfo:
        return self._front.wait(self._schedules.get(name))

    def upcoming(self, name: str, count: int = 5) -> Times:
        return self._front.wait(self._schedules.upcoming(name, count))

    def pause(self, name: str, note: str = "") -> ScheduleInfo:
        return self._front.wait(self._schedules.pause(name, note))

    def unpause(self, name: str) -> ScheduleInfo:
        return self._front.wait(self._schedules.unpause(name))

    def delete(self, name: str) -> None:
        self._front.wait(self._schedules.delete(name))

    def trigger(self, name: str, *, overlap: Overlap | None = None) -> R | None:
        begun = self._front.wait(self._schedules.trigger(name, overlap=overlap))
        return None if begun is None else self._run(begun)

    def backfill(self, name: str, begin: datetime, end: datetime) -> tuple[R, ...]:
        return tuple(self._run(handle) for handle in self._front.wait(self._schedules.backfill(name, begin, end)))


class SyncQueues:
    """
    Queues behind blocking calls; see :class:`torpor.queues.Queues`.

    Args:
        front: carries out what they do.
        queues: the queues.
    """

    def __init__(self, front: Front, queues: Queues) -> None:
        self._front, self._queues = front, queues

    def set(
        self,
        name: str,
        *,
        concurrency: int = UNSET,
        per_worker: int = UNSET,
        per_key: int = UNSET,
        rate: str | int | None = None,
        asleep: Asleep | None = None,
    ) -> QueueInfo:
        return self._front.wait(
            self._queues.set(
                name, concurrency=concurrency, per_worker=per_worker, per_key=per_key, rate=rate, asleep=asleep
            )
        )

    def get(self, name: str) -> QueueInfo:
        return self._front.wait(self._queues.get(name))

    def list(self) -> list[QueueInfo]:
        return self._front.wait(self._queues.list())

    def delete(self, name: str) -> None:
        self._front.wait(self._queues.delete(name))
