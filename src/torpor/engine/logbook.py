"""
A worker's log: what it observes, in words. Failures that nothing mends are warnings.

Failures of runs and steps go to the logger ``torpor.runs``, apart from the engine's own ``torpor.engine``, so that
whoever shows runs in another way can turn it off. Of encrypted runs they say no more than the code of a failure or the
class of an error.
"""

from __future__ import annotations

import functools
import logging
from typing import Final

from torpor.codec import bare
from torpor.engine.observer import (
    AttemptEnded,
    Observation,
    Remark,
    Retried,
    RunRebuilt,
    RunsLeftAlone,
    RunSnoozed,
    StepLeft,
    StepsWait,
    Stored,
    TookOver,
    WorkerPresumedDead,
    WorkerUnwell,
    by_kind,
)
from torpor.errors import HostError, KeyMissingError, TorporError, WorldError
from torpor.programs.catalogue import short_name

LOGGER: Final = "torpor.runs"

ABOUT: Final = ("run_id", "step_id", "step", "attempt")
"""What a record has as attributes, for handlers that tell them apart: whose run and step it is about, where it is."""

_runs = logging.getLogger(LOGGER)
_engine = logging.getLogger("torpor.engine")
_CHARS_MAX = 2_000


@functools.singledispatch
def write_down(observation: Observation) -> None:
    """Log an observation in the words that its kind has below; one that has none is not for the log."""


@write_down.register
def _(stored: Stored) -> None:
    if not stored.events or stored.events[-1].type != "run_failed":
        return
    ending = stored.events[-1]
    about = stored.run_id, short_name(stored.workflow), ending.name
    extra = {"run_id": stored.run_id}
    if stored.key_id:
        _runs.warning("run %s (%s) failed with %s; its error is encrypted", *about, extra=extra)
    else:
        _runs.warning("run %s (%s) failed with %s: %s", *about, _error_text(ending.payload or b""), extra=extra)


@write_down.register
def _(ended: AttemptEnded) -> None:
    about = short_name(ended.name), ended.run_id, ended.attempt
    extra = {"run_id": ended.run_id, "step_id": ended.step_id, "step": ended.name, "attempt": ended.attempt}
    if ended.outcome == "failed":
        _runs.warning("step %s of run %s failed for good (attempt %d): %s", *about, ended.error, extra=extra)
    elif ended.outcome == "blocked":
        _runs.warning("step %s of run %s is blocked (attempt %d): %s", *about, ended.error, extra=extra)
    elif ended.outcome == "retrying":
        again = ended.again_in_ms, ended.error
        _runs.info("step %s of run %s failed (attempt %d), again in %d ms: %s", *about, *again, extra=extra)


@write_down.register
def _(left: StepLeft) -> None:
    extra = {"run_id": left.run_id, "step_id": left.step_id}
    _engine.info("step %s of run %s is for another worker: %s", left.step_id, left.run_id, left.why, extra=extra)


@write_down.register
def _(rebuilt: RunRebuilt) -> None:
    _engine.warning("run %s: %s", rebuilt.run_id, rebuilt.why, extra={"run_id": rebuilt.run_id})


@write_down.register
def _(snoozed: RunSnoozed) -> None:
    _engine.log(
        logging.WARNING if snoozed.times == 1 else logging.INFO,  # once in a row is enough
        "run %s: given back for %.1f s, by no fault of its own: %s",
        snoozed.run_id,
        snoozed.delay_ms / 1000,
        snoozed.why,
        extra={"run_id": snoozed.run_id},
    )


@write_down.register
def _(left: RunsLeftAlone) -> None:
    error = KeyMissingError(f"{left.runs} unfinished run{'s' * (left.runs > 1)}", left.key_id)
    _engine.warning("worker %s leaves alone what it cannot read: %s", left.worker_id, error)


@write_down.register
def _(waiting: StepsWait) -> None:
    _engine.warning("%s; start a worker that has it, or give a step that replaces it renamed=", waiting.unmet)


@write_down.register
def _(took: TookOver) -> None:
    _engine.log(
        logging.WARNING if took.count else logging.INFO,
        "took over %d task%s from workers that died: %s",
        took.count,
        "" if took.count == 1 else "s",
        ", ".join(took.worker_ids) or "that nobody knows",
    )


@write_down.register
def _(dead: WorkerPresumedDead) -> None:
    _engine.warning(
        "worker %s was silent for longer than its lease of %d ms and was presumed dead; its claims are others' now, "
        "and it goes on as %s",
        dead.before,
        dead.lease_ms,
        dead.worker_id,
    )


@write_down.register
def _(unwell: WorkerUnwell) -> None:
    _engine.warning("this worker claims no runs for %.1f s: %s", unwell.delay_ms / 1000, unwell.error)


@write_down.register
def _(retried: Retried) -> None:
    stack = None if isinstance(retried.error, (WorldError, HostError)) else retried.error
    _engine.warning(
        "%s failed, trying again in %d ms: %s", retried.what, retried.delay_ms, retried.error, exc_info=stack
    )


@write_down.register
def _(remark: Remark) -> None:
    _engine.log(remark.level, "%s", remark.text, exc_info=remark.error)


LOG: Final = by_kind({kind: write for kind, write in write_down.registry.items() if kind is not object})
"""The first observer of every worker."""


def _error_text(payload: bytes) -> str:
    try:
        return f"{bare.loads(payload)!s:.{_CHARS_MAX}}"
    except TorporError as error:
        return f"its error cannot be read: {error}"
