"""What a worker's log says of what it observes."""

from __future__ import annotations

import logging

import pytest

from torpor import codec
from torpor.codec.crypto.keys import Keyring, generate
from torpor.engine.failpoints import Failpoint
from torpor.engine.logbook import LOGGER, write_down
from torpor.engine.observer import (
    KINDS,
    AttemptBegan,
    AttemptEnded,
    Remark,
    Retried,
    RunSnoozed,
    Stored,
    TookOver,
    TurnBegan,
    TurnEnded,
    WorkerBegan,
    WorkerStopped,
)
from torpor.errors import WorldError
from torpor.model import Event

RING = Keyring([generate()])
ABOUT = ("wrun_1", "", "workflow//./shop.py//checkout")
ATTEMPT = ("wrun_1", "step_1", "step//./shop.py//pay", 2)


SILENT = {Failpoint, TurnBegan, TurnEnded, AttemptBegan, WorkerBegan, WorkerStopped}
"""Kinds that are not for the log; a new kind is told there, or is listed here."""


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Every line of the log is looked at."""
    caplog.set_level(logging.DEBUG, "torpor.engine")
    caplog.set_level(logging.DEBUG, LOGGER)


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return level and text of what was logged."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_a_failed_run_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """With its code and its error, whatever the error is."""
    for error in (ValueError("no such order"), "thrown by JavaScript"):
        write_down(Stored(*ABOUT, (Event("run_failed", 2, name="USER_ERROR", payload=codec.dumps(error)),)))
    write_down(Stored(*ABOUT, (Event("run_failed", 2, name="USER_ERROR", payload=b"damaged"),)))

    told = "run wrun_1 (checkout) failed with USER_ERROR: "
    assert [level for level, _ in lines(caplog)] == ["WARNING"] * 3
    assert [text.removeprefix(told) for _, text in lines(caplog)][:2] == [
        "ValueError: no such order",
        "thrown by JavaScript",
    ]
    assert lines(caplog)[2][1].startswith(f"{told}its error cannot be read: ")


def test_what_goes_well_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither steps that complete nor runs."""
    write_down(Stored(*ABOUT, (Event("run_completed", 2, payload=codec.dumps(1)),)))
    write_down(Stored(*ABOUT, ()))
    write_down(AttemptEnded(*ATTEMPT, "completed"))
    assert lines(caplog) == []


def test_the_error_of_an_encrypted_run_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Only the code is told."""
    run_codec = RING.run("wrun_1", RING.current)
    event = Event("run_failed", 2, name="USER_ERROR", payload=run_codec.dumps(ValueError("secret")))

    write_down(Stored("wrun_1", RING.current, "workflow//./shop.py//checkout", (event,)))

    assert lines(caplog) == [("WARNING", "run wrun_1 (checkout) failed with USER_ERROR; its error is encrypted")]


def test_a_step_that_is_given_up_is_a_warning_and_a_retry_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """Only the first of them needs somebody's attention."""
    write_down(AttemptEnded(*ATTEMPT, "retrying", "ConnectionError: closed", 200))
    write_down(AttemptEnded(*ATTEMPT, "failed", "ConnectionError: closed"))

    assert lines(caplog) == [
        ("INFO", "step pay of run wrun_1 failed (attempt 2), again in 200 ms: ConnectionError: closed"),
        ("WARNING", "step pay of run wrun_1 failed for good (attempt 2): ConnectionError: closed"),
    ]


def test_a_run_that_is_snoozed_again_and_again_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """Later times are for who looks closely."""
    for times in (1, 2):
        write_down(RunSnoozed("wrun_1", "no memory", 1_500, times))
    assert [level for level, _ in lines(caplog)] == ["WARNING", "INFO"]
    assert lines(caplog)[0][1] == "run wrun_1: given back for 1.5 s, by no fault of its own: no memory"


def test_work_of_the_dead_is_told_with_its_number(caplog: pytest.LogCaptureFixture) -> None:
    """A worker that had nothing is no warning; a claim may be nobody's."""
    for took in (TookOver(("wrkr_1", "wrkr_2"), 1), TookOver(("wrkr_1",), 0), TookOver((), 2)):
        write_down(took)
    assert lines(caplog) == [
        ("WARNING", "took over 1 task from workers that died: wrkr_1, wrkr_2"),
        ("INFO", "took over 0 tasks from workers that died: wrkr_1"),
        ("WARNING", "took over 2 tasks from workers that died: that nobody knows"),
    ]


def test_a_bug_is_told_with_its_stack_and_a_world_that_fails_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """The world says all that there is to say."""
    for error in (WorldError("full"), ValueError("a bug")):
        write_down(Retried("claiming", error, 100))
    write_down(Remark(logging.ERROR, "100 % of it", error=ValueError("a bug")))
    assert [record.exc_info is not None for record in caplog.records] == [False, True, True]
    assert caplog.records[2].getMessage() == "100 % of it"


def test_every_kind_has_words_or_is_not_for_the_log() -> None:
    """Nobody adds an observation without deciding whether people should read of it."""
    assert set(KINDS) - SILENT == write_down.registry.keys() - {object}
