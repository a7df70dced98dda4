"""Types and states as the integers that are stored. Numbers are for ever: add at the end, never change one."""

from __future__ import annotations

from typing import Final

from torpor.lifecycle import INPUTS, EventType, RunStatus
from torpor.model import Runtime
from torpor.model.flow import Slot

EVENT_TYPES: Final[tuple[EventType, ...]] = (
    "run_created",
    "run_started",
    "run_completed",
    "run_failed",
    "run_cancelled",
    "step_created",
    "step_started",
    "step_retrying",
    "step_completed",
    "step_failed",
    "wait_created",
    "wait_completed",
    "hook_created",
    "hook_conflict",
    "hook_received",
    "hook_disposed",
    "wait_disposed",
    "attr_set",
    "message_sent",
    "run_cancelling",
    "step_cancelled",
    "run_paused",
    "run_unpaused",
    "step_blocked",
    "run_retried",
    "run_forked",
)
RUN_STATUSES: Final[tuple[RunStatus, ...]] = ("pending", "running", "completed", "failed", "cancelled")
STEP_STATUSES: Final = ("pending", "running", "retrying", "blocked")
HOOK_STATUSES: Final = ("live", "disposed", "conflict", "ended", "told")  # nothing is disposed: such a row is deleted
SLOTS: Final[tuple[Slot, ...]] = ("", "waits", "holds", "awake")
RUNTIMES: Final[tuple[Runtime, ...]] = ("snapshot", "replay")

EVENT_CODE: Final = {name: code for code, name in enumerate(EVENT_TYPES)}
RUN_CODE: Final = {name: code for code, name in enumerate(RUN_STATUSES)}
STEP_CODE: Final = {name: code for code, name in enumerate(STEP_STATUSES)}
HOOK_CODE: Final = {name: code for code, name in enumerate(HOOK_STATUSES)}
SLOT_CODE: Final = {name: code for code, name in enumerate(SLOTS)}
RUNTIME_CODE: Final = {name: code for code, name in enumerate(RUNTIMES)}

EVENT_OF: Final = dict(enumerate(EVENT_TYPES))
RUN_OF: Final = dict(enumerate(RUN_STATUSES))
STEP_OF: Final = dict(enumerate(STEP_STATUSES))
HOOK_OF: Final = dict(enumerate(HOOK_STATUSES))
SLOT_OF: Final = dict(enumerate(SLOTS))
RUNTIME_OF: Final = dict(enumerate(RUNTIMES))
"""By code, which no sequence is asked for: it has an answer for -1."""

INPUT_CODES: Final = ", ".join(str(EVENT_CODE[name]) for name in sorted(INPUTS))
"""For ``type IN (…)``."""

# What the schema's partial indexes and the queries say in numbers:
assert {name for name in RUN_STATUSES if RUN_CODE[name] < 2} == {"pending", "running"}
assert HOOK_CODE["live"] == 0
assert SLOT_CODE["waits"] == 1
assert {name for name in SLOTS if SLOT_CODE[name] > 1} == {"holds", "awake"}
