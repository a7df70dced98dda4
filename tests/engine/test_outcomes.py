"""What a worker's log says of failures."""

from __future__ import annotations

import logging

import pytest

from torpor import codec
from torpor.codec.crypto.keys import Keyring, generate
from torpor.codec.crypto.run_codec import PLAIN
from torpor.engine.outcomes import LOGGER, log_failed_run, log_failed_step
from torpor.model import Event, Run

RING = Keyring([generate()])
RUN = Run("wrun_1", "workflow//./shop.py//checkout", "p", "cpython", "snapshot", "running", b"", 1)


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Every line of the log is looked at."""
    caplog.set_level(logging.DEBUG, LOGGER)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return level and text of what was logged."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_failed_run_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """With its code and its error, whatever the error is."""
    for error in (ValueError("no such order"), "thrown by JavaScript"):
        log_failed_run(RUN, Event("run_failed", 2, name="USER_ERROR", payload=codec.dumps(error)), PLAIN)
    log_failed_run(RUN, Event("run_failed", 2, name="USER_ERROR", payload=b"damaged"), PLAIN)

    told = "run wrun_1 (checkout) failed with USER_ERROR: "
    assert [level for level, _ in lines(caplog)] == ["WARNING"] * 3
    assert [text.removeprefix(told) for _, text in lines(caplog)][:2] == [
        "ValueError: no such order",
        "thrown by JavaScript",
    ]
    assert lines(caplog)[2][1].startswith(f"{told}its error cannot be read: ")


def test_the_error_of_an_encrypted_run_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Only the code is told."""
    run_codec = RING.run("wrun_1", RING.current)
    event = Event("run_failed", 2, name="USER_ERROR", payload=run_codec.dumps(ValueError("secret")))

    log_failed_run(RUN, event, run_codec)

    assert lines(caplog) == [("WARNING", "run wrun_1 (checkout) failed with USER_ERROR; its error is encrypted")]


def test_a_step_that_is_given_up_is_a_warning_and_a_retry_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Only the first of them needs somebody's attention."""
    about = ("step//./shop.py//pay", "wrun_1", 2, "ConnectionError: closed")

    log_failed_step(*about, again_in_ms=200)
    log_failed_step(*about, again_in_ms=None)

    assert lines(caplog) == [
        ("INFO", "step pay of run wrun_1 failed (attempt 2), again in 200 ms: ConnectionError: closed"),
        ("WARNING", "step pay of run wrun_1 failed for good (attempt 2): ConnectionError: closed"),
    ]
