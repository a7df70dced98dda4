"""Python workflows from source text, run in the real VM."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from torpor import codec
from torpor.guests.cpython import CPython
from torpor.programs.python.pydantic import pydantic_package
from torpor.vm.guest import Begin, Delivery, DeliveryType, Evaluation, Image, LogLine, Op, Outbox, Program, TaskStack

BEGAN_AT = 1_700_000_000_000
SEED = bytes(range(32))
LABEL = "./app.py"
WORKFLOW = "workflow//./app.py//main"

HEAD = """\
import asyncio
from torpor import FatalError, Hook, HookConflictError, HookDisposedError, NotInWorkflowError, Torpor
from torpor import current_workflow, hook, sleep
app = Torpor("sqlite:///never.db", runtime="snapshot")
@__torpor_step__("step//./app.py//charge")
async def charge(*args, **kwargs): ...
@__torpor_step__("step//./app.py//ship")
async def ship(*args, **kwargs): ...
"""
"""What the bundler makes of the beginning of a file with two steps."""


def text_of(value: object) -> str:
    """Return a value as the codec text that crosses into the guest."""
    return codec.unpack_devalue(codec.dumps(value))


def value_of(text: str | None) -> Any:
    """Return the value of a codec text that came out of the guest."""
    assert text is not None
    return codec.loads(codec.pack_devalue(text))


def first_argument(step_input: str) -> str:
    """Return the first and only argument of a step as codec text, without reading it: its class is only inside."""
    head, argument = '{"args":1},[2],', json.loads(step_input.removeprefix("devl"))[2:]
    assert head in step_input
    return "devl" + json.dumps([_moved(element, -2) for element in argument])


def _moved(element: Any, by: int) -> Any:
    """Return an element of a flat array with the indexes in it changed."""
    if isinstance(element, dict):
        return {key: at + by for key, at in element.items()}
    if isinstance(element, list):
        return [at + by if isinstance(at, int) else at for at in element]
    return element


class Run:
    """
    A run in a leased VM, driven by hand.

    Attributes:
        ops: what was asked for so far.
        logs: lines written so far.
        last: the newest outbox.
        now: time of the newest event.
    """

    def __init__(self, guest: CPython, image: Image) -> None:
        self._guest, self.image = guest, image
        self._seed = SEED
        self.vm = guest.lease(image)
        self.now = BEGAN_AT
        self.ops: list[Op] = []
        self.logs: list[LogLine] = []
        self.last = Outbox()

    def begin(self, *args: object, seed: bytes = SEED, run_id: str = "wrun_1") -> Run:
        self._seed = seed
        (name,) = self.image.program.workflows
        return self._took(self.vm.begin(Begin(run_id, name, text_of(list(args)), seed, BEGAN_AT, "https://a.example")))

    def deliver(self, *inbox: Delivery) -> Run:
        return self._took(self.vm.deliver(inbox))

    def complete(self, op: int, value: object = None) -> Run:
        """Deliver a step's result."""
        return self.deliver(self.event("step_completed", op, value=text_of(value)))

    def fail(self, op: int, error: object) -> Run:
        """Deliver a step's error."""
        return self.deliver(self.event("step_failed", op, error=text_of(error)))

    def wake(self, op: int, after_ms: int = 0) -> Run:
        """End a wait, *after_ms* later than the event before."""
        self.now += after_ms
        return self.deliver(self.event("wait_completed", op))

    def receive(self, *payloads: object, op: int = 1) -> Run:
        """Hand payloads to a hook, all in one call."""
        return self.deliver(*(self.event("hook_received", op, value=text_of(payload)) for payload in payloads))

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
        self.now += 1
        return Delivery(kind, op, self.now, value, error, owner)

    def park(self) -> Run:
        """Put the run to sleep and wake it in another VM."""
        snapshot = self.vm.snapshot()
        self.vm.release()
        self.vm = self._guest.lease(self.image)
        self.vm.restore(snapshot, self._seed)
        return self

    def stack(self) -> list[TaskStack]:
        return self.vm.stack()

    def evaluate(self, source: str) -> Evaluation:
        return self.vm.evaluate(source)

    @property
    def status(self) -> str:
        return self.last.status

    @property
    def value(self) -> Any:
        assert self.last.status == "completed", (self.last, self.last.error and self.failure)
        return value_of(self.last.value)

    @property
    def failure(self) -> Any:
        assert self.last.status == "failed", self.last
        return value_of(self.last.error)

    @property
    def lines(self) -> list[str]:
        return [line.text for line in self.logs]

    def inputs(self) -> list[Any]:
        """Return what was given with each op that has an input."""
        return [value_of(op.input) for op in self.ops if op.input is not None]

    def _took(self, outbox: Outbox) -> Run:
        self.last = outbox
        self.ops += outbox.ops
        self.logs += outbox.logs
        return self


class Author:
    """Writes programs as the bundler makes them, loads them, and starts runs of them."""

    def __init__(self, guest: CPython) -> None:
        self._guest = guest
        self._runs: list[Run] = []

    def program(self, files: dict[str, str], *, absent: dict[str, str] | None = None) -> Program:
        """Return the program of these files, whose first one defines the workflow ``main``."""
        modules = {_dotted(label): label for label in files}
        entry = next(iter(modules))
        texts = {label: textwrap.dedent(text) for label, text in files.items()}
        if any("pydantic" in text for text in texts.values()):
            ported = pydantic_package()
            texts, modules = texts | ported.files, ported.modules | modules
        return Program(
            guest="cpython",
            build=self._guest.build,
            files=texts,
            entries=[entry],
            workflows={WORKFLOW: (entry, "main")},
            modules=modules,
            absent=absent or {},
        )

    def load(self, text: str, *, absent: dict[str, str] | None = None, **more: str) -> Image:
        """Load one file, and more by dotted name in keywords with ``__`` for dots."""
        others = {f"./{name.replace('__', '/')}.py": other for name, other in more.items()}
        return self._guest.load(self.program({LABEL: text, **others}, absent=absent))

    def run(self, image: Image) -> Run:
        """Return a run of a loaded program, not begun."""
        self._runs.append(Run(self._guest, image))
        return self._runs[-1]

    def body(self, body: str, *, before: str = "", parameters: str = "", absent: dict[str, str] | None = None) -> Run:
        """Return a run, not begun, of one workflow function with this body; *before* stands at module level."""
        indented = textwrap.indent(textwrap.dedent(body).strip(), "    ")
        workflow = f'@__torpor_workflow__("{WORKFLOW}")\nasync def main({parameters}):\n{indented}\n'
        return self.run(self.load(HEAD + textwrap.dedent(before) + workflow, absent=absent))

    def release(self) -> None:
        for run in self._runs:
            run.vm.release()


def _dotted(label: str) -> str:
    return label.removeprefix("./").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests with the full guest, too, if that is asked for."""
    if "guest" in metafunc.fixturenames and metafunc.config.getoption("--full"):
        metafunc.parametrize("guest", ["slim", "full"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def guest(request: pytest.FixtureRequest) -> Iterator[CPython]:
    """One guest for all tests; booting it takes longer than any of them."""
    guest = CPython(pool_size=4, full=getattr(request, "param", "slim") == "full")
    yield guest
    guest.close()


@pytest.fixture
def author(guest: CPython) -> Iterator[Author]:
    """An author whose runs are released at the end."""
    author = Author(guest)
    yield author
    author.release()
