"""
What became of runs and steps, for the logs of a worker: failures that nothing mends are warnings.

The logger is ``torpor.runs``, apart from that of the engine itself, so that whoever shows runs in another way can turn
it off. Of encrypted runs it says no more than the code of a failure or the class of an error.
"""

from __future__ import annotations

import logging

from torpor.codec import bare
from torpor.codec.crypto.run_codec import RunCodec
from torpor.errors import TorporError
from torpor.model import Event, Run
from torpor.programs.catalogue import short_name

LOGGER = "torpor.runs"

_log = logging.getLogger(LOGGER)
_CHARS_MAX = 2_000


def log_failed_run(run: Run, ending: Event, run_codec: RunCodec) -> None:
    """Warn that a run has failed."""
    about = run.id, short_name(run.workflow), ending.name
    if run_codec.key_id:
        _log.warning("run %s (%s) failed with %s; its error is encrypted", *about)
    else:
        _log.warning("run %s (%s) failed with %s: %s", *about, _error_text(ending.payload or b""))


def log_failed_step(name: str, run_id: str, attempt: int, error: str, *, again_in_ms: int | None) -> None:
    """
    Tell that an attempt of a step has failed, with a warning if it was the last one.

    Args:
        name: full name of the step.
        run_id: whose.
        attempt: the attempt's number.
        error: class and message of what it raised, or the class alone.
        again_in_ms: when the next attempt follows, None if none does.
    """
    about = short_name(name), run_id, attempt
    if again_in_ms is None:
        _log.warning("step %s of run %s failed for good (attempt %d): %s", *about, error)
    else:
        _log.info("step %s of run %s failed (attempt %d), again in %d ms: %s", *about, again_in_ms, error)


def _error_text(payload: bytes) -> str:
    try:
        return f"{bare.loads(payload)!s:.{_CHARS_MAX}}"
    except TorporError as error:
        return f"its error cannot be read: {error}"
