"""A leased QuickJS VM: one run's workflow, from its beginning or from a snapshot, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from torpor.errors import GuestTrapError, SnapshotError, VmError
from torpor.vm.entropy import Entropy
from torpor.vm.guest import Begin, Delivery, Outbox, Program, program_id
from torpor.vm.image import ImageHeader, MemoryImage, pack_image
from torpor.vm.limits import WASM_PAGE
from torpor.vm.pool import Pool
from torpor.vm.quickjs.border import inbox_bytes, outbox_of
from torpor.vm.quickjs.instance import BEGIN, LOAD, LOADED, OUTBOX, QuickJsInstance

_ENTROPY_LABEL = "Math.random"
_encoder = msgspec.json.Encoder()


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


class QuickJsVm:
    """One leased VM; see :class:`torpor.vm.guest.Vm`."""

    def __init__(self, pool: Pool[QuickJsInstance], image: QuickJsImage) -> None:
        self._pool, self._image = pool, image
        self._instance: QuickJsInstance | None = None
        self._lease()

    def begin(self, begin: Begin) -> Outbox:
        instance = self._leased()
        entropy = Entropy(begin.seed)
        instance.wasi.entropy = entropy
        instance.wasi.clock_ms.value = begin.at
        if self._image.per_run is not None:
            loaded = load_program(instance, self._image.program)
            if not loaded.ok:
                instance.broken = True
                raise GuestTrapError(f"the program does not load in this run: {loaded.complaint()}")
        message = {
            "run_id": begin.run_id,
            "workflow": begin.workflow,
            "args": begin.args,
            "at": begin.at,
            "url": begin.url,
            "entropy": entropy.derive(_ENTROPY_LABEL, 16).hex(),
        }
        return _outbox(instance, instance.exchange(BEGIN, _encoder.encode(message), OUTBOX))

    def deliver(self, inbox: Sequence[Delivery]) -> Outbox:
        instance = self._leased()
        # Clocks of several machines may disagree; the guest's never goes back.
        clocks = list(accumulate((delivery.at for delivery in inbox), max, initial=instance.wasi.clock_ms.value))[1:]
        return _outbox(instance, instance.turn(clocks, inbox_bytes(inbox)))

    def snapshot(self) -> bytes:
        return self._leased().snapshot(self._image.hash)

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        instance = self._leased()
        if not instance.reusable:  # memory grew, and cannot shrink to the snapshot's
            self.release()
            instance = self._lease()
        try:
            position = instance.restore(snapshot, self._image.hash)
        except SnapshotError:
            if not instance.reusable:
                self.release()
                self._lease()
            raise
        instance.wasi.entropy = Entropy(seed, position)

    def release(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            instance.program = {}
            self._pool.give_back(instance)

    def _lease(self) -> QuickJsInstance:
        instance = self._instance = self._pool.lease(self._image.memory)
        instance.program = self._image.program.files
        return instance

    def _leased(self) -> QuickJsInstance:
        if self._instance is None:
            raise VmError("this VM was released; lease another one")
        if self._instance.broken:
            raise VmError("this VM trapped or passed a limit; release it and lease another one")
        return self._instance


class Loaded(msgspec.Struct, frozen=True):
    """
    What the bootstrap says after loading.

    Attributes:
        ok: all modules were evaluated.
        impure: the place that read the clock or drew entropy, as far as the bootstrap noticed.
        error: what was thrown.
    """

    ok: bool
    impure: str | None = None
    error: dict[str, str] = {}

    def complaint(self) -> str:
        """Return what was thrown, with its stack."""
        name, message = self.error.get("name", "Error"), self.error.get("message", "unknown")
        return f"{name}: {message}\n{self.error.get('stack', '')}".rstrip()


def load_program(instance: QuickJsInstance, program: Program, *, trace: bool = False) -> Loaded:
    """
    Evaluate a program's modules in an instance that holds the boot image.

    Raises:
        VmError: a limit was passed.
    """
    instance.program = program.files
    message = {
        "entries": program.entries,
        "workflows": program.workflows,
        "line_maps": program.line_maps,
        "trace": trace,
    }
    text = instance.exchange(LOAD, _encoder.encode(message), LOADED)
    try:
        return msgspec.json.decode(text, type=Loaded)
    except msgspec.DecodeError as problem:
        instance.broken = True
        raise GuestTrapError(f"the program spoiled the guest while it was loaded: {problem}") from problem


def _outbox(instance: QuickJsInstance, message: bytes) -> Outbox:
    try:
        return outbox_of(message)
    except ValueError as problem:
        instance.broken = True
        raise GuestTrapError(
            f"the guest's outbox cannot be read: {problem}; workflow code may have changed what JSON does"
        ) from problem
