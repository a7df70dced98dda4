"""Workflows from source text, run in the real VM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.guests.support import instance_of
from torpor import codec
from torpor.guests.quickjs import QuickJS
from torpor.programs.javascript.builder import build_program
from torpor.vm.guest import (
    NOTHING_ASKED,
    Begin,
    Delivery,
    DeliveryType,
    Image,
    LogLine,
    Op,
    Outbox,
    Program,
    TaskStack,
)

STEPS = ("charge", "ship")
BEGAN_AT = 1_700_000_000_000
SEED = bytes(range(32))


def text_of(value: object) -> str:
    """Return a value as the codec text that crosses into the guest."""
    return codec.unpack_devalue(codec.dumps(value))


def value_of(text: str | None) -> Any:
    """Return the value of a codec text that came out of the guest."""
    assert text is not None
    return codec.loads(codec.pack_devalue(text))


class Run:
    """
    A run in a leased VM, driven by hand.

    Attributes:
        ops: what was asked for so far.
        logs: lines written so far.
        last: the newest outbox.
    """

    def __init__(self, guest: QuickJS, image: Image) -> None:
        self._guest, self._image = guest, image
        self._vm = guest.lease(image)
        self._at = BEGAN_AT
        self.ops: list[Op] = []
        self.logs: list[LogLine] = []
        self.last = Outbox()

    def begin(self, *args: object, workflow: str = "", seed: bytes = SEED, run_id: str = "wrun_1") -> Run:
        name = next(
            name for name in self._image.program.workflows if name.endswith(f"//{workflow}" if workflow else "")
        )
        return self.start(Begin(run_id, name, text_of(list(args)), seed, BEGAN_AT, "https://host.example"))

    def start(self, begin: Begin) -> Run:
        return self._took(self._vm.begin(begin))

    def deliver(self, *inbox: Delivery) -> Run:
        return self._took(self._vm.deliver(inbox))

    def complete(self, op: int, value: object = None) -> Run:
        """Deliver a step's result."""
        return self.deliver(self.event("step_completed", op, value=text_of(value)))

    def fail(self, op: int, error: BaseException) -> Run:
        """Deliver a step's failure."""
        return self.deliver(self.event("step_failed", op, error=text_of(error)))

    def wake(self, op: int, after_ms: int = 0) -> Run:
        """End a wait, *after_ms* later than the event before."""
        self._at += after_ms
        return self.deliver(self.event("wait_completed", op))

    def event(
        self,
        kind: DeliveryType,
        op: int,
        *,
        value: str | None = None,
        error: str | None = None,
        owner: str | None = None,
    ) -> Delivery:
        """Return a delivery one millisecond after the event before."""
        self._at += 1
        return Delivery(kind, op, self._at, value, error, owner)

    def park(self) -> Run:
        """Put the run to sleep and wake it in another VM."""
        snapshot = self._vm.snapshot()
        self._vm.release()
        self._vm = self._guest.lease(self._image)
        self._vm.restore(snapshot, SEED)
        return self

    def stack(self, asked: Mapping[int, str] = NOTHING_ASKED) -> list[TaskStack]:
        return self._vm.stack(asked)

    def watch(self) -> Run:
        """Look where errors are made from now on."""
        self._vm.watch()
        return self

    def state(self) -> bytes:
        """Return all that a snapshot keeps of the VM."""
        return self._vm.snapshot()

    @property
    def heap(self) -> tuple[bytearray, int]:
        """A copy of the VM's memory, and the address of the engine's context in it."""
        instance = instance_of(self._vm)
        return bytearray(instance.memory.read(0, instance.memory.size)), instance.heap().context

    @property
    def now(self) -> int:
        return self._at

    @property
    def status(self) -> str:
        return self.last.status

    @property
    def value(self) -> Any:
        assert self.last.status == "completed", self.failure
        return value_of(self.last.value)

    @property
    def failure(self) -> Any:
        assert self.last.status == "failed", self.last
        return value_of(self.last.error)

    @property
    def lines(self) -> list[str]:
        return [line.text for line in self.logs]

    def release(self) -> None:
        self._vm.release()

    def _took(self, outbox: Outbox) -> Run:
        self.last = outbox
        self.ops += outbox.ops
        self.logs += outbox.logs
        return self


class Author:
    """Writes files, builds and loads programs, and starts runs of them."""

    def __init__(self, guest: QuickJS, root: Path) -> None:
        self._guest, self.root = guest, root
        self._runs: list[Run] = []

    def program(self, files: dict[str, str], *given: str) -> Program:
        for name, text in {"orders.py": "", **files}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        chosen = [Path(name) for name in given or [next(iter(files))]]
        build = self._guest.build
        return build_program(self.root, chosen, steps_of=lambda _: STEPS, signature_of=lambda _: "", build=build)

    @staticmethod
    def value_of(text: str | None) -> Any:
        """Return the value of a codec text."""
        return value_of(text)

    def load(self, files: dict[str, str] | str, *given: str) -> Image:
        return self._guest.load(self.program({"flow.js": files} if isinstance(files, str) else files, *given))

    def run(self, files: dict[str, str] | str | Image) -> Run:
        image = self.load(files) if isinstance(files, dict | str) else files
        self._runs.append(Run(self._guest, image))
        return self._runs[-1]

    def body(self, body: str, *, imports: str = "sleep, createHook, getWorkflowMetadata, FatalError") -> Run:
        """Return a run, not begun, of one workflow function with this body and the parameter ``input``."""
        lines = [
            f'import {{ {imports} }} from "workflow";',
            'import { charge, ship } from "./orders.py";',
            f'export async function main(input) {{ "use workflow"; {body} }}',
        ]
        return self.run("\n".join(lines))

    def release(self) -> None:
        for run in self._runs:
            run.release()


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickJS]:
    """One guest for all tests; compiling it takes longer than any of them."""
    guest = QuickJS(cache_dir=tmp_path_factory.mktemp("wasm"), pool_size=8)
    yield guest
    guest.close()


@pytest.fixture
def author(guest: QuickJS, tmp_path: Path) -> Iterator[Author]:
    """An author with an empty project."""
    author = Author(guest, tmp_path)
    yield author
    author.release()
