"""Guest code is ended from outside, and its VM is freed only then."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.guests.cpython.support import python, python_program
from tests.guests.quickjs.support import guest, program, run_to_end
from tests.guests.support import begin, instance_of
from torpor.errors import VmInterruptedError
from torpor.vm.guest import Vm
from torpor.vm.interrupts import obey

PATIENCE = 30
SPIN = "export async function main() { for (;;); }"


@pytest.fixture(params=["quickjs", "cpython"])
def spinning(request: pytest.FixtureRequest, backend: str) -> Vm:
    """A VM, of either language, whose workflow `main` never returns."""
    if request.param == "quickjs":
        js = guest(backend)
        return js.lease(js.load(program(SPIN)))
    py = python(backend)
    return py.lease(py.load(python_program("async def main():\n    while True: pass\n")))


class Spinner:
    """A thread that runs `main` of a VM, and what came of it."""

    def __init__(self, vm: Vm, stopped: Callable[[], bool] = lambda: False) -> None:
        self.problem: BaseException | None = None
        self.begun = threading.Event()
        self._vm, self._stopped = vm, stopped
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> BaseException | None:
        """Return what ended the guest code."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.problem

    def _run(self) -> None:
        obey(self._obeyed)
        try:
            begin(self._vm, "main")
        except BaseException as problem:  # noqa: BLE001  # it is looked at
            self.problem = problem

    def _obeyed(self) -> bool:
        if instance_of(self._vm).engine.ticker._running:  # asked before the guest code began, too
            self.begun.set()
        return self._stopped()


def test_guest_code_ends_when_its_thread_shall_stop(spinning: Vm) -> None:
    """
    An endless loop ends soon after its thread is told to stop, with an error that is not the run's.
    """
    stop = threading.Event()
    spinner = Spinner(spinning, stop.is_set)
    assert spinner.begun.wait(PATIENCE)
    stop.set()

    assert isinstance(spinner.join(), VmInterruptedError)
    spinning.release()


def test_a_vm_that_runs_is_given_back_when_it_has_ended(spinning: Vm) -> None:
    """
    Releasing a VM that another thread runs ends its guest code first; afterwards it is closed and not used again.
    """
    instance = instance_of(spinning)
    spinner = Spinner(spinning)
    assert spinner.begun.wait(PATIENCE)
    spinning.release()

    assert isinstance(spinner.join(), VmInterruptedError)
    assert instance.memory.reserved == 0


def test_nothing_begins_in_a_thread_that_shall_stop(spinning: Vm) -> None:
    """
    Guest code is not even entered; the VM stays usable.
    """
    obey(lambda: True)
    try:
        with pytest.raises(VmInterruptedError):
            begin(spinning, "main")
    finally:
        obey(lambda: False)

    assert not instance_of(spinning).broken
    spinning.release()


def test_other_vms_go_on(backend: str) -> None:
    """
    Stopping one VM leaves the others of its guest alone.
    """
    js = guest(backend)
    vm = js.lease(js.load(program(SPIN)))
    spinner = Spinner(vm)
    assert spinner.begun.wait(PATIENCE)
    vm.release()
    spinner.join()

    assert run_to_end(js, "export async function main() { return 1; }") == 1
