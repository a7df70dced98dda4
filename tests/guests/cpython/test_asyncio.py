"""asyncio as a whole, on the guest's loop."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import Author


def test_task_group(author: Author) -> None:
    """Children run at once and are joined."""
    run = author.body("""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(charge(i)) for i in range(3)]
        return [task.result() for task in tasks]
    """).begin()
    assert run.inputs() == [{"args": [0]}, {"args": [1]}, {"args": [2]}]

    assert run.complete(3, "c").park().complete(1, "a").complete(2, "b").value == ["a", "b", "c"]


def test_gather(author: Author) -> None:
    """Results keep the order of the calls."""
    run = author.body("return await asyncio.gather(charge(1), ship(2))").begin()

    assert run.complete(2, "s").complete(1, "c").value == ["c", "s"]


def test_gather_returns_exceptions(author: Author) -> None:
    """A step's error may be a value."""
    body = "got = await asyncio.gather(charge(1), ship(2), return_exceptions=True); return [str(g) for g in got]"
    run = author.body(body).begin()

    assert run.fail(1, ValueError("no")).complete(2, "s").value == ["no", "s"]


def test_wait_for_the_first(author: Author) -> None:
    """asyncio.wait tells what is done and what is not."""
    run = author.body("""
        tasks = [asyncio.create_task(charge(i), name=str(i)) for i in range(2)]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return [[t.get_name() for t in done], [t.get_name() for t in pending]]
    """).begin()

    assert run.park().complete(2).value == [["1"], ["0"]]


def test_as_completed(author: Author) -> None:
    """Results come in the order of the events."""
    run = author.body("return [await f for f in asyncio.as_completed([charge(1), charge(2)])]").begin()
    second, first = (op.n for op in reversed(run.ops) if op.type == "step")

    assert run.complete(second, "fast").complete(first, "slow").value == ["fast", "slow"]


def test_shield(author: Author) -> None:
    """A shielded step goes on when its awaiter is cancelled."""
    run = author.body("""
        inner = asyncio.create_task(charge(1))
        outer = asyncio.create_task(guard(inner))
        await asyncio.sleep(0)
        outer.cancel()
        return [await inner, outer.cancelled()]
    """, before="""
        async def guard(task):
            await asyncio.shield(task)
    """).begin()  # fmt: skip

    assert run.complete(1, "done").value == ["done", True]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("q = asyncio.Queue(1); t = asyncio.create_task(q.put(1)); return await q.get()", 1),
        ("e = asyncio.Event(); asyncio.get_running_loop().call_soon(e.set); return await e.wait()", True),
        ("lock = asyncio.Lock()\nasync with lock:\n    return lock.locked()", True),
        ("s = asyncio.Semaphore(2)\nasync with s:\n    async with s:\n        return s.locked()", True),
        ("b = asyncio.Barrier(2); t = asyncio.create_task(b.wait()); return sorted([await b.wait(), await t])", [0, 1]),
        (
            """
            c = asyncio.Condition()
            async def tell():
                async with c:
                    c.notify()
            async with c:
                asyncio.create_task(tell())
                return await c.wait()
            """,
            True,
        ),
        ("f = asyncio.get_running_loop().create_future(); f.set_result(1); return await f", 1),
        ("async def agen():\n    yield 1\n    yield 2\nreturn [x async for x in agen()]", [1, 2]),
        ("t = asyncio.current_task(); return [t.get_name(), len(asyncio.all_tasks())]", ["main", 1]),
    ],
    ids=["queue", "event", "lock", "semaphore", "barrier", "condition", "future", "async-generator", "tasks"],
)
def test_primitives(author: Author, body: str, value: object) -> None:
    """What asyncio has for tasks among themselves works without any event."""
    assert author.body(body).begin().value == value


def test_context_variables(author: Author) -> None:
    """Every task has a context of its own, also after sleep."""
    run = author.body("""
        who.set("main")
        async def child():
            who.set("child")
            await charge(1)
            return who.get()
        task = asyncio.create_task(child())
        await ship(2)
        return [await task, who.get()]
    """, before="import contextvars\nwho = contextvars.ContextVar('who')\n").begin()  # fmt: skip

    assert run.park().complete(1).complete(2).value == ["child", "main"]


