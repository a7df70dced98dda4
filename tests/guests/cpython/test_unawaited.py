"""What a workflow forgets to await."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import Author
from torpor.errors import UsageError

BEFORE = """
class Shop:
    pay = charge
def fails(): raise KeyError("k")
async def inner():
    charge(1)
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("charge(1)", "step charge was called at ./app.py:17 and never awaited, so it never began; await it"),
        ("receipt = charge(1)", "step charge was called at ./app.py:17 and"),
        ("receipt: str = charge(\n    1,\n)", "step charge was called at ./app.py:17 and"),
        ("Shop.pay(1)", "step charge was called at ./app.py:17 and"),
        ("if 1: ship(2); charge(1)", "step ship was called at ./app.py:17 and"),
        ("await inner()", "step charge was called at ./app.py:14 and"),
        ("charge.with_options(max_retries=0)(1)", "step charge was called at ./app.py:17 and"),
        ("sleep(1)", "sleep() was called at ./app.py:17 and never awaited"),
        ("asyncio.sleep(1)", "sleep() was called at ./app.py:17 and never awaited"),
        ("app.start('other', 1)", "start() was called at ./app.py:17 and never awaited"),
        ("app.run('wrun_2').cancel()", "cancel() was called at ./app.py:17 and never awaited"),
        ("hook('a')", "hook 'a' was made at ./app.py:17 and nothing was done with it; await it"),
        ("approval = hook('a')", "hook 'a' was made at ./app.py:17 and nothing was done with it"),
    ],
)
def test_a_run_that_forgot_to_await_is_not_completed(author: Author, body: str, told: str) -> None:
    """It fails where it would have completed, with file and line; a coroutine is warned of in its log, too."""
    run = author.body(body, before=BEFORE).begin()

    assert isinstance(run.failure, UsageError)
    assert told in str(run.failure)
    assert ("hook" in told) is not any("was never awaited" in line for line in run.lines)


def test_all_that_was_forgotten_is_told(author: Author) -> None:
    """At once."""
    failure = str(author.body("charge(1)\nhook('a')\nsleep(1)").begin().failure)

    assert failure.count("./app.py:") == 3


@pytest.mark.parametrize(
    "body",
    [
        "try: await asyncio.gather(charge(1), fails())\nexcept KeyError: pass",
        "call = charge(1)\nif call is None: await call",
        "charge(1).close()",
        "calls = [charge(1)]",
        "asyncio.create_task(charge(1))",
        "asyncio.create_task(charge(1)).cancel()\nawait sleep(0)",
        "approval = hook('a')\nif approval is None: await approval",
        "hook('a').dispose()",
        "return hook('a').token",
        "async with hook('a'): pass",
        "aiter(hook('a'))",
        "inner()",
        "try: hook('a', metadata=print)\nexcept Exception: pass",
    ],
)
def test_a_call_that_was_left_for_a_reason_fails_nothing(author: Author, body: str) -> None:
    """Neither what an error gave up, nor what may have been wanted under a condition."""
    assert author.body(body, before=BEFORE).begin().status == "completed"


def test_a_failure_of_its_own_comes_first(author: Author) -> None:
    """The author knows better what went wrong."""
    assert isinstance(author.body("charge(1)\nfails()", before=BEFORE).begin().failure, KeyError)
