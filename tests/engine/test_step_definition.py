"""What a step says of its attempts, and what a call of it may want otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from torpor import Backoff, FatalError, RetryableError
from torpor.engine.step_definition import StepDefinition


async def pay(order: str) -> str:
    """Be a step."""
    return order


STEP = StepDefinition("step//./a.py//pay", pay, max_retries=5, timeout=3.0)


@pytest.mark.parametrize(
    ("settings", "again", "never"),
    [
        ({}, [ValueError(), KeyError(), SystemExit()], []),
        ({"retry_on": (OSError,)}, [ConnectionError(), TimeoutError()], [ValueError(), SystemExit()]),
        ({"never_retry": (LookupError,)}, [ValueError()], [KeyError(), IndexError()]),
        ({"retry_on": (OSError,), "never_retry": (FileNotFoundError,)}, [PermissionError()], [FileNotFoundError()]),
        ({"retry_on": (), "never_retry": (Exception,)}, [RetryableError("later")], [ValueError()]),
    ],
)
def test_which_errors_are_retried(
    settings: dict[str, Any], again: list[BaseException], never: list[BaseException]
) -> None:
    """Subclasses count, never_retry wins, and who raises a RetryableError has said it."""
    step = StepDefinition("step//./a.py//pay", pay, **settings)

    assert [error for error in [*again, *never] if step.retries(error)] == again


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"maxRetries": 0}, {"max_retries": 0}),
        ({"timeoutMs": 1500}, {"timeout": 1.5}),
        ({"timeoutMs": None}, {"timeout": None}),
        ({"backoff": {"firstMs": 10, "factor": 1.5, "mostMs": 20.0}}, {"backoff": Backoff(0.01, 1.5, 0.02)}),
        ({"retryOn": ["builtins:OSError", "gone:Error"]}, {"retry_on": (OSError,)}),
        ({"retryOn": None, "neverRetry": ["builtins:print", "builtins:int"]}, {"retry_on": None, "never_retry": ()}),
        ({}, {}),
    ],
)
def test_a_call_changes_what_it_says(options: dict[str, Any], changed: dict[str, Any]) -> None:
    """And nothing else; classes that are not loaded here cannot be raised here."""
    wanted = STEP.for_call(options)

    told = {name: getattr(wanted, name) for name in STEP.__struct_fields__}
    assert told == {name: changed.get(name, getattr(STEP, name)) for name in STEP.__struct_fields__}


@pytest.mark.parametrize(
    ("options", "again", "never"),
    [
        ({"retryOn": ["OSError"]}, [ConnectionError(), OSError()], [ValueError()]),
        ({"neverRetry": ["LookupError", "Gone"]}, [ValueError()], [KeyError(), LookupError()]),
        ({"retryOn": ["OSError"], "neverRetry": ["ConnectionError"]}, [OSError()], [ConnectionResetError()]),
    ],
)
def test_errors_of_a_call_may_be_given_by_name(
    options: dict[str, Any], again: list[BaseException], never: list[BaseException]
) -> None:
    """Other languages know no paths; subclasses of every class of the name count."""
    step = STEP.for_call(options)

    assert [error for error in [*again, *never] if step.retries(error)] == again


def test_a_call_that_wants_nothing_gets_the_step_itself() -> None:
    """The usual call costs nothing."""
    assert STEP.for_call(None) is STEP


@pytest.mark.parametrize(
    "options",
    [
        "many",
        {"maxRetries": -1},
        {"maxRetries": 1.5},
        {"timeoutMs": 0},
        {"timeoutMs": 2**60},
        {"backoff": {"firstMs": 1}},
        {"backoff": {"firstMs": -1, "factor": 1, "mostMs": 1}},
        {"retryOn": "builtins:OSError"},
        {"max_retries": 1},
    ],
)
def test_options_that_no_guest_writes_end_the_step(options: object) -> None:
    """Workflow code may have changed its guest; the error names the step."""
    with pytest.raises(FatalError, match=r"the options of this call of step//\./a\.py//pay are damaged"):
        STEP.for_call(options)