def test_cancellation_runs_cleanup(author: Author) -> None:
    """A cancelled task may still await steps in its finally block."""
    run = author.body("""
        async def work():
            try:
                await charge(1)
            finally:
                await ship("refund")
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cleaned"
    """).begin()
    assert [op.name for op in run.ops] == ["step//./app.py//charge", "step//./app.py//ship"]

    assert run.complete(2).value == "cleaned"


def test_a_failing_child_cancels_its_group(author: Author) -> None:
    """TaskGroup raises a group, whose members are the steps' own exceptions."""
    run = author.body("""
        got = []
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(charge(1))
                other = group.create_task(ship(2))
        except* ValueError as group:
            got = [str(group.exceptions[0]), other.cancelled()]
        return got
    """).begin()

    assert run.park().fail(1, ValueError("declined")).value == ["declined", True]


def test_swallowing_base_exceptions_harms_nothing(author: Author) -> None:
    """Nothing is raised to suspend, so there is nothing that could be swallowed."""
    run = author.body("""
        got = []
        for i in range(3):
            try:
                got.append(await charge(i))
            except BaseException as error:
                got.append(str(error))
        return got
    """).begin()

    assert run.complete(1, 1).park().fail(2, ValueError("two")).complete(3, 3).value == [1, "two", 3]


def test_an_exception_that_nobody_retrieves_is_logged(author: Author) -> None:
    """A background task does not fail silently."""
    run = author.body("asyncio.create_task(boom()); await asyncio.sleep(1)", before="async def boom(): 1 / 0\n").begin()

    (line,) = run.logs
    assert line.level == "error"
    assert "Task exception was never retrieved" in line.text
    assert 'File "./app.py"' in line.text
    assert "ZeroDivisionError" in line.text


def test_the_rest_ends_with_the_workflow(author: Author) -> None:
    """When the workflow returns, background tasks are over: they ask for nothing, clean up nothing, log nothing."""
    run = author.body(
        """
        for wait in (asyncio.sleep(9), charge(1), asyncio.Event().wait(), hook("t")):
            asyncio.create_task(linger(wait))
        async with asyncio.timeout(60):
            await ship(2)
        return 1
        """,
        before="""
        async def linger(wait):
            try:
                await wait
            finally:
                print("cleanup")
                await charge("cleanup")
        """,
    ).begin()
    run.complete(next(op.n for op in run.ops if op.name.endswith("ship")))

    assert run.value == 1
    assert run.lines == []


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("await asyncio.to_thread(print)", "asyncio.to_thread()"),
        ("await asyncio.get_running_loop().run_in_executor(None, print)", "loop.run_in_executor()"),
        ("asyncio.run(charge)", "asyncio.run()"),
        ("asyncio.get_running_loop().run_until_complete(charge)", "loop.run_until_complete()"),
        ("await asyncio.open_connection('localhost', 80)", "asyncio.open_connection()"),
        ("await asyncio.create_subprocess_exec('ls')", "asyncio.create_subprocess_exec()"),
        ("asyncio.get_running_loop().add_signal_handler(1, print)", "loop.add_signal_handler()"),
        ("asyncio.new_event_loop()", "asyncio.new_event_loop()"),
        ("import threading; threading.Thread(target=print).start()", "threading.Thread"),
        ("import time; time.sleep(1)", "time.sleep()"),
        ("import threading; threading.Event().wait()", "waiting for another thread"),
        ("import queue; queue.Queue().get()", "waiting for another thread"),
        ("import subprocess; subprocess.run(['ls'])", "subprocess"),
        ("import os; os.system('ls')", "os.system()"),
        ("import socket; socket.create_connection(('localhost', 80))", "the network"),
        ("import urllib.request; urllib.request.urlopen('http://localhost')", "the network"),
        ("input()", "input()"),
        ("breakpoint()", "breakpoint()"),
    ],
)
def test_what_there_is_not(author: Author, call: str, named: str) -> None:
    """Threads, sockets, processes, signals and other loops are refused by name, with line and advice."""
    failure = author.body(f"pass\n{call}").begin().failure

    assert type(failure).__name__ == "NotInWorkflowError"
    assert str(failure).startswith(f"{named} cannot be used in a workflow (./app.py:12)")
    assert ";" in str(failure)
