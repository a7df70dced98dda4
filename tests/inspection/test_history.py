"""Logs read back, whole and damaged."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from torpor import codec
from torpor.inspection.details import RunDetails, RunSummary
from torpor.inspection.history import Historian, History, history_of
from torpor.inspection.timeline import Row, shortened, timeline
from torpor.model import NOTHING, Entities, Event, Hook, Run, Step, Wait
from torpor.run_info import RunInfo

STEP, HOOK, WAIT = "step_1", "hook_1", "wait_1"
RUN = Run("wrun_1", "workflow//./f.js//f", "p", "quickjs", "snapshot", "running", b"", 1)


def told(*events: Event) -> History:
    """Return the history of events, numbered here, after run_created."""
    whole = [Event("run_created", 1, seq=1), *events]
    numbered = [Event(**{**{f: getattr(e, f) for f in e.__struct_fields__}, "seq": n}) for n, e in enumerate(whole, 1)]
    return history_of(numbered, len(numbered))


def created(at: int) -> Event:
    """Return the creation of the step."""
    return Event("step_created", at, STEP, op=1, name="step//./s.py//add", payload=codec.dumps({"args": [1, 2]}))


def started(at: int, attempt: int) -> Event:
    """Return the start of an attempt."""
    return Event("step_started", at, STEP, op=1, attempt=attempt, ref=f"wrkr_{attempt}")


def test_an_attempt_whose_worker_died_is_lost() -> None:
    """The next start says that the one before never ended."""
    history = told(created(2), started(3, 1), started(9, 2), Event("step_completed", 10, STEP, attempt=2))

    attempts = history.steps[STEP].attempts
    assert [(each.outcome, each.started_at, each.ended_at) for each in attempts] == [
        ("lost", 3, 9),
        ("completed", 9, 10),
    ]
    assert [each.worker for each in attempts] == ["wrkr_1", "wrkr_2"]
    assert history.problems == []


def test_what_is_open_when_the_run_ends_is_dropped() -> None:
    """Steps and waits are dropped, hooks disposed of."""
    history = told(
        created(2),
        started(3, 1),
        Event("wait_created", 4, WAIT, due=99),
        Event("hook_created", 5, HOOK, name="token"),
        Event("run_cancelled", 6),
    )

    step, wait, hook = history.steps[STEP], history.waits[WAIT], history.hooks[HOOK]
    assert (step.status, step.attempts[0].outcome, step.ended_at) == ("dropped", "dropped", 6)
    assert (wait.status, wait.ended_at) == ("dropped", 6)
    assert (hook.status, hook.ended_at) == ("disposed", 6)


def test_a_wait_that_was_given_up_is_over() -> None:
    """Nothing awaits it any more, long before it would have ended."""
    wait = told(Event("wait_created", 2, WAIT, due=99), Event("wait_disposed", 5, WAIT)).waits[WAIT]

    assert (wait.status, wait.ended_at) == ("disposed", 5)


def test_a_conflict_names_the_owner() -> None:
    """A token that another run holds is shown with that run."""
    hook = told(Event("hook_conflict", 2, HOOK, name="token", ref="wrun_other")).hooks[HOOK]

    assert (hook.status, hook.owner) == ("conflict", "wrun_other")


def test_the_wait_for_another_run_is_told_as_such() -> None:
    """One row, from the question to that run's end; no token, which would open nothing."""
    waiting = Event("hook_created", 2, HOOK, name="$end:wrun_2", ref="wrun_2")
    ended = Event("hook_received", 7, HOOK, ref="wrun_2", payload=NOTHING)
    gone = Event("hook_disposed", 9, HOOK)
    rows = [
        _rows_of(told(*events)) for events in ((waiting,), (waiting, ended), (waiting, ended, gone), (waiting, gone))
    ]

    assert [[(row.kind, row.text, row.status, row.until) for row in each] for each in rows] == [
        [("child", "end of wrun_2", "waiting", 0)],
        [("child", "end of wrun_2", "ended", 7)],
        [("child", "end of wrun_2", "ended", 7)],
        [("child", "end of wrun_2", "disposed", 9)],
    ]


