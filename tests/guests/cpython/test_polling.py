"""Loops that poll with ``sleep(0)``: they wait for what comes, and nobody else is held up."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import Author, Run
from torpor.errors import CpuLimitError
from torpor.guests.cpython import CPython
from torpor.limits import MIB
from torpor.vm.limits import Limits

BEFORE = """
import asyncio, dataclasses, functools, itertools
class Plain: pass
class Slots:
    __slots__ = ("n",)
N = 0
def bump(box):
    box.inner.n += 1
    return box.inner.n
"""


WAIT_FOR = "await asyncio.wait_for(asyncio.shield(task), 0)"
TIMEOUT = "async with asyncio.timeout(0): await asyncio.shield(task)"
CALLBACK = """
loop, end = asyncio.get_running_loop(), asyncio.Event()
def look(): end.set() if task.done() else loop.call_soon(look)
"""


def parks(author: Author, body: str) -> Run:
    """Return a run that waits after its first step was asked for, and has burnt no limit."""
    run = author.body(body, before=BEFORE).begin()
    assert run.status == "pending", run.last
    return run


@pytest.mark.parametrize(
    "poll",
    [
        "while not task.done(): await asyncio.sleep(0)",
        "while not task.done(): await sleep(0)",
        "while not all([t.done() for t in [task]]): await asyncio.sleep(0)",
        "while True:\n    states = [t.done() for t in [task]]\n    if states[0]: break\n    await asyncio.sleep(-1)",
        "async def inner():\n    while not task.done(): await asyncio.sleep(0)\nawait inner()",
        "async def inner():\n    while not task.done(): await asyncio.sleep(0)\nawait asyncio.gather(inner(), inner())",
        "flag = asyncio.Event(); task.add_done_callback(lambda _: flag.set())\nwhile not flag.is_set(): await sleep(0)",
        "for _ in itertools.repeat(None):\n    if task.done(): break\n    await asyncio.sleep(0)",
    ],
)
def test_a_loop_that_polls_waits_for_what_comes(author: Author, poll: str) -> None:
    """Its task goes on as soon as the answer is there, in another VM too, and waits for nothing more then."""
    run = parks(author, f"task = asyncio.create_task(charge(1))\nawait sleep(0)\n{poll}\nreturn task.result()")

    assert [op.type for op in run.ops] == ["step", "wait"]
    assert run.park().complete(1, "ok").value == "ok"


def test_a_look_at_a_poller_tells_what_it_does(author: Author) -> None:
    """Instead of naming a future that is nowhere in the author's code."""
    run = parks(author, "task = asyncio.create_task(charge(1))\nwhile not task.done(): await asyncio.sleep(0)")

    assert "something new; it polls with sleep(0)" in [task.waits_for for task in run.stack()]


@pytest.mark.parametrize(
    "loop",
    [
        "for _ in range(5000): await asyncio.sleep(0)",
        "n = 0\nwhile n < 5000:\n    n += 1\n    await asyncio.sleep(0)",
        "box = Plain(); box.n = 0\nwhile box.n < 5000:\n    box.n += 1\n    await asyncio.sleep(0)",
        "box = Slots(); box.n = 0\nwhile box.n < 5000:\n    box.n += 1\n    await asyncio.sleep(0)",
        "global N\nwhile N < 5000:\n    N += 1\n    await asyncio.sleep(0)",
        "seen = []\nwhile len(seen) < 5000:\n    seen.append(None)\n    await asyncio.sleep(0)",
        "seen = {'n': 0}\nwhile seen['n'] < 5000:\n    seen['n'] += 1\n    await asyncio.sleep(0)",
        "left = set(range(5000))\nwhile left:\n    left.pop()\n    await asyncio.sleep(0)",
        "async def inner(n):\n    await asyncio.sleep(0)\nn = 0\nwhile n < 5000:\n    n += 1\n    await inner(n)",
    ],
)
def test_a_loop_that_counts_is_not_held_up(author: Author, loop: str) -> None:
    """It yields while a step runs, and ends without anything having come."""
    assert (
        author.body(f"task = asyncio.create_task(charge(1))\n{loop}\nreturn 'ok'", before=BEFORE).begin().value == "ok"
    )


def test_those_who_poll_what_another_task_does_go_on(author: Author) -> None:
    """Waiting ends when anything that is not a poller has run, and when a poller has got further."""
    body = """
    step = asyncio.create_task(charge(1))
    box, order = [], []
    async def follows(length):
        while len(box) < length: await asyncio.sleep(0)
        order.append(length)
        box.append(length)
    async def leads():
        for _ in range(6000): await asyncio.sleep(0)
        box.append(0)
    await asyncio.gather(follows(3), follows(2), follows(1), leads())
    return order
    """
    assert author.body(body, before=BEFORE).begin().value == [1, 2, 3]


