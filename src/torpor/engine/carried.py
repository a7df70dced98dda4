"""
Steps that another language carries out in a process of this worker: what they are given and return travels unopened.

One attempt is one call of a :class:`Carrier`. It says how the attempt ended in the words of the language, which knows
its own errors and how often they are retried; here that becomes an event.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

from torpor.errors import UsageError


class Carried(msgspec.Struct, frozen=True):
    """
    How an attempt ended.

    Attributes:
        outcome: ``completed``, ``failed`` for good, or ``retrying``.
        text: codec text of what it returned or raised.
        due: when it is to be tried again, epoch milliseconds; None for the step's own backoff.
        told: class and message of the error.
    """

    outcome: Literal["completed", "failed", "retrying"]
    text: str
    due: int | None = None
    told: str = ""


class CarriedError(Exception):
    """
    An attempt has failed.

    Args:
        carried: how.
    """

    def __init__(self, carried: Carried) -> None:
        super().__init__(carried.told)
        self.carried = carried


class CarriedInput(msgspec.Struct, frozen=True):
    """
    What an attempt is made from.

    Attributes:
        text: codec text of ``{args: […], closureVars?: {…}, thisVal?: …}``.
        failures: how many attempts have raised before.
        max_retries: attempts after the first, None for what the language says.
    """

    text: str
    failures: int
    max_retries: int | None


class Carrier(Protocol):
    """Carries out the attempts of one step; called in the step's context (:mod:`torpor.engine.metadata`)."""

    async def __call__(self, given: CarriedInput, /) -> Carried:
        """
        Make an attempt.

        Raises:
            CancelledError: it was given up.
            HostError: this worker cannot carry it out now.
        """
        ...


async def carry(carrier: Carrier, given: CarriedInput) -> Carried:
    """
    Return how an attempt ended that has completed.

    Raises:
        CarriedError: it has not.
        CancelledError, HostError: as the carrier.
    """
    carried = await carrier(given)
    if carried.outcome != "completed":
        raise CarriedError(carried)
    return carried


async def written_elsewhere(*args: Any) -> Any:
    """
    Stand for the function of a step that the other language has written, and that takes what it likes there.

    Raises:
        UsageError: always; its attempts go to a carrier.
    """
    raise UsageError(
        f"a step of another language was called in Python, with {len(args)} arguments; call it in a workflow"
    )
