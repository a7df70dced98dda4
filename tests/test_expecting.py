"""Options of applications, steps and workflows: what has another type than its annotation says is told at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from torpor import Torpor
from torpor.errors import ArgumentError, ConfigurationError

OF_STEPS: dict[str, Any] = {
    "name": 5,
    "max_retries": "3",
    "timeout": True,
    "heartbeat": object(),
    "schedule_to_start": [],
    "schedule_to_close": "x",
    "backoff": "2s",
    "retry_on": "OSError",
    "never_retry": [OSError],
    "effect": "twice",
    "queue": 5,
    "key": "customer",
    "weight": "x",
    "renamed": 5,
    "url": 5,
    "secret": 5,
    "ca": 5,
    "certificate": 5,
}
TOGETHER_WITH: dict[str, dict[str, Any]] = {
    "key": {"queue": "q"},
    "weight": {"queue": "q"},
    "secret": {"url": "https://steps.example"},
    "ca": {"url": "https://steps.example"},
    "certificate": {"url": "https://steps.example"},
}
OF_APPLICATIONS: dict[str, Any] = {
    "world": 5,
    "name": 5,
    "runtime": "x",
    "root": 5,
    "clock": 5,
    "settings": {"turns": 3},
    "keys": 5,
    "bundle": "attrs",
    "python": "x",
    "url": 5,
    "allow": "host//example.com",
    "cleanup": [],
    "retention": [],
    "log": "x",
}


@pytest.mark.parametrize(("option", "wrong"), OF_STEPS.items(), ids=list(OF_STEPS))
def test_an_option_of_a_step(option: str, wrong: Any) -> None:
    """The message names the option, where the step is written, and not when a worker comes to need it."""
    with pytest.raises(ConfigurationError, match=option):
        Torpor("memory://").step(**{option: wrong}, **TOGETHER_WITH.get(option, {}))(_pay)


@pytest.mark.parametrize(("option", "wrong"), {"name": 5, "queue": 5, "key": "customer"}.items())
def test_an_option_of_a_workflow(option: str, wrong: Any) -> None:
    """As of a step."""
    with pytest.raises(ConfigurationError, match=option):
        Torpor("memory://").workflow(**{option: wrong}, **TOGETHER_WITH.get(option, {}))


@pytest.mark.parametrize(("option", "wrong"), OF_APPLICATIONS.items(), ids=list(OF_APPLICATIONS))
def test_an_option_of_an_application(option: str, wrong: Any) -> None:
    """A text is no list of texts, though it has characters."""
    given: dict[str, Any] = {"world": "memory://"} | {option: wrong}
    with pytest.raises((ConfigurationError, ArgumentError), match=re.escape(option)):
        Torpor(**given)


async def _pay(cents: int) -> int:
    return cents
