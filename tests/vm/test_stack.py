"""Guest code needs a thread with enough stack."""

from __future__ import annotations

import threading

import pytest

from tests.guests.quickjs.support import guest, program
from tests.guests.support import begin, result
from torpor.errors import ConfigurationError
from torpor.vm.stack import stack_bytes

DEEP = """
export async function main() {
  let data = []; for (let i = 0; i < 3000; i++) data = [data];
  const f = () => f();
  try { f(); } catch (e) { return [e.name, JSON.stringify(data).length]; }
}"""


def in_thread(stack: int) -> object:
    """Run a deep workflow in a thread with a stack of this size; return its result or what was raised."""
    js = guest("portable")
    image = js.load(program(DEEP))
    found: list[object] = []

    def work() -> None:
        vm = js.lease(image)
        try:
            found.append(result(begin(vm, "main")))
        except BaseException as problem:  # noqa: BLE001  # shown to the test
            found.append(problem)
        finally:
            vm.release()

    previous = threading.stack_size(stack)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    return found[0]


def test_the_stack_of_a_thread_is_known() -> None:
    """
    Linux tells how large a thread's stack is.
    """
    size = stack_bytes()

    assert size is not None
    assert size > 1 << 20


def test_a_thread_with_little_stack_is_refused() -> None:
    """
    Rather than risk the process, a thread with a small stack gets an error that says what to do.
    """
    problem = in_thread(1 << 20)

    assert isinstance(problem, ConfigurationError)
    assert "threading.stack_size" in str(problem)


@pytest.mark.parametrize("stack", [5 << 20, 16 << 20])
def test_a_thread_with_enough_stack_runs_deep_code(stack: int) -> None:
    """
    With the stack that is asked for, the deepest recursion ends as an error inside JavaScript.
    """
    assert in_thread(stack) == ["RangeError", 6002]
