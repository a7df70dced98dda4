"""The stack that CPython's C code has: deep code compiles, and what recurses in small steps ends by itself in time."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import Author
from tests.guests.support import instance_of
from torpor.guests.cpython.c_stack import limits, limits_at

BRANCHES = "".join(f"    elif n == {n}: return {n}\n" for n in range(400))


@pytest.mark.parametrize(
    ("module", "value"),
    [
        (f"def main(n):\n    if n < 0: return n\n{BRANCHES}VALUE = main(399)\n", 399),
        (f"VALUE = {' + '.join(map(str, range(1500)))}\n", 1124250),
        (f"VALUE = 'X'{'.lower()' * 600}\n", "x"),
        ("".join(f"{' ' * n}if True:\n" for n in range(90)) + f"{' ' * 90}VALUE = 1\n", 1),
        (f"VALUE = sum({'[sum(' * 19}[1]{') for _ in [1]]' * 19})\n", 1),
    ],
    ids=["branches", "sum", "calls", "blocks", "comprehensions"],
)
def test_modules_whose_code_is_nested_deep(author: Author, module: str, value: object) -> None:
    """They load as elsewhere, at the beginning and when a run imports them late."""
    head, import_ = "@__torpor_workflow__('workflow//./app.py//main')\nasync def main():", "from deep import VALUE"
    program, late = f"{import_}\n{head} return VALUE\n", f"{head}\n    {import_}\n    return VALUE\n"

    for text in (program, late):
        assert author.run(author.load(text, deep=module)).begin().value == value


def test_what_recurses_in_small_steps_is_ended_by_python(author: Author) -> None:
    """The larger stack is the compiler's alone."""
    body = """
    nested = []
    for _ in range(100_000): nested = [nested]
    KEPT.append(nested)
    try: repr(nested)
    except RecursionError: return "too deep"
    """
    image = author.body(body, before="KEPT = []\n" + "VALUE = " + "+".join("1" * 1000) + "\n")

    assert image.begin().value == "too deep"


def test_a_limit_that_is_not_found_is_left_alone(author: Author) -> None:
    """A guest that keeps it elsewhere has the stack that it was compiled for."""
    run = author.body("await charge(1)").begin()
    instance = instance_of(run.vm)
    at = limits_at(instance.memory.read, instance.dead_bytes)

    assert at is not None
    assert instance.memory.read(at, 8) == limits(instance.dead_bytes, compiling=False)
    instance.memory.write(at, bytes(8))
    assert limits_at(instance.memory.read, instance.dead_bytes) is None
