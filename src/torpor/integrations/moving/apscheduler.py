"""
APScheduler's jobs on Torpor: ``python -m torpor.integrations.moving.apscheduler shop.jobs:scheduler > moved.py``.

The module that it prints has a step and a workflow for each function that has jobs, and a schedule for each job. See
docs/coming-from-celery.md.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

from apscheduler.job import Job
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from torpor.errors import ConfigurationError
from torpor.integrations.moving.cron import expression, from_first, weekdays_from_monday
from torpor.integrations.moving.written import Timetable, Work, find, module_text
from torpor.limits import CATCH_UP_MAX

_HIGHEST = {"second": 59, "minute": 59, "hour": 23, "day": 31, "month": 12}
_UNCRONLIKE = ("year", "week")
_DEFAULTS: dict[str, Any] = {"max_instances": 1, "misfire_grace_time": 1, "coalesce": True}


def text_of(scheduler: BaseScheduler, origin: str) -> str:
    """
    Return the module for all jobs of a scheduler, whether it runs or not.

    Args:
        scheduler: its jobs are looked at, and go on until you remove them.
        origin: where it was found, for the module's first line.
    """
    defaults = {**_DEFAULTS, **getattr(scheduler, "_job_defaults", {})}  # what a job is given once its scheduler starts
    works: dict[str, Work] = {}
    for job in sorted(scheduler.get_jobs(), key=lambda job: str(job.id)):
        where = f"{job.func.__module__}:{job.func.__qualname__}"
        if where not in works:
            works[where] = _work(job)
        works[where].timetables.append(_timetable(job, defaults))
    return module_text(origin, [], works.values())


def _work(job: Job) -> Work:
    function = job.func
    notes = []
    if inspect.ismethod(function) or "<" in function.__qualname__:
        notes.append(f"{function.__qualname__} is no function of a module: say here what it is called on")
    if inspect.iscoroutinefunction(function):
        notes.append("it is an async def: make this one, too, and await it")
    options = {"max_retries": "0"}  # as APScheduler: an error ends it until its next time
    return Work(function, function.__module__, function.__qualname__, options=options, timetables=[], notes=notes)


def _timetable(job: Job, defaults: dict[str, Any]) -> Timetable:
    settings = {name: getattr(job, name, default) for name, default in defaults.items()}
    name = job.name if job.name != job.func.__name__ else job.id
    try:
        options = dict(_when(job.trigger))
    except ConfigurationError as error:
        return Timetable(str(name), problem=str(error))
    options["overlap"] = "skip" if settings["max_instances"] == 1 else "allow"
    if settings["misfire_grace_time"] is None and not settings["coalesce"]:
        options["catch_up"] = CATCH_UP_MAX
    return Timetable(str(name), options, tuple(job.args), dict(job.kwargs))


def _when(trigger: Any) -> Iterator[tuple[str, Any]]:
    if getattr(trigger, "start_date", None) and not isinstance(trigger, IntervalTrigger):
        raise ConfigurationError("it begins at a date; pause its schedule until then: torpor schedules pause")
    if getattr(trigger, "end_date", None):
        raise ConfigurationError("it ends at a date; delete its schedule then: torpor schedules delete")
    if isinstance(trigger, CronTrigger):
        fields = {field.name: str(field) for field in trigger.fields}
        if odd := [name for name in _UNCRONLIKE if fields[name] != "*"]:
            raise ConfigurationError(f"cron has no {odd[0]}")
        if any(character.isalpha() for character in fields["day"]):
            raise ConfigurationError(f"{fields['day']!r} is no day of the month that cron knows")
        read = {name: from_first(fields[name], highest) for name, highest in _HIGHEST.items()}
        second = "" if read["second"] == "0" else read["second"]
        weekday = weekdays_from_monday(fields["day_of_week"])
        yield "cron", expression(read["minute"], read["hour"], read["day"], read["month"], weekday, second)
        yield "zone", str(trigger.timezone)
    elif isinstance(trigger, IntervalTrigger):
        yield "every", trigger.interval_length
    elif isinstance(trigger, DateTrigger):
        yield "at", trigger.run_date.isoformat()
    else:
        raise ConfigurationError(f"a {type(trigger).__name__} follows no clock that Torpor has")
    if getattr(trigger, "jitter", None):
        yield "jitter", float(trigger.jitter)


if __name__ == "__main__":
    chosen = " ".join(sys.argv[1:])
    try:
        sys.stdout.write(text_of(find(chosen, BaseScheduler, "scheduler of APScheduler"), chosen))
    except ConfigurationError as problem:
        sys.exit(f"error: {problem}")
