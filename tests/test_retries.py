"""Retries: what may be said of them, and how it travels with a call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor.codec.types.classes import class_path
from torpor.errors import ConfigurationError
from torpor.retries import Backoff, travelling


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_backoff_grows_to_its_ceiling(failures: int, draw: float) -> None:
    """A delay is between half and all of the exponential, and never above the longest."""
    backoff = Backoff(first=0.2, factor=2, most=60)
    exponential = min(60.0, 0.2 * 2 ** min(failures - 1, 64))
    assert exponential * 500 - 1 <= backoff.delay_ms(failures, draw) <= exponential * 1000


@pytest.mark.parametrize("wrong", [{"first": -1}, {"most": float("inf")}, {"factor": float("nan")}, {"first": "1s"}])
def test_a_backoff_has_numbers(wrong: dict[str, Any]) -> None:
    """What would make delays of no length, or none at all, is refused where it is written."""
    with pytest.raises(ConfigurationError, match="of a Backoff; give seconds from 0 upwards"):
        Backoff(**wrong)


def test_options_travel_as_plain_data() -> None:
    """Times in milliseconds, classes by path, and nothing of what was not given."""
    options = {
        "max_retries": 2,
        "timeout": "1m 30s",
        "backoff": Backoff(first=0.5, factor=3, most=10),
        "retry_on": ConnectionError,
        "never_retry": (KeyError, ConfigurationError),
    }

    assert travelling(options, class_path) == {
        "maxRetries": 2,
        "timeoutMs": 90_000,
        "backoff": {"firstMs": 500, "factor": 3, "mostMs": 10_000},
        "retryOn": ["builtins:ConnectionError"],
        "neverRetry": ["builtins:KeyError", "torpor.errors:ConfigurationError"],
    }
    assert travelling({"timeout": None, "retry_on": None}, class_path) == {"timeoutMs": None, "retryOn": None}
    assert travelling({}, class_path) == {}


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        (
            "max_retry",
            1,
            "there is no option max_retry; there are max_retries, timeout, heartbeat, ",
        ),
        ("max_retries", -1, "max_retries=-1 of a step; give 0 for no retries, or more"),
        ("max_retries", True, "max_retries=True of a step"),
        ("timeout", "soon", "timeout of a step: duration 'soon' is not understood"),
        ("timeout", -1, "timeout of a step: duration -1 is not a time from now on"),
        ("timeout", timedelta(0), "of a step leaves it no time; give a longer one, or None"),
        ("timeout", [], "timeout of a step"),
        ("backoff", 3, "backoff=3 of a step; give a torpor.Backoff"),
        ("retry_on", "ConnectionError", "retry_on='ConnectionError' of a step; give a class of exceptions"),
        ("never_retry", (KeyError, 3), "never_retry=.* of a step; give a class of exceptions, or a tuple of them"),
    ],
)
def test_options_that_mean_nothing_are_refused(option: str, value: object, told: str) -> None:
    """Where they are written, with what to write instead."""
    with pytest.raises(ConfigurationError, match=told):
        travelling({option: value}, class_path)