def _rows_of(history: History) -> list[Row]:
    return timeline(RunDetails(RunSummary(RunInfo.of(RUN)), 20, history=history))


def test_a_step_is_shown_as_it_was_called() -> None:
    """With its arguments by position and by name, and options; an input that is no list of arguments as it is."""
    inputs: list[object] = [
        {"args": ["o-1", 2], "kwargs": {"note": "n"}},
        {"args": ["o-1"]},
        {"args": ["o-1"], "options": {"maxRetries": 0, "timeoutMs": None}},
        "encrypted",
    ]
    calls = []
    for given in inputs:
        [row] = _rows_of(
            told(Event("step_created", 2, STEP, op=1, name="step//./a.py//pay", payload=codec.dumps(given)))
        )
        calls.append(row.text)

    assert calls == [
        'pay("o-1", 2, note="n")',
        'pay("o-1")',
        'pay("o-1") with maxRetries=0, timeoutMs=null',
        'pay("encrypted")',
    ]


def test_a_step_that_is_not_registered_fails_without_an_attempt() -> None:
    """A failure may come before any start."""
    step = told(created(2), Event("step_failed", 3, STEP, payload=codec.dumps(ValueError("unknown")))).steps[STEP]

    assert (step.status, step.attempts, step.error["message"]) == ("failed", [], "unknown")


def test_events_about_nothing_are_problems() -> None:
    """An event whose creation is missing is told, and the rest is read."""
    history = told(
        Event("step_completed", 2, "step_9"), Event("wait_completed", 3, "wait_9"), Event("hook_received", 4, "hook_9")
    )

    assert [problem.split(" is about ")[1] for problem in history.problems] == [
        "step_9, which was never created",
        "wait_9, which was never created",
        "hook_9, which was never created",
    ]


def test_a_log_without_its_beginning_or_end_is_a_problem() -> None:
    """First and last event are checked against the run."""
    assert history_of([], 0).problems == ["the log does not begin with run_created"]
    assert history_of([Event("run_created", 1, seq=1)], 3).problems == ["the log ends with event 1, the run says 3"]


def test_many_rows_are_shortened_in_the_middle() -> None:
    """Beginning and end stay, and what is left out is counted."""
    rows = [Row(at, None, "log", str(at)) for at in range(1_000)]

    before, left_out, after = shortened(rows, 200)

    assert [row.at for row in (*before, *after)] == [*range(50), *range(850, 1_000)]
    assert left_out == 800
    assert shortened(rows, 1_000) == (rows, 0, ())


def test_rows_come_in_the_order_of_time() -> None:
    """Attempts stand between what happened before and after them."""
    history = told(
        created(2),
        started(3, 1),
        Event("step_retrying", 4, STEP, attempt=1, due=14, payload=codec.dumps(ValueError("no"))),
        Event("wait_created", 5, WAIT, due=9),
        started(14, 2),
        Event("step_completed", 15, STEP, attempt=2, payload=codec.dumps(3)),
    )
    rows = _rows_of(history)

    assert [(row.kind, row.at, row.status) for row in rows] == [
        ("step", 2, "completed"),
        ("attempt", 3, "failed"),
        ("wait", 5, "waiting"),
        ("attempt", 14, "completed"),
    ]
    assert rows[0].text == "add(1, 2)"
    assert rows[1].detail == "ValueError: no; again after 10 ms"


def test_an_attempt_may_begin_with_its_step() -> None:
    """A creation with an attempt is its start as well."""
    begun = Event("step_created", 2, STEP, op=1, name="step//./s.py//add", attempt=1, ref="wrkr_1")
    step = told(begun, Event("step_completed", 5, STEP, attempt=1)).steps[STEP]

    assert [(each.number, each.worker, each.started_at, each.outcome) for each in step.attempts] == [
        (1, "wrkr_1", 2, "completed")
    ]