def test_a_loop_whose_progress_cannot_be_seen_is_nudged(author: Author) -> None:
    """After a second, then after twice the time; nothing waits for good."""
    body = """
    task = asyncio.create_task(charge(1))
    box = Plain(); box.inner = Plain(); box.inner.n = 0
    while bump(box) < 4000: await asyncio.sleep(0)
    return box.inner.n
    """
    run = parks(author, body)
    durations = []
    while run.status == "pending":
        wait = run.ops[-1]
        assert wait.due is not None
        durations.append(wait.due - wait.at)
        run.now = wait.due - 1
        run.wake(wait.n)

    assert run.value == 4000
    assert durations[:2] == [1000, 2000]
    assert durations == sorted(durations)


def test_a_poller_may_be_cancelled(author: Author) -> None:
    """By a timeout, for one."""
    body = """
    task = asyncio.create_task(charge(1))
    try:
        async with asyncio.timeout(0.5):
            while not task.done(): await asyncio.sleep(0)
    except TimeoutError:
        return "late"
    """
    run = parks(author, body)

    assert [op.due - op.at for op in run.ops if op.due] == [500]
    assert run.wake(run.ops[-1].n, 500).value == "late"


@pytest.mark.parametrize(
    "poll",
    [
        "while not task.done(): await asyncio.wait([task], timeout=0)",
        "left = {task}\nwhile left: _, left = await asyncio.wait(left, timeout=0)",
        f"while not task.done():\n    try: {WAIT_FOR}\n    except TimeoutError: pass",
        f"while not task.done():\n    try: {WAIT_FOR}\n    except TimeoutError: await asyncio.sleep(0)",
        f"while not task.done():\n    try:\n        {TIMEOUT}\n    except TimeoutError: pass",
        "n = 0\nwhile not task.done():\n    n += 1\n    await asyncio.sleep(0)",
        "async def no(): pass\nwhile not task.done(): await asyncio.create_task(no())",
        "async def no(): pass\nwhile not task.done(): await asyncio.gather(no(), no())",
        "class Yields:\n    def __await__(self): yield\nwhile not task.done(): await Yields()",
        f"{CALLBACK}\nlook()\nawait end.wait()",
    ],
    ids=["wait", "pending", "wait_for", "both", "timeout", "counter", "tasks", "gather", "yield", "callback"],
)
def test_a_loop_that_is_never_idle_rests(author: Author, poll: str) -> None:
    """However it yields: it sleeps until something arrives or a nudge, asleep too, and goes on with what was ready."""
    run = parks(author, f"task = asyncio.create_task(charge(1))\nawait sleep(0)\n{poll}\nreturn task.result()")
    for _ in range(3):
        nudge = run.ops[-1]
        assert nudge.type == "wait"
        run.now = nudge.due - 1
        assert run.park().wake(nudge.n).status == "pending"

    assert run.park().complete(1, "ok").value == "ok"


def test_a_loop_that_asks_for_the_same_is_nudged_ever_later(author: Author) -> None:
    """Up to a minute; who gets on is nudged every few seconds."""

    def seconds(poll: str) -> list[int]:
        run = parks(author, f"n, task = 0, asyncio.create_task(charge(1))\n{poll}")
        for _ in range(8):
            run.now = run.ops[-1].due - 1
            run.wake(run.ops[-1].n)
        return [(op.due - op.at) // 1000 for op in run.ops if op.type == "wait"]

    wait = "await asyncio.wait([task], timeout=0)"
    assert seconds(f"while not task.done(): {wait}") == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert seconds(f"while not task.done():\n    n += 1\n    {wait}") == [1, 2, 4, 5, 5, 5, 5, 5, 5]


def test_small_tasks_without_end_do_not_hide_a_timer(author: Author) -> None:
    """The loop rests, and the timer that another task waits for ends it in time."""
    body = """
    async def no(): pass
    async with asyncio.timeout(0.5):
        while True: await asyncio.create_task(no())
    """
    run = parks(author, body)

    assert [op.due - op.at for op in run.ops] == [500]
    assert isinstance(run.wake(1, 500).failure, TimeoutError)


def test_a_loop_that_waits_for_nothing_is_endless() -> None:
    """Nothing could ever come, so it runs into the limit, as any endless loop."""
    guest = CPython(limits=Limits(memory_bytes=256 * MIB, cpu_seconds=0.5), pool_size=1)
    author = Author(guest)
    try:
        with pytest.raises(CpuLimitError):
            author.body("while True: await sleep(0)").begin()
    finally:
        author.release()
        guest.close()
