"""
The host of the workflow in ``inside.py``: answers its steps and waits, and begins anew after a test that ended its VM.

Time is virtual: a wait ends at once, and the run's clock stands where it was to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from conformance.modules import WORKFLOW, data_of, parts_of, program_of
from torpor import codec
from torpor.errors import VmError
from torpor.guests.cpython import CPython, Limits
from torpor.limits import MIB
from torpor.vm.guest import Begin, Delivery, Image, Outbox, Vm

LIMITS: Final = Limits(memory_bytes=512 * MIB, cpu_seconds=10)
_BEGAN_AT: Final = 1_800_000_000_000
_SEED: Final = bytes(range(32))
_WHOLE: Final = "(module)"


class Outcome(NamedTuple):
    """What became of a test: ``passed``, ``skipped``, ``failed``, or ``ended`` when its VM was ended by it."""

    test: str
    outcome: str
    detail: str = ""


def outcomes(guest: CPython, folder: Path, module: str) -> Iterator[Outcome]:
    """
    Run the tests of a module in the guest and yield what becomes of each.

    Args:
        guest: runs them.
        folder: where CPython's package ``test`` lies.
        module: dotted name, such as ``test.test_json``.
    """
    image = guest.load(program_of(folder, module, guest.build))
    parts, data, done = parts_of(folder, module), data_of(folder, module), list[str]()
    while True:
        run = _Run(guest, image, [parts, data], done)
        yield from run.outcomes()
        if run.ended is None:
            return
        current, detail = run.ended
        yield Outcome(current or f"{module}.{_WHOLE}", "ended", detail)
        if not current:
            return
        done = [*run.done, current]


class _Run:
    """One VM, up to the end of the module or of the VM."""

    def __init__(self, guest: CPython, image: Image, what: list[Any], done: list[str]) -> None:
        self._guest, self._image, self._what = guest, image, what
        self.done = list(done)
        self.ended: tuple[str, str] | None = None
        self._current = ""
        self._waits: dict[int, int] = {}
        self._now = _BEGAN_AT

    def outcomes(self) -> Iterator[Outcome]:
        vm = self._guest.lease(self._image)
        try:
            args = codec.unpack_devalue(codec.dumps([*self._what, self.done]))
            yield from self._driven(vm, vm.begin(Begin("wrun_1", WORKFLOW, args, _SEED, self._now)))
        except VmError as error:
            self.ended = self._current, f"{type(error).__name__}: {error}".partition("\n")[0]
        finally:
            vm.release()

    def _driven(self, vm: Vm, out: Outbox) -> Iterator[Outcome]:
        while out.status == "pending":
            told = None
            for op in out.ops:
                if op.type == "step":
                    told = op
                elif op.type == "wait":
                    self._waits[op.n] = op.due
            for number in out.left:
                self._waits.pop(number, None)
            if told is not None:
                assert told.input is not None
                yield from self._told(codec.loads(codec.pack_devalue(told.input))["args"])
                answer = Delivery("step_completed", told.n, self._now, codec.unpack_devalue(codec.dumps(None)))
            elif self._waits:
                number, due = min(self._waits.items(), key=lambda item: item[1])
                del self._waits[number]
                self._now = max(self._now, due)
                answer = Delivery("wait_completed", number, self._now)
            else:
                self.ended = self._current, "the test waits for something that cannot come"
                return
            out = vm.deliver([answer])
        if out.status == "failed":
            assert out.error is not None
            raised = codec.loads(codec.pack_devalue(out.error))
            self.ended = self._current, f"{type(raised).__name__}: {raised}"

    def _told(self, args: list[Any]) -> Iterator[Outcome]:
        self._current, taken = args
        if taken is not None:
            self.done.append(taken[0])
            yield Outcome(*taken)
