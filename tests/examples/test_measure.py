"""What the demo reads out of logs."""

from __future__ import annotations

from examples.orders.measure import (
    Executions,
    asleep,
    ended_steps,
    executions,
    first_event,
    first_turn,
    overdue,
    wake_ups,
)
from torpor.lifecycle import EventType
from torpor.model import Event


def step(name: str, *events: tuple[EventType, int]) -> list[Event]:
    """Return a step's part of a log: events with the number of their attempt."""
    return [Event(kind, at=0, id=name, attempt=attempt) for kind, attempt in events]


def sleep(due: int, woken: int | None = None) -> list[Event]:
    """Return a sleep's part of a log; without *woken* it has not ended."""
    created = Event("wait_created", at=0, id="wait", due=due)
    return [created] if woken is None else [created, Event("wait_completed", at=woken, id="wait")]


def test_executions_tell_errors_from_kills() -> None:
    """
    An execution after step_retrying follows an error; one after nothing follows the death of a worker.
    """
    log = [
        *step("once", ("step_created", 1), ("step_completed", 1)),
        *step("error", ("step_created", 1), ("step_retrying", 1), ("step_completed", 2)),
        *step("kill", ("step_created", 0), ("step_completed", 2)),
        *step("both", ("step_created", 1), ("step_started", 2), ("step_retrying", 2), ("step_failed", 3)),
    ]

    assert executions([log]) == Executions(steps=4, started=8, repeated=3, after_error=2, after_kill=2)


def test_same_step_id_in_two_runs_is_two_steps() -> None:
    """
    Logs are counted on their own.
    """
    log = step("same", ("step_created", 1), ("step_completed", 1))

    assert executions([log, log]) == Executions(steps=2, started=2, repeated=0, after_error=0, after_kill=0)


def test_execution_that_has_not_ended_is_no_repetition() -> None:
    """
    A step that runs was not killed, and one that waits for its next attempt raised once.
    """
    running = step("running", ("step_created", 1))
    retrying = step("retrying", ("step_created", 1), ("step_retrying", 1))

    assert executions([running]).after_kill == 0
    assert executions([retrying]) == Executions(steps=1, started=1, repeated=0, after_error=0, after_kill=0)
    assert (ended_steps(running), ended_steps(retrying)) == (0, 0)
    assert ended_steps([*running, *step("done", ("step_created", 1), ("step_failed", 1))]) == 1


def test_run_is_asleep_when_it_waits_for_a_timer_alone() -> None:
    """
    A run with an unfinished step, or whose timer has rung, is not asleep.
    """
    done = step("done", ("step_created", 1), ("step_completed", 1))

    assert asleep([*done, *sleep(due=5)])
    assert not asleep([*done, *sleep(due=5, woken=6)])
    assert not asleep([*sleep(due=5), *step("beside", ("step_created", 1))])
    assert not asleep(done)


def test_timer_is_overdue_from_its_time_until_it_rings() -> None:
    """
    A timer is overdue at its due time and not before, and never again once it has rung.
    """
    assert not overdue(sleep(due=5), 4)
    assert overdue(sleep(due=5), 5)
    assert not overdue(sleep(due=5, woken=7), 9)


def test_wake_ups_have_due_and_actual_time() -> None:
    """
    Only sleeps that ended are told.
    """
    assert [(each.due, each.at) for each in wake_ups([sleep(5, 7), sleep(9)])] == [(5, 7)]


def test_first_event_looks_at_all_runs() -> None:
    """
    The earliest event from the given time on, of whichever run; None when there is none.
    """
    logs = [sleep(5, 30), sleep(5, 20)]

    assert first_event(logs, 10) == 20
    assert first_event(logs, 20) == 20
    assert first_event(logs, 31) is None


def test_first_turn_leaves_out_what_steps_store_themselves() -> None:
    """
    A step that ends does not wake its run; the run's own events show that it woke.
    """
    step_alone = [Event("step_retrying", at=20, id="step"), Event("step_completed", at=21, id="step")]

    assert first_turn([step_alone, sleep(5, 30)], 10) == 30
    assert first_turn([step_alone], 10) is None
