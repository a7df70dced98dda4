"""A CPython VM: one run's workflow, from its beginning or from a snapshot, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from torpor.codec.errors import remember_traceback
from torpor.errors import CpuLimitError, GuestTrapError, MemoryLimitError, StackLimitError, VmError
from torpor.guests.cpython.frames import frames_of, lines_of, traceback_of
from torpor.guests.cpython.instance import BEGIN, DELIVER, EVALUATE, LOAD, STACK, CPythonInstance
from torpor.vm.base_vm import BaseVm, Loaded, not_loaded, read_loaded, read_outbox
from torpor.vm.entropy import Entropy
from torpor.vm.guest import (
    NOTHING_ASKED,
    Answer,
    Begin,
    Delivery,
    Evaluation,
    LogLine,
    Op,
    Outbox,
    Program,
    TaskStack,
    program_id,
)
from torpor.vm.image import ImageHeader, MemoryImage, pack_image
from torpor.vm.layers import LayeredImage
from torpor.vm.limits import WASM_PAGE
from torpor.vm.messages import answer_of, inbox_bytes, query_bytes
from torpor.vm.pool import Pool

_encoder = msgspec.json.Encoder()
_stacks = msgspec.json.Decoder(list[TaskStack])
_evaluation = msgspec.json.Decoder(Evaluation)


LIMITS = (CpuLimitError, MemoryLimitError, StackLimitError, GuestTrapError)
"""Errors behind which memory still says where the program was."""


class CPythonImage:
    """
    A program loaded into a booted VM.

    Attributes:
        memory: the bytes: the boot image, with a layer of the program's unless it is evaluated per run.
        hash: of the memory, or of the boot image and the program.
        program: what is loaded.
        per_run: None, or the place in module scope that read the clock or drew entropy.
    """

    def __init__(
        self, build: str, base: MemoryImage, layer: LayeredImage | None, program: Program, per_run: str | None
    ) -> None:
        self._build, self._base, self._layer = build, base, layer
        self.memory = layer or base
        self.program, self.per_run = program, per_run
        self.hash = self.memory.hash
        if layer is None:  # programs that share the boot image must not share its name
            self.hash = hashlib.sha256(f"{base.hash} {program_id(program)}".encode()).hexdigest()

    def to_bytes(self) -> bytes:
        header = ImageHeader(
            build=self._build,
            program=program_id(self.program),
            stack_pointer=self.memory.stack_pointer,
            per_run=self.per_run,
            pages=self.memory.size // WASM_PAGE,
            base=self._base.hash,
        )
        return pack_image(header, b"" if self._layer is None else self._layer.body)


class CPythonVm(BaseVm[CPythonInstance]):
    """One VM; see :class:`torpor.vm.guest.Vm`."""

    TOLD = LIMITS

    def __init__(self, pool: Pool[CPythonInstance], image: CPythonImage) -> None:
        self._image = image
        super().__init__(pool, image)

    def _tell_where(self, error: VmError, instance: CPythonInstance) -> None:
        frames = frames_of(instance.memory.read, instance.dead_bytes)
        if frames:
            last = f"{type(error).__module__}.{type(error).__qualname__}: {error}"
            remember_traceback(error, traceback_of(frames, self._image.program.files, last))

    def begin(self, begin: Begin) -> Outbox:
        message = {
            "run_id": begin.run_id,
            "workflow": begin.workflow,
            "args": begin.args,
            "at": begin.at,
            "url": begin.url,
        }
        with self._leased() as instance:
            instance.wasi.entropy = Entropy(begin.seed)
            instance.wasi.clock_ms.value = begin.at
            if self._image.per_run is not None:
                loaded = load_program(instance, self._image.program)
                if not loaded.ok:
                    instance.broken = True
                    raise GuestTrapError(f"the program does not load in this run: {loaded.complaint()}")
            return read_outbox(instance, instance.exchange(BEGIN, _encoder.encode(message)))

    def deliver(self, inbox: Sequence[Delivery]) -> Outbox:
        """
        Deliver one event a call, however many there are.

        Python shows where objects lie (a set of tasks has the order of their addresses) and when garbage is collected
        (a forgotten coroutine runs its ``finally`` then). Both follow from all that was allocated before, messages too;
        so a replay must hand over the same messages as the first time, when events came as they happened.
        """
        ops: list[Op] = []
        logs: list[LogLine] = []
        outbox = Outbox()
        with self._leased() as instance:
            room = instance.limits.output_bytes  # for all together, as in a guest that takes them at once
            for delivery in inbox:
                message = instance.exchange(DELIVER, inbox_bytes((delivery,)))
                room -= len(message)
                if room < 0:
                    raise instance.too_much(DELIVER)
                outbox = read_outbox(instance, message)
                ops += outbox.ops
                logs += outbox.logs
                if outbox.status != "pending":
                    break
        return replace(outbox, ops=ops, logs=logs)

    def stack(self, asked: Mapping[int, str] = NOTHING_ASKED) -> list[TaskStack]:
        with self._spoiling() as instance:
            return _stacks.decode(instance.exchange(STACK, b""))

    def evaluate(self, source: str) -> Evaluation:
        with self._leased() as instance:
            return _evaluation.decode(instance.exchange(EVALUATE, source.encode("utf-8", "surrogatepass")))

    def query(self, name: str, args: str) -> Answer:
        with self._spoiling() as instance:
            return answer_of(instance.exchange(EVALUATE, query_bytes(name, args)))


def load_first(instance: CPythonInstance, program: Program) -> Loaded:
    """
    Evaluate a program as :func:`load_program` does, before any run of it.

    Raises:
        VmError: a limit was passed; the message says where.
    """
    try:
        return load_program(instance, program)
    except LIMITS as error:
        stack = lines_of(frames_of(instance.memory.read, instance.dead_bytes), program.files)
        raise not_loaded(error, program, stack) from error


def load_program(instance: CPythonInstance, program: Program, *, trace: bool = False) -> Loaded:
    """
    Evaluate a program's modules in an instance that holds the boot image.

    Raises:
        VmError: a limit was passed.
    """
    message: dict[str, object] = {
        "files": program.files,
        "modules": program.modules,
        "entries": program.entries,
        "workflows": program.workflows,
        "absent": program.absent,
        "trace": trace,
    }
    told = {"versions": program.versions, "distributions": program.distributions}
    message |= {name: known for name, known in told.items() if known}  # older programs are loaded by the same message
    return read_loaded(instance, instance.exchange(LOAD, _encoder.encode(message)))
