"""What can be seen of a parked Python run: the stacks of its tasks, and a prompt inside a copy of it."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import LABEL, Author, Run

NESTED = """
async def outer(order):
    secret = {"order": order, "n": [1, 2, 3]}
    async with asyncio.TaskGroup() as group:
        group.create_task(inner("a"), name="inner-a")
        group.create_task(inner("b"), name="inner-b")
    return secret

async def inner(name):
    result = await charge(name)
    return result
"""


def by_name(run: Run) -> dict[str, str]:
    """Return what each task waits for."""
    return {task.name: task.waits_for for task in run.stack()}


def test_nested_task_groups(author: Author) -> None:
    """Every task has its name, its parent, what it waits for, and the author's frames with their variables."""
    run = author.body("await outer('o-1')", before=NESTED).begin().park()
    main, first, second = run.stack()

    assert [(t.name, t.parent, t.waits_for) for t in (main, first, second)] == [
        ("main", "", "TaskGroup of inner-a, inner-b"),
        ("inner-a", "main", "step charge (op 1)"),
        ("inner-b", "main", "step charge (op 2)"),
    ]
    assert [(f.function, f.file, f.source) for f in main.frames] == [
        ("main", LABEL, "await outer('o-1')"),
        ("outer", LABEL, "async with asyncio.TaskGroup() as group:"),
    ]
    variables = {v.name: v.value for v in main.frames[1].variables}
    assert variables["order"] == "'o-1'"
    assert variables["secret"] == "{'n': [1, 2, 3], 'order': 'o-1'}"
    assert first.frames[0].line == 18


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        ("await charge(1)", "step charge (op 1)"),
        ("await sleep('1h')", "sleep until 2023-11-14T23:13:20.000Z (op 1)"),
        ("await hook('tok')", "hook 'tok' (op 1)"),
        ("async for _ in hook('tok'): pass", "hook 'tok' (op 1)"),
        ("await hook('tok').conflict()", "hook 'tok' (op 1)"),
        ("await asyncio.Queue().get()", "Queue.get()"),
        ("await asyncio.Event().wait()", "Event.wait()"),
        ("await asyncio.create_task(charge(1), name='t')", "task t"),
        ("await asyncio.gather(charge(1), ship(2))", "gather of Task-1, Task-2"),
        ("await asyncio.wait([asyncio.create_task(charge(1), name='t')])", "wait for t"),
        ("await asyncio.wait_for(charge(1), 5)", "step charge (op 1)"),
        ("await asyncio.get_running_loop().create_future()", "a future"),
        ("await app.run('wrun_c').result()", "the end of run wrun_c (op 1)"),
    ],
)
def test_what_a_task_waits_for(author: Author, wait: str, told: str) -> None:
    """Whatever the innermost frame awaits is told in words."""
    assert by_name(author.body(wait).begin().park())["main"] == told


def test_parents_of_gathered_tasks(author: Author) -> None:
    """Who gathers is the parent."""
    run = author.body("await asyncio.gather(charge(1), ship(2))").begin()

    assert {task.parent for task in run.stack()[1:]} == {"main"}


def test_async_generators_are_part_of_the_stack(author: Author) -> None:
    """Frames are found through async for."""
    before = "async def pages():\n    while True:\n        yield await charge('page')\n"
    (task,) = author.body("async for page in pages(): pass", before=before).begin().stack()

    assert [frame.function for frame in task.frames] == ["main", "pages"]


def test_reprs_are_short_and_may_fail(author: Author) -> None:
    """Large values are cut, and a repr that raises is told."""
    before = "class Bad:\n    def __repr__(self): raise ValueError\n"
    (task,) = (
        author.body("x, y, z = 'x' * 10_000, Bad(), list(range(1000)); await charge(1)", before=before).begin().stack()
    )
    values = {v.name: v.value for v in task.frames[0].variables}

    assert len(values["x"]) <= 200
    assert values["y"] == "<Bad whose repr() raised ValueError>"
    assert values["z"] == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"


def test_looking_does_not_wake(author: Author) -> None:
    """The run that was looked at goes on from its snapshot as if nobody had."""
    run = author.body("return await charge(1)").begin()
    snapshot = run.vm.snapshot()
    run.stack()
    run.vm.release()
    run.vm = author._guest.lease(run.image)
    run.vm.restore(snapshot, bytes(range(32)))

    assert run.complete(1, "on").value == "on"


def test_prompt(author: Author) -> None:
    """Expressions, statements, the workflow's variables, its module, its tasks and the last value."""
    run = author.body("order = {'id': 7}; await outer('o')", before="RATE = 19\n" + NESTED).begin().park()

    assert run.evaluate("secret['order']").text == "'o'"
    assert run.evaluate("RATE + 1").text == "20"
    assert run.evaluate("_ * 2").text == "40"
    assert run.evaluate("x = 1\nprint(x, order)").text == "1 o"
    assert run.evaluate("x").text == "1"
    assert run.evaluate("sorted(tasks)").text == "['inner-a', 'inner-b', 'main']"
    assert run.evaluate("def f():\n    return x + 1\n\nf()").text == "2"
    assert run.evaluate("None").text == ""


def test_prompt_wants_more(author: Author) -> None:
    """The beginning of a statement is not an error."""
    run = author.body("await charge(1)").begin()

    assert run.evaluate("for i in range(2):").incomplete
    assert not run.evaluate("for i in range(2):\n    print(i)\n").incomplete


def test_prompt_errors(author: Author) -> None:
    """An exception is told with its traceback, a wrong input with its place, and await with a hint."""
    run = author.body("await charge(1)").begin()

    assert run.evaluate("1 / 0").text.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "<torpor>" not in run.evaluate("1 / 0").text
    assert "SyntaxError" in run.evaluate("1 +* 2").text
    assert run.evaluate("await charge(1)").text.startswith("await cannot be used here")
    assert run.evaluate("exit(3)").text.splitlines()[-1].startswith(("SystemExit", "NameError"))
