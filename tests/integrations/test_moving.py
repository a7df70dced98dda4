"""Tasks of Celery and jobs of APScheduler as steps and schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.interval import IntervalTrigger
from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.schedules import BaseSchedule, crontab, schedule

from torpor import FatalError, RetryableError
from torpor.errors import ConfigurationError
from torpor.integrations.moving import apscheduler, celery, cron
from torpor.integrations.moving.written import find, signature_text

# ── Celery's tasks ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shop() -> Celery:
    """An application whose broker is never asked."""
    return Celery("shop", broker="amqp://nowhere.invalid", set_as_current=False)


@pytest.fixture
def attempt(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The attempt that is going on; what it is may be changed."""
    step = SimpleNamespace(step_id="step_1", attempt=1)
    monkeypatch.setattr(celery, "current_step", lambda: step)
    return step


@pytest.mark.usefixtures("attempt")
def test_a_task_returns_what_it_returns(shop: Celery) -> None:
    """With all that it was called with."""

    @shop.task(shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def add(a: int, *, b: int) -> int:
        return a + b

    assert celery.perform(add, 1, b=2) == 3


def test_a_bound_task_knows_its_step(shop: Celery, attempt: SimpleNamespace) -> None:
    """The step's id is the task's, and attempts are counted from none; afterwards no request is left."""
    attempt.attempt = 3

    @shop.task(shared=False, bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def tell(self: Any) -> tuple[str, int]:
        return self.request.id, self.request.retries

    assert celery.perform(tell) == ("step_1", 2)
    assert tell.request.id is None


@pytest.mark.usefixtures("attempt")
def test_a_task_says_when_it_is_tried_again(shop: Celery) -> None:
    """By a countdown, or by a moment, which is in the application's zone if it names none."""
    shop.conf.timezone = "Europe/Berlin"

    @shop.task(shared=False, bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def busy(self: Any, options: dict[str, Any]) -> None:
        raise self.retry(exc=OSError("busy"), **options)

    with pytest.raises(RetryableError, match="busy") as caught:
        celery.perform(busy, {"countdown": 7})
    assert caught.value.retry_after == 7
    with pytest.raises(RetryableError) as caught:
        celery.perform(busy, {"eta": datetime.fromisoformat("2027-01-01T12:00")})
    assert caught.value.retry_after == datetime(2027, 1, 1, 11, tzinfo=UTC)


def test_celery_decides_which_errors_are_tried_again(shop: Celery, attempt: SimpleNamespace) -> None:
    """Those of ``autoretry_for``, as often as it says, with its pauses; the last error is the task's own."""

    @shop.task(  # type: ignore[untyped-decorator]  # Celery has no types
        shared=False,
        autoretry_for=(OSError,),
        dont_autoretry_for=(PermissionError,),
        max_retries=2,
        default_retry_delay=9,
    )
    def read(error: str) -> None:
        raise {"os": OSError, "permission": PermissionError, "value": ValueError}[error](error)

    with pytest.raises(RetryableError) as caught:
        celery.perform(read, "os")
    assert caught.value.retry_after == 9
    assert isinstance(caught.value.__cause__, OSError)
    for error, kind in (("permission", PermissionError), ("value", ValueError)):
        with pytest.raises(kind):
            celery.perform(read, error)
    attempt.attempt = 3
    with pytest.raises(OSError, match="os"):
        celery.perform(read, "os")


@pytest.mark.usefixtures("attempt")
@pytest.mark.parametrize("ending", [Ignore, Reject])
def test_a_task_that_gives_up_fails_its_step(shop: Celery, ending: type[Exception]) -> None:
    """Without another attempt."""

    @shop.task(shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def give_up() -> None:
        raise ending("no more")

    with pytest.raises(FatalError, match="no more"):
        celery.perform(give_up)


@pytest.mark.usefixtures("attempt")
def test_a_step_is_tried_again_with_the_same_arguments(shop: Celery) -> None:
    """A task that wants others is refused, and the error says so."""

    @shop.task(shared=False, bind=True)  # type: ignore[untyped-decorator]  # Celery has no types
    def count(self: Any, n: int) -> None:
        raise self.retry(args=(n + 1,))

    with pytest.raises(FatalError, match="other arguments"):
        celery.perform(count, 1)


# ── Celery's settings ─────────────────────────────────────────────────────────────────────────────────────────────────


def moved(shop: Celery) -> str:
    """Return the module that is printed for an application."""
    return celery.text_of(shop, "shop:app")


def test_settings_of_a_task_are_its_steps(shop: Celery) -> None:
    """Retries, the shorter limit, and the rate as a queue that its owner is told of."""

    @shop.task(shared=False, max_retries=None, time_limit=90, soft_time_limit=60, rate_limit="10/m")  # type: ignore[untyped-decorator]  # Celery has no types
    def export(report: str, /, *more: str, pages: int = 3, **rest: str) -> None: ...

    text = moved(shop)
    assert f'@app.step(max_retries={celery.FOR_EVER}, never_retry=Exception, timeout="60s", queue="export")' in text
    assert "torpor queues set export --rate 10/m" in text.replace("\n# ", " ")
    assert "def export(report, /, *more, pages=3, **rest):" in text
    assert "perform(export_, report, *more, pages=pages, **rest)" in text
    assert "mend the import" in text  # it is a function inside this test
    compile(text, "moved.py", "exec")


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (crontab(), '"* * * * *", name="beat", zone="Europe/Berlin"'),
        (crontab(minute="*/15", hour={9, 17}, day_of_week="monday,fri"), '"*/15 17,9 * * mon,fri"'),
        (crontab(minute=0, hour=0, day_of_month="1", month_of_year="january"), '"0 0 1 jan *"'),
        (30, 'name="beat", every=30.0'),
        (timedelta(hours=1), "every=3600.0"),
        (schedule(run_every=5), "every=5.0"),
        (BaseSchedule(), "beat is not here: a BaseSchedule schedule follows no clock that Torpor has"),
        (
            crontab(day_of_month="1", day_of_week="mon"),
            "beat is not here: it has a day of the month and a day of the week",
        ),
    ],
    ids=["cron", "lists", "names", "number", "delta", "schedule", "another", "both"],
)
def test_a_beat_is_a_schedule_or_says_why_not(shop: Celery, when: object, shown: str) -> None:
    """What cron cannot say is named in a comment, never rounded."""

    @shop.task(shared=False, name="work")  # type: ignore[untyped-decorator]  # Celery has no types
    def work() -> None: ...

    shop.conf.timezone = "Europe/Berlin"
    shop.conf.beat_schedule = {"beat": {"task": "work", "schedule": when}}
    assert shown in moved(shop).replace("\n# ", " ")


# ── APScheduler ───────────────────────────────────────────────────────────────────────────────────────────────────────


def work(folder: str = "tmp") -> str:
    """Do what jobs do."""
    return folder


@pytest.mark.parametrize(
    ("trigger", "options", "shown"),
    [
        ("cron", {"hour": 3, "day_of_week": "0-4"}, '"0 3 * * mon,tue,wed,thu,fri"'),
        ("cron", {"minute": "5/10", "day_of_week": "sat-sun,*/3"}, '"5-59/10 * * * mon,thu,sat,sun"'),
        ("cron", {"second": "*/5"}, '"*/5 * * * * *"'),
        ("cron", {"month": "jan-mar", "day": 1}, '"0 0 1 jan-mar *"'),
        ("cron", {"day": "last"}, "'last' is no day of the month"),
        ("cron", {"day": "2nd fri"}, "'2nd fri' is no day of the month"),
        ("cron", {"week": 1}, "cron has no week"),
        ("cron", {"hour": 3, "end_date": "2027-01-01"}, "it ends at a date"),
        ("cron", {"hour": 3, "start_date": "2027-01-01"}, "it begins at a date"),
        ("interval", {"minutes": 5, "jitter": 10}, "every=300.0, jitter=10.0"),
        ("date", {"run_date": datetime(2027, 1, 1, tzinfo=UTC)}, 'at="2027-01-01T00:00:00+00:00"'),
        (OrTrigger([IntervalTrigger(hours=1)]), {}, "a OrTrigger follows no clock that Torpor has"),
        ("interval", {"hours": 1, "max_instances": 3}, 'overlap="allow"'),
        ("interval", {"hours": 1, "misfire_grace_time": None, "coalesce": False}, "catch_up=1000"),
    ],
)
def test_a_job_is_a_schedule_or_says_why_not(trigger: Any, options: dict[str, Any], shown: str) -> None:
    """Days are named, since APScheduler and cron count them from different ones."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(work, trigger, id="job", kwargs={"folder": "a"}, **options)
    text = apscheduler.text_of(scheduler, "jobs:scheduler")
    assert shown in text
    compile(text, "moved.py", "exec")


def test_jobs_of_one_function_share_its_step() -> None:
    """A step and a workflow for each function, a schedule for each job."""
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"max_instances": 2})
    for number in (1, 2):
        scheduler.add_job(work, "interval", hours=number, id=f"job-{number}")
    text = apscheduler.text_of(scheduler, "jobs:scheduler")
    assert text.count("@app.step") == 1
    assert text.count("@app.schedule") == text.count('overlap="allow"') == 2


# ── Both ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["last", "7", "mon-noday", "2nd fri"])
def test_a_day_that_cron_does_not_know_is_refused(text: str) -> None:
    """And named."""
    with pytest.raises(ConfigurationError, match=text):
        cron.weekdays_from_monday(text)


def test_what_tells_no_parameters_takes_anything() -> None:
    """As does what has defaults that no source text says."""
    assert signature_text(dict)[0] == "*args, **kwargs"
    assert signature_text(lambda a=(): a)[0] == "*args, **kwargs"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("tasks", "write module:name"),
        ("torpor.nothing:app", "cannot be read"),
        ("torpor:nothing", "cannot be read"),
        ("torpor:Torpor", "is a type and no Celery application"),
    ],
)
def test_a_target_that_is_none_is_an_error(target: str, said: str) -> None:
    """The error says what to write."""
    with pytest.raises(ConfigurationError, match=said):
        find(target, Celery, "Celery application")
