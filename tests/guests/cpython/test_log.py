"""print, logging and warnings become lines of the run's log."""

from __future__ import annotations

from tests.guests.cpython.conftest import BEGAN_AT, Author
from torpor.limits import LOG_LINES_PER_TURN_MAX


def test_print(author: Author) -> None:
    """Each line is a numbered line with the run's time; stderr is a level of its own."""
    run = author.body("print('a', 1); print('b\\nc'); print('d', file=sys.stderr)", before="import sys\n").begin()

    assert [(line.n, line.at, line.level, line.text) for line in run.logs] == [
        (1, BEGAN_AT, "info", "a 1"),
        (2, BEGAN_AT, "info", "b"),
        (3, BEGAN_AT, "info", "c"),
        (4, BEGAN_AT, "error", "d"),
    ]


def test_a_line_is_complete_before_it_is_written(author: Author) -> None:
    """What print leaves open is continued, over a sleep too, and written at the latest when the run ends."""
    run = author.body("print('a', end=' '); await charge(1); print('b'); print('rest', end='')").begin()
    assert run.lines == []

    assert run.park().complete(1).lines == ["a b", "rest"]


def test_flush_writes_what_is_there(author: Author) -> None:
    """A flushed beginning is a line."""
    assert author.body("print('a', end='', flush=True); await charge(1)").begin().lines == ["a"]


def test_logging(author: Author) -> None:
    """Levels are mapped, the logger is named, debug needs to be asked for."""
    run = author.body("""
        log = logging.getLogger("shop")
        log.debug("no")
        log.info("n=%d", 1)
        logging.warning("w")
        log.critical("c")
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(message)s")
        log.debug("yes")
    """, before="import logging\n").begin()  # fmt: skip

    assert [(line.level, line.text) for line in run.logs] == [
        ("info", "shop: n=1"),
        ("warn", "w"),
        ("error", "shop: c"),
        ("debug", "DEBUG yes"),
    ]


def test_logged_exceptions_have_the_authors_frames(author: Author) -> None:
    """logging.exception shows no frame of Torpor's."""
    body = "try:\n    await charge(1)\nexcept ValueError:\n    logging.exception('oh')"
    (line,) = author.body(body, before="import logging\n").begin().fail(1, ValueError("no")).logs

    assert line.text.startswith('oh\nTraceback (most recent call last):\n  File "./app.py"')
    assert "<torpor>" not in line.text


def test_warnings(author: Author) -> None:
    """warnings.warn is a warning in the log."""
    (line,) = author.body("warnings.warn('old')", before="import warnings\n").begin().logs

    assert line.level == "warn"
    assert "UserWarning: old" in line.text


def test_lines_of_module_scope(author: Author) -> None:
    """What modules print belongs to every run, at its beginning, with numbers of its own."""
    run = author.body("print('main')", before="print('module')\n").begin()

    assert [(line.n, line.at, line.text) for line in run.logs] == [(1, BEGAN_AT, "module"), (2, BEGAN_AT, "main")]


def test_too_many_lines(author: Author) -> None:
    """The last line kept of one call says how many were dropped; numbers go on behind them."""
    run = author.body("for i in range(1500): print(i)\nawait charge(1); print('after')").begin()

    assert len(run.logs) == LOG_LINES_PER_TURN_MAX
    assert run.logs[-1].level == "warn"
    assert run.logs[-1].text.startswith("501 log lines were dropped")
    assert run.logs[-1].n == 1500
    assert run.complete(1).logs[-1].n == 1501


def test_a_long_line_is_cut(author: Author) -> None:
    """A line has at most 16 KiB."""
    (line,) = author.body("print('x' * 20_000)").begin().logs

    assert line.text.endswith("… 3616 more characters were dropped")


def test_half_a_surrogate_pair(author: Author) -> None:
    """Text that is no text is written as far as it is."""
    assert author.body(r"print('a\ud800b')").begin().lines == ["a?b"]


def test_what_cannot_be_raised_is_logged(author: Author) -> None:
    """An exception in __del__ is told."""
    run = author.body("Bad()", before="class Bad:\n    def __del__(self): raise ValueError('lost')\n").begin()

    (line,) = run.logs
    assert line.level == "error"
    assert "ValueError: lost" in line.text
