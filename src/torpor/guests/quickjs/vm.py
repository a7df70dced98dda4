"""A QuickJS VM: one run's workflow, from its beginning or from a snapshot, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

import msgspec

from torpor.codec.errors import remember_traceback
from torpor.errors import ConfigurationError, CpuLimitError, GuestTrapError, VmError
from torpor.guests.quickjs.heap.raising import Watch
from torpor.guests.quickjs.heap.reader import HeapError
from torpor.guests.quickjs.heap.scope import scope_of
from torpor.guests.quickjs.heap.tasks import tasks_of
from torpor.guests.quickjs.instance import BEGIN, EVALUATE, EVALUATED, LOAD, LOADED, OUTBOX, QuickJsInstance
from torpor.vm.base_vm import BaseVm, Loaded, not_loaded, read_loaded, read_outbox
from torpor.vm.entropy import Entropy
from torpor.vm.guest import (
    NOTHING_ASKED,
    Answer,
    Begin,
    Delivery,
    Evaluation,
    Outbox,
    Program,
    TaskStack,
    program_id,
)
from torpor.vm.image import ImageHeader, MemoryImage, pack_image
from torpor.vm.limits import WASM_PAGE
from torpor.vm.messages import answer_of, inbox_bytes, query_bytes
from torpor.vm.pool import Pool

_ENTROPY_LABEL = "Math.random"
_encoder = msgspec.json.Encoder()
_evaluation = msgspec.json.Decoder(Evaluation)


class QuickJsImage:
    """
    A program loaded into a booted VM.

    Attributes:
        memory: the bytes; those of the boot image when the program is evaluated per run.
        hash: of the memory, or of the boot image and the program.
        program: what is loaded.
        per_run: None, or the place in module scope that read the clock or drew entropy.
    """

    def __init__(self, build: str, memory: MemoryImage, program: Program, per_run: str | None) -> None:
        self._build = build
        self.memory, self.program, self.per_run = memory, program, per_run
        self.hash = memory.hash
        if per_run is not None:  # programs that share the boot image must not share its name
            self.hash = hashlib.sha256(f"{memory.hash} {program_id(program)}".encode()).hexdigest()

    def to_bytes(self) -> bytes:
        header = ImageHeader(
            build=self._build,
            program=program_id(self.program),
            stack_pointer=self.memory.stack_pointer,
            per_run=self.per_run,
            pages=self.memory.size // WASM_PAGE,
        )
        return pack_image(header, self.memory.view)


class QuickJsVm(BaseVm[QuickJsInstance]):
    """
    One VM; see :class:`torpor.vm.guest.Vm`.

    Args:
        pool: gives instances.
        image: the state to begin in.
        verify: raises ConfigurationError unless the heap of this guest build can be read.
    """

    TOLD = (CpuLimitError,)

    def __init__(self, pool: Pool[QuickJsInstance], image: QuickJsImage, verify: Callable[[], None]) -> None:
        self._image, self._verify = image, verify
        self._watch: Watch | None = None
        self._has_scope = False
        super().__init__(pool, image)

    def _tell_where(self, error: VmError, instance: QuickJsInstance) -> None:
        if frames := instance.interrupted_at():
            remember_traceback(error, f"{type(error).__module__}.{type(error).__qualname__}: {error}{frames}")
        instance.broken = True

    def begin(self, begin: Begin) -> Outbox:
        entropy = Entropy(begin.seed)
        message = {
            "run_id": begin.run_id,
            "workflow": begin.workflow,
            "args": begin.args,
            "at": begin.at,
            "url": begin.url,
            "entropy": entropy.derive(_ENTROPY_LABEL, 16).hex(),
        }
        with self._leased() as instance:
            instance.be_watched(self._watch)
            instance.wasi.entropy = entropy
            instance.wasi.clock_ms.value = begin.at
            if self._image.per_run is not None:
                loaded = load_program(instance, self._image.program)
                if not loaded.ok:
                    instance.broken = True
                    raise GuestTrapError(f"the program does not load in this run: {loaded.complaint()}")
            return read_outbox(instance, instance.exchange(BEGIN, _encoder.encode(message), OUTBOX))

    def deliver(self, inbox: Sequence[Delivery]) -> Outbox:
        with self._leased() as instance:
            instance.be_watched(self._watch)
            # Clocks of several machines may disagree; the guest's never goes back.
            times = (delivery.at for delivery in inbox)
            clocks = list(accumulate(times, max, initial=instance.wasi.clock_ms.value))[1:]
            return read_outbox(instance, instance.turn(clocks, inbox_bytes(inbox)))

    def stack(self, asked: Mapping[int, str] = NOTHING_ASKED) -> list[TaskStack]:
        self._verify()
        with self._leased() as instance:
            try:
                found = tasks_of(instance.heap(), self._image.program, asked)
                if not found and (watch := self._watch) is not None:
                    found = watch.stack(self._image.program)
                return found
            except HeapError as problem:  # the guest's memory is the guest's
                raise GuestTrapError(f"the VM's functions cannot be read: {problem}") from problem

    def watch(self) -> None:
        self._verify()
        self._watch = Watch()

    def evaluate(self, source: str) -> Evaluation:
        with self._leased() as instance:
            self._open_scope(instance)
            text = instance.exchange(EVALUATE, source.encode("utf-8", "surrogatepass"), EVALUATED)
        return _evaluation.decode(text.decode("utf-8", "replace"))

    def _open_scope(self, instance: QuickJsInstance) -> None:
        """Let code that is evaluated name what the function can in which the workflow waits, where that is told."""
        if self._has_scope:
            return
        self._has_scope = True
        with suppress(ConfigurationError, HeapError):
            self._verify()
            instance.define(scope_of(instance.heap(), self._image.program))

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        super().restore(snapshot, seed)
        self._has_scope = False

    def query(self, name: str, args: str) -> Answer:
        with self._spoiling() as instance:
            return answer_of(instance.exchange(EVALUATE, query_bytes(name, args), EVALUATED))

    def _enter(self, instance: QuickJsInstance) -> None:
        instance.program = self._image.program.files

    def _leave(self, instance: QuickJsInstance) -> None:
        instance.program = {}
        instance.be_watched(None)


def load_first(instance: QuickJsInstance, program: Program) -> Loaded:
    """
    Evaluate a program as :func:`load_program` does, before any run of it.

    Raises:
        VmError: a limit was passed; the message says where, as far as the engine tells.
    """
    try:
        return load_program(instance, program)
    except CpuLimitError as error:
        raise not_loaded(error, program, instance.interrupted_at().splitlines()[1:]) from error


def load_program(instance: QuickJsInstance, program: Program, *, trace: bool = False) -> Loaded:
    """
    Evaluate a program's modules in an instance that holds the boot image.

    Raises:
        VmError: a limit was passed.
    """
    instance.program = program.files
    message: dict[str, Any] = {
        "entries": program.entries,
        "workflows": program.workflows,
        "line_maps": program.line_maps,
        "trace": trace,
    }
    if program.cleanup:
        message["cleanup"] = program.cleanup
    text = instance.exchange(LOAD, _encoder.encode(message), LOADED)
    return read_loaded(instance, text)
