"""Ticks on AWS Lambda."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serverless.application import app as application
from torpor import SyncTorpor
from torpor.errors import ConfigurationError
from torpor.integrations.aws_lambda import lambda_handler


class Context:
    """What Lambda tells."""

    def __init__(self, left: int) -> None:
        self._left = left

    def get_remaining_time_in_millis(self) -> int:
        """Return what the test says."""
        return self._left


def test_an_event_is_a_tick(tmp_path: Path) -> None:
    """Each invocation has an event loop of its own, and tells when the next is due."""
    app = application.on(f"sqlite:///{tmp_path}/torpor.db")
    handle = lambda_handler(app)
    assert handle({}, Context(30_000)) == {"runs": 0, "next_at": None, "more": False}
    with SyncTorpor(app) as torpor:
        run = torpor.start("naps", 1, 3_600)
    told = handle({"source": "scheduler"}, Context(30_000))
    assert (told["runs"], told["more"]) == (1, False)
    assert told["next_at"].endswith("Z")
    with SyncTorpor(app) as torpor:
        torpor.wait(app.run(run.id).wake_up())
    assert handle({}, Context(30_000)) == {"runs": 1, "next_at": None, "more": False}


def test_a_timeout_that_leaves_no_time_is_refused() -> None:
    """With what to change."""
    with pytest.raises(ConfigurationError, match="longer timeout"):
        lambda_handler(application)({}, Context(1_000))