def test_an_attempt_may_be_known_by_its_outcome_alone() -> None:
    """Its number and end are told, its start is not."""
    retried = Event("step_retrying", 4, STEP, attempt=2, due=9, payload=codec.dumps(ValueError("no")))
    step = told(created(2), started(3, 1), retried, Event("step_completed", 11, STEP, attempt=3)).steps[STEP]

    assert [(each.number, each.started_at, each.ended_at, each.outcome) for each in step.attempts] == [
        (1, 3, 4, "failed"),
        (3, 0, 11, "completed"),
    ]


ROW = Step("wrun_1", STEP, 1, 2, "step//./s.py//add", "running", 2, attempt=2, started_at=8, worker="wrkr_2")


def opened(**rows: Any) -> Entities:
    """Return what is open in the run."""
    return Entities(RUN, **rows)


def test_an_attempt_without_an_outcome_is_known_from_its_row() -> None:
    """The log hears of a task's attempt when it ends."""
    retried = Event("step_retrying", 4, STEP, seq=4, attempt=1, due=7, payload=codec.dumps(ValueError("no")))
    events = [Event("run_created", 1, seq=1), replace(created(2), seq=2), replace(started(3, 1), seq=3), retried]
    historian = Historian(rows=opened(steps={STEP: ROW}))
    historian.read(events)
    step = historian.end(4).steps[STEP]

    assert (step.status, step.input) == ("running", [1, 2])
    assert [(each.number, each.started_at, each.worker, each.outcome) for each in step.attempts] == [
        (1, 3, "wrkr_1", "failed"),
        (2, 8, "wrkr_2", "running"),
    ]


def test_a_step_says_why_nobody_takes_it() -> None:
    """In the history, and in the timeline behind its state."""
    waiting = replace(ROW, status="pending", attempt=0, started_at=0, worker="", snoozed="no worker has it")
    historian = Historian(rows=opened(steps={STEP: waiting}))
    historian.read([Event("run_created", 1, seq=1), replace(created(2), seq=2)])
    history = historian.end(2)

    assert (history.steps[STEP].status, history.steps[STEP].why) == ("pending", "no worker has it")
    assert [(row.status, row.detail) for row in _rows_of(history)] == [("pending", "no worker has it")]


def test_what_is_open_is_known_after_its_log_was_dropped() -> None:
    """From the rows; that the log does not begin with the run is no problem then."""
    hooks = {HOOK: Hook("wrun_1", HOOK, 3, "token", "live", 3, codec.dumps({"order": 1}))}
    rows = opened(steps={STEP: ROW}, waits={WAIT: Wait(WAIT, 2, 99)}, hooks=hooks)
    historian = Historian(base=7, rows=rows)
    historian.read(
        [
            Event(
                "step_completed", 9, "step_0", seq=8, op=9, name="step//./s.py//gone", attempt=1, payload=codec.dumps(5)
            ),
            Event("wait_completed", 9, "wait_0", seq=9, op=8),
        ]
    )
    history = historian.end(9)

    assert history.problems == []
    assert [story.id for story in history.stories()] == [STEP, WAIT, HOOK, "step_0"]
    assert (history.hooks[HOOK].token, history.hooks[HOOK].metadata) == ("token", {"order": 1})
    assert [(row.kind, row.text, row.status, row.at) for row in _rows_of(history)] == [
        ("wait", "until 1970-01-01 00:00:00Z", "waiting", 1),
        ("step", "add(…)", "running", 2),
        ("hook", "token token", "live", 3),
        ("step", "gone(…)", "completed", 9),
    ]


def test_pages_of_a_history_take_in_rows_too() -> None:
    """What is open stands on the page of its op."""
    hooks = {HOOK: Hook("wrun_1", HOOK, 3, "token", "live", 3)}
    rows = opened(steps={STEP: ROW}, waits={WAIT: Wait(WAIT, 2, 99)}, hooks=hooks)

    def page(after: int) -> History:
        historian = Historian(base=7, rows=rows, after=after, limit=2)
        historian.read([])
        return historian.end(7)

    assert ([story.id for story in page(0).stories()], page(0).more) == ([STEP, WAIT], True)
    assert ([story.id for story in page(2).stories()], page(2).more) == ([HOOK], False)
