"""A guest by model: programs are :class:`~.script.Script`, a VM is the state of one, a snapshot its encoding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from torpor import codec
from torpor.errors import ConfigurationError, SnapshotError
from torpor.testing.simulation.nodes import Node
from torpor.testing.simulation.script import Script
from torpor.vm.guest import (
    NOTHING_ASKED,
    Answer,
    Begin,
    Delivery,
    Evaluation,
    Image,
    LogLine,
    Op,
    OpType,
    Outbox,
    Program,
    TaskStack,
    program_bytes,
)
from torpor.vm.manifest import HEARS, BuildFiles, Manifest, build_of, manifest_bytes

NAME: Final = "model"
MODULE: Final = "scripts"

CLEANUP: Final = Script(
    "sequence", inside=(Script("step", "quick", 1), Script("sleep", number=20), Script("step", "flaky", 2))
)
"""What every program does when its run is cancelled."""

_ANSWERS_ONCE = frozenset(("step_completed", "step_failed", "wait_completed", "hook_created", "hook_conflict"))


class State(msgspec.Struct):
    """
    All that a VM knows.

    Attributes:
        run_id: of the run.
        root: its program, on its way.
        clock: the guest's.
        ops, logs, draws: how many there were.
        answered: ops that have had the one answer that they get.
        mail: messages that nobody has taken, by mailbox.
        received: how many were taken.
        cleanup: what it does because the run is cancelled, None before.
    """

    run_id: str
    root: Node
    clock: int
    ops: int = 0
    logs: int = 0
    draws: int = 0
    answered: list[int] = []
    mail: dict[str, list[str]] = {}
    received: int = 0
    cleanup: Node | None = None


def write_program(scripts: Mapping[str, Script], steps: Mapping[str, str], build: str) -> Program:
    """Return the program that has these workflows and may call these steps, given with their signatures."""
    text = msgspec.json.encode(scripts).decode()
    return Program(NAME, build, {MODULE: text}, [MODULE], {name: (MODULE, name) for name in scripts}, steps=dict(steps))


class ModelImage:
    """A program that is ready to run in a guest build."""

    def __init__(self, program: Program, build: str) -> None:
        self.program = program
        self.per_run: str | None = None
        self.hash = hashlib.sha256(build.encode() + program_bytes(program)).hexdigest()
        self.scripts = msgspec.json.decode(program.files[MODULE], type=dict[str, Script])

    def to_bytes(self) -> bytes:
        return self.hash.encode()


class ModelVm:
    """
    A VM by model.

    Args:
        image: the program.
        complain: told what no log can deliver.
    """

    def __init__(self, image: ModelImage, complain: Callable[[str], None]) -> None:
        self._image = image
        self._complain = complain
        self._state: State | None = None
        self.seed = b""
        self._ops: list[Op] = []
        self._lines: list[LogLine] = []
        self._left: list[int] = []
        self._thrown = False

    @property
    def state(self) -> State:
        """What it knows now."""
        assert self._state is not None, "it was begun or restored"
        return self._state

    # What an engine asks

    def bound(self, *, cpu_seconds: float | None = None, memory_bytes: int | None = None) -> None:
        """Do nothing: models take neither time nor memory."""

    def begin(self, begin: Begin) -> Outbox:
        self.seed = begin.seed
        self._state = State(begin.run_id, Node(self._image.scripts[begin.workflow]), begin.at)
        self.state.root.start(self)
        return self._outbox()

    def deliver(self, inbox: Sequence[Delivery]) -> Outbox:
        state = self.state
        for delivery in inbox:
            if self._thrown or self._is_done(state):
                break
            state.clock = max(state.clock, delivery.at)
            if delivery.type == "run_cancelling":
                self._cancel(state)
                continue
            if delivery.type == "run_forked":
                state.run_id = codec.loads((delivery.value or "").encode())["id"]
                continue
            self._check(state, delivery)
            if delivery.type == "message_sent":
                message = codec.loads((delivery.value or "").encode())
                state.mail.setdefault(delivery.name or "", []).append(message)
            (state.cleanup or state.root).deliver(self, delivery)
        return self._outbox()

    def snapshot(self) -> bytes:
        return msgspec.json.encode(self.state)

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        try:
            self._state = msgspec.json.decode(snapshot, type=State)
        except msgspec.DecodeError as error:
            raise SnapshotError(f"a snapshot of a model is damaged: {error}") from error
        self.seed = seed

    def reseed(self, seed: bytes) -> None:
        self.seed = seed

    def stack(self, asked: Mapping[int, str] = NOTHING_ASKED) -> list[TaskStack]:
        raise ConfigurationError("a model has no stack")

    def watch(self) -> None:
        """A model knows what it does."""

    def query(self, name: str, args: str) -> Answer:
        raise ConfigurationError("a model answers nothing")

    def evaluate(self, source: str) -> Evaluation:
        raise ConfigurationError("a model evaluates nothing")

    def release(self) -> None:
        """Do nothing: there is nothing to give back."""

    # What a program asks

    @property
    def run_id(self) -> str:
        return self.state.run_id

    @property
    def clock(self) -> int:
        return self.state.clock

    def draw(self) -> int:
        self.state.draws += 1
        return int.from_bytes(hashlib.blake2b(self.seed + self.state.draws.to_bytes(4), digest_size=3).digest())

    def ask(
        self, kind: OpType, *, name: str = "", given: object = None, due: int = 0, target: int = 0, watch: str = ""
    ) -> int:
        state = self.state
        state.ops += 1
        text = None if given is None else _text(given)
        self._ops.append(Op(state.ops, kind, state.clock, name=name, input=text, due=due, target=target, watch=watch))
        return state.ops

    def take(self, mailbox: str) -> Any:
        messages = self.state.mail.get(mailbox)
        if not messages:
            return None
        self.state.received += 1
        return messages.pop(0)

    def log(self, text: str) -> None:
        self.state.logs += 1
        self._lines.append(LogLine(self.state.logs, self.state.clock, "info", text))

    def leave(self, op: int) -> None:
        self._left.append(op)

    def throw(self) -> None:
        self._thrown = True

    # Within

    def _cancel(self, state: State) -> None:
        """Give up what the program waits for, and clean up."""
        if state.cleanup is not None:
            self._complain(f"{state.run_id}: it is cancelled twice")
            return
        state.root.abandon(self, gives_up_steps=True)
        state.cleanup = Node(CLEANUP)
        state.cleanup.start(self)

    @staticmethod
    def _is_done(state: State) -> bool:
        return state.root.done if state.cleanup is None else state.cleanup.done

    def _check(self, state: State, delivery: Delivery) -> None:
        """Complain of what no sound log delivers."""
        if delivery.type == "message_sent":
            return
        if not 0 < delivery.op <= state.ops:
            self._complain(f"{state.run_id}: {delivery.type} for op {delivery.op}, of {state.ops} that were asked for")
        if delivery.type in _ANSWERS_ONCE:
            if delivery.op in state.answered:
                self._complain(f"{state.run_id}: op {delivery.op} is answered twice, now by {delivery.type}")
            state.answered.append(delivery.op)
        elif delivery.op not in state.answered:
            self._complain(f"{state.run_id}: hook of op {delivery.op} receives before it is made")

    def _outbox(self) -> Outbox:
        root = self.state.root
        ops, self._ops = self._ops, []
        lines, self._lines = self._lines, []
        left, self._left = self._left, []
        told = Outbox(ops, lines, left=left, received=self.state.received)
        if self._thrown:
            return replace(told, status="failed", error=_text({"message": "the program throws"}))
        cleanup = self.state.cleanup
        if cleanup is not None:
            return replace(told, status="cancelled" if cleanup.done else "pending")
        if root.done:
            return replace(told, status="completed", value=_text(root.result))
        return replace(told, awaits_ack=root.awaits_ack, receiving=root.receiving)


class ModelGuest:
    """
    The guest.

    Args:
        version: makes one build differ from another.
        complain: told what no log can deliver.
    """

    name = NAME

    def __init__(self, version: int, complain: Callable[[str], None] = lambda _: None) -> None:
        self.hears = HEARS if version > 1 else ()  # what is older cannot be told
        self.manifest = manifest_bytes(Manifest(NAME, version, {}, hears=list(self.hears)))
        self.build = build_of(self.manifest)
        self._complain = complain

    @property
    def files(self) -> BuildFiles:
        return _NoFiles()

    def prepare(self) -> None:
        """Do nothing."""

    def retire(self) -> None:
        """Do nothing."""

    def load(self, program: Program, *, cpu_seconds: float | None = None) -> ModelImage:  # models take none
        return ModelImage(program, self.build)

    def revive(self, data: bytes, program: Program) -> ModelImage:
        image = ModelImage(program, self.build)
        if image.to_bytes() != data:
            raise SnapshotError("the image is another program's")
        return image

    def lease(self, image: Image) -> ModelVm:
        assert isinstance(image, ModelImage), "models run models"
        return ModelVm(image, self._complain)


class _NoFiles:
    """A build without files."""

    def read(self, name: str) -> memoryview:
        raise ConfigurationError(f"a model has no file {name}")

    def map(self, name: str) -> memoryview:
        raise ConfigurationError(f"a model has no file {name}")

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        raise ConfigurationError(f"a model has no file {name}")


def _text(value: object) -> str:
    return codec.dumps(value).decode()
