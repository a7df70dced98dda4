"""
Celery's tasks and beats on Torpor: ``python -m torpor.integrations.moving.celery shop.tasks:app > moved.py``.

The module that it prints has a step and a workflow for each task of the application, and a schedule for each beat.
Tasks stay as they are, and go on under Celery as long as you like: :func:`perform` carries one out as a step's attempt,
and Celery's own code decides as ever whether ``self.retry()`` and ``autoretry_for`` try again, and when. See
docs/coming-from-celery.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from celery import Celery, Task
from celery.exceptions import Ignore, Reject, Retry
from celery.schedules import BaseSchedule, crontab, schedule

from torpor.engine.metadata import current_step
from torpor.errors import ConfigurationError, FatalError, RetryableError
from torpor.integrations.moving.cron import expression
from torpor.integrations.moving.written import Timetable, Work, find, module_text, source

_NAME: Final = re.compile("[A-Za-z]+")
FOR_EVER: Final = 1_000_000
"""Retries of a task that has no limit of its own."""


def perform(task: Any, *args: Any, **kwargs: Any) -> Any:
    """
    Carry out a Celery task as the attempt of a step that is going on, and return what it returns.

    ``self.request`` has the step's id as the task's, and how often it was tried before. Nothing is sent to a broker: a
    retry that the task asks for, or that ``autoretry_for`` makes of its error, is the step's.

    Args:
        task: the task, bound or not.
        args, kwargs: what it is called with.

    Raises:
        RetryableError: Celery would try again, at the time that it would.
        FatalError: the task ended by ``Ignore`` or ``Reject``, or asked to be tried again with other arguments.
        UsageError: no step is going on.
    """
    step = current_step()
    task.push_request(
        id=step.step_id,
        args=args,
        kwargs=kwargs,
        retries=step.attempt - 1,
        called_directly=False,
        is_eager=True,  # so that Retry is raised and nothing is sent
    )
    try:
        return task.run(*args, **kwargs)
    except Retry as wanted:
        raise _again(task, wanted, args, kwargs) from wanted.exc
    except (Ignore, Reject) as refused:
        raise FatalError(f"{task.name} ended by {type(refused).__name__}: {refused}") from refused
    finally:
        task.pop_request()


def _again(task: Any, wanted: Retry, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception:
    asked = wanted.sig
    if (tuple(asked.args or ()), dict(asked.kwargs or {})) != (args, kwargs):
        return FatalError(
            f"{task.name} asked to be tried again with other arguments; a step is tried again with the same"
        )
    when = wanted.when
    if isinstance(when, datetime) and when.tzinfo is None:
        when = when.replace(tzinfo=task.app.timezone)
    return RetryableError(str(wanted.exc or wanted.message or f"{task.name} asked for it"), retry_after=when)


def text_of(app: Celery, origin: str) -> str:
    """
    Return the module for all tasks of an application that are its own.

    Args:
        app: the application; its tasks' modules are imported.
        origin: where it was found, for the module's first line.
    """
    app.loader.import_default_modules()
    app.finalize(auto=True)
    tasks = {name: task for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")}
    beats: dict[str, list[Timetable]] = {name: [] for name in tasks}
    for name, entry in sorted((app.conf.beat_schedule or {}).items()):
        if entry["task"] in beats:
            beats[entry["task"]].append(_timetable(name, entry, str(app.timezone)))
    works = [_work(task, beats[name]) for name, task in tasks.items()]
    return module_text(origin, ["from torpor.integrations.moving.celery import perform"], works)


def _work(task: Task[Any, Any], timetables: list[Timetable]) -> Work:
    retries = getattr(task, "retry_kwargs", {}).get("max_retries", task.max_retries)
    options = {
        "max_retries": str(FOR_EVER if retries is None else retries),
        "never_retry": "Exception",  # but for what perform() makes of Celery's own decisions
    }
    limits = [limit for limit in (task.time_limit, task.soft_time_limit) if limit]
    if limits:
        options["timeout"] = source(f"{min(limits)}s")
    notes = []
    if task.rate_limit:
        notes.append(
            f"Celery's rate limit was {task.rate_limit} for each worker process; here it holds for all together: "
            f"torpor queues set {_short(task)} --rate {_rate(str(task.rate_limit))}"
        )
        options["queue"] = source(_short(task))
    module, path = task.__module__, _short(task)
    if getattr(getattr(sys.modules.get(module), path, None), "name", None) != task.name:
        notes.append(f"{task.name} is not found under this name in {module}: mend the import")
    return Work(task.run, module, path, "perform({task}, {arguments})", options, timetables, notes)


def _short(task: Task[Any, Any]) -> str:
    return str(getattr(task, "__name__", "") or task.name.rpartition(".")[2])


def _rate(limit: str) -> str:
    return limit if "/" in limit else f"{limit}/s"


def _timetable(name: str, entry: dict[str, Any], zone: str) -> Timetable:
    args, kwargs = tuple(entry.get("args") or ()), dict(entry.get("kwargs") or {})
    try:
        return Timetable(name, dict(_options(entry["schedule"], zone)), args, kwargs)
    except ConfigurationError as error:
        return Timetable(name, problem=str(error))


def _options(when: BaseSchedule | timedelta | float, zone: str) -> Iterator[tuple[str, Any]]:
    """Yield a beat as options of a schedule; Celery starts a task again while it still runs, so both go on."""
    if isinstance(when, crontab):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        yield "cron", expression(*(_field(getattr(when, f"_orig_{field}")) for field in fields))
        yield "zone", zone
    elif isinstance(when, (timedelta, int, float)):
        yield "every", when.total_seconds() if isinstance(when, timedelta) else float(when)
    elif isinstance(when, schedule):
        yield "every", when.run_every.total_seconds()
    else:
        raise ConfigurationError(f"a {type(when).__name__} schedule follows no clock that Torpor has")
    yield "overlap", "allow"


def _field(value: object) -> str:
    """Return a field of a crontab, a number, a text or several of them; cron knows names by three letters."""
    values = sorted(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else [str(value)]
    return _NAME.sub(lambda name: name[0][:3].lower(), ",".join(values))


if __name__ == "__main__":
    chosen = " ".join(sys.argv[1:])
    try:
        sys.stdout.write(text_of(find(chosen, Celery, "Celery application"), chosen))
    except ConfigurationError as problem:
        sys.exit(f"error: {problem}")
