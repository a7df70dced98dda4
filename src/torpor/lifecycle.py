"""
Lifecycles of runs, steps, waits and hooks as one table. An event that the table does not have changes nothing.

::

    run    pending ──run_started──▶ running ──▶ completed │ failed │ cancelled        (cancelled also from pending)
                                       │ run_cancelling ──▶ running               (it cleans up, and ends cancelled)
    step   pending ──step_started──▶ running ──▶ completed │ failed │ cancelled       (cancelled also before it runs)
                        ▲               │ step_retrying
                        └── retrying ◀──┘            (step_started again while running: its worker died)
                        running ──step_blocked──▶ blocked ──▶ completed │ failed     (nobody knows how it ended)
    wait   waiting ──wait_completed──▶ completed
                   ──wait_disposed───▶ disposed               (nothing awaits it any more: a timeout was left in time)
    hook   live ──hook_received──▶ live ──hook_disposed──▶ disposed      (conflict from the start; disposed of alike;
                                                                          one that watched a run is told, once)
    message   message_sent: nothing changes it; the run keeps it until its code receives it

An ``attr_set`` changes attributes of a run that has not ended, whatever its state, and so do ``run_paused`` and
``run_unpaused`` whether it may go on. Behind a ``run_forked`` a run is its own; what is before was another run's.
Terminal states are final, but that a ``run_retried`` takes a failed run up again.

The names are those of the TypeScript Workflow SDK's event log.
"""

from __future__ import annotations

from typing import Final, Literal

from torpor.errors import EntityConflictError

EventType = Literal[
    "run_created",
    "run_started",
    "run_completed",
    "run_failed",
    "run_cancelling",
    "run_cancelled",
    "run_retried",
    "run_paused",
    "run_unpaused",
    "run_forked",
    "attr_set",
    "step_created",
    "step_started",
    "step_retrying",
    "step_completed",
    "step_failed",
    "step_cancelled",
    "step_blocked",
    "wait_created",
    "wait_completed",
    "wait_disposed",
    "hook_created",
    "hook_conflict",
    "hook_received",
    "hook_disposed",
    "message_sent",
]
RunStatus = Literal["pending", "running", "completed", "failed", "cancelled"]
Entity = Literal["run", "step", "wait", "hook", "message"]

TRANSITIONS: Final[dict[EventType, tuple[tuple[str | None, ...], str]]] = {
    # event type: (states that it may come from, None meaning "not there yet"; the state after it, "" for the same)
    "run_created": ((None,), "pending"),
    "run_started": (("pending",), "running"),
    "run_completed": (("running",), "completed"),
    "run_failed": (("pending", "running"), "failed"),
    "run_cancelling": (("running",), "running"),
    "run_cancelled": (("pending", "running"), "cancelled"),
    "run_retried": (("failed",), "running"),
    "run_paused": (("pending", "running"), ""),
    "run_unpaused": (("pending", "running"), ""),
    "run_forked": (("pending", "running"), ""),
    "attr_set": (("pending", "running"), ""),
    "step_created": ((None,), "pending"),
    "step_started": (("pending", "running", "retrying"), "running"),
    "step_retrying": (("running",), "retrying"),
    "step_completed": (("running", "blocked"), "completed"),
    "step_failed": (("pending", "running", "retrying", "blocked"), "failed"),
    "step_blocked": (("running",), "blocked"),
    "step_cancelled": (("pending", "running", "retrying", "blocked"), "cancelled"),
    "wait_created": ((None,), "waiting"),
    "wait_completed": (("waiting",), "completed"),
    "wait_disposed": (("waiting",), "disposed"),
    "hook_created": ((None,), "live"),
    "hook_conflict": ((None,), "conflict"),
    "hook_received": (("live",), "live"),
    "hook_disposed": (("live", "conflict", "told"), "disposed"),
    "message_sent": ((None,), "sent"),
}

INPUTS: Final[frozenset[EventType]] = frozenset(
    (
        *("step_completed", "step_failed", "wait_completed", "hook_created", "hook_conflict", "hook_received"),
        *("message_sent", "run_cancelling", "run_forked"),
    )
)
"""Events that are delivered into the VM (``run_created`` begins it); the others only record."""

FROM_OUTSIDE: Final[frozenset[EventType]] = frozenset(("hook_received", "message_sent"))
"""Events whose payload is anybody's who may write to the run, sealed for it if it is encrypted."""

RUN_ENDINGS: Final[frozenset[EventType]] = frozenset(("run_completed", "run_failed", "run_cancelled"))
RUN_TERMINAL: Final[frozenset[RunStatus]] = frozenset(("completed", "failed", "cancelled"))
CREATIONS: Final[frozenset[EventType]] = frozenset(("run_created", "step_created", "wait_created", "hook_created"))


def entity_of(event: EventType) -> Entity:
    """Return which kind of entity an event is about."""
    # All other event types begin with their entity.
    return "run" if event == "attr_set" else event.partition("_")[0]  # type: ignore[return-value]


def advance(event: EventType, status: str | None, what: str) -> str:
    """
    Return the state of an entity after *event*.

    Args:
        event: type of the event.
        status: the entity's state before it, None when it does not exist yet.
        what: names the entity in the error, such as ``step step_01J… of run wrun_01J…``.

    Raises:
        EntityConflictError: the lifecycle has no such transition.
    """
    before, after = TRANSITIONS[event]
    if status not in before:
        have = "does not exist" if status is None else f"is {status}"
        allowed = " or ".join("absent" if state is None else state for state in before)
        raise EntityConflictError(f"{event} refused: {what} {have}, and {event} needs it {allowed}; nothing was stored")
    return after or status or ""
