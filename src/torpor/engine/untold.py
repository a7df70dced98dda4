"""
How an attempt ended of which nobody could tell how it ended: something of ours failed in it, or something that the
author gave beside the step's function, such as an error's own answer to when it is to be tried again.

While its worker lives nobody else tells of the attempt, so that it must come to an outcome whatever happens.
"""

from __future__ import annotations

import logging
from typing import Final, Literal

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.engine.attempts import Attempt
from torpor.engine.observer import AttemptEnded, Observer, Remark
from torpor.engine.retry import Retrying
from torpor.engine.step_definition import StepDefinition
from torpor.errors import HostError, StepError
from torpor.model import Event
from torpor.retries import Backoff

_BACKOFF: Final = Backoff(first=0.1, most=5.0)
_OF_THE_HOST: Final = (HostError, MemoryError, OSError)
"""What is no fault of the step: it is tried again for as long as it takes."""


async def untold(
    definition: StepDefinition | None, attempt: Attempt, problem: Exception, clock: Clock, observe: Observer
) -> Event:
    """
    Return the outcome of such an attempt: the step is tried again as after a failure, or has failed after its last
    retry; one that must not happen twice is blocked.

    Args:
        definition: of the step, None if it is not here any more.
        attempt: which attempt.
        problem: what came in between.
        clock: tells when it ended.
        observe: is told.
    """
    said = type(problem).__name__
    what = f"how attempt {attempt.attempt} of step {attempt.name} of run {attempt.run_id} ended"
    observe(Remark(logging.ERROR, f"{what} could not be told ({said})", problem))
    pausing = Retrying(clock, _BACKOFF, f"telling {what}", observe)
    while True:
        try:
            event, outcome = _outcome(definition, attempt, problem, clock.now())
            break
        except Exception as error:  # noqa: BLE001  # this host lacks something: nothing else is in it
            await pausing.pause(error)
    about = attempt.run_id, attempt.step_id, attempt.name, attempt.attempt
    observe(AttemptEnded(*about, outcome, said, max(0, event.due - event.at)))
    return event


def _outcome(
    definition: StepDefinition | None, attempt: Attempt, problem: Exception, now: int
) -> tuple[Event, Literal["blocked", "failed", "retrying"]]:
    failures = attempt.failures + 1
    # Its class alone: the text of an encrypted run's error is not for us to tell, and of others it is in the log.
    error = StepError(
        f"step {attempt.name}: how attempt {attempt.attempt} ended could not be told "
        f"({type(problem).__name__}; the worker's log has more)",
        attempts=failures,
    )
    event = Event(
        type="step_retrying",
        at=now,
        id=attempt.step_id,
        op=attempt.op,
        name=attempt.name,
        attempt=attempt.attempt,
        payload=attempt.run_codec.dumps(error),
    )
    if definition is not None and definition.once:
        why = f"nobody could tell how attempt {attempt.attempt} ended"
        return replace(event, type="step_blocked", ref=why), "blocked"
    is_last = definition is not None and failures > definition.max_retries
    if is_last and not isinstance(problem, _OF_THE_HOST):
        return replace(event, type="step_failed"), "failed"
    backoff = _BACKOFF if definition is None else definition.backoff
    return replace(event, due=now + backoff.delay_ms(failures)), "retrying"
