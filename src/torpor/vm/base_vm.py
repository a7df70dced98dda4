"""What the VMs of all languages have in common: instance and image, and how a VM falls asleep and wakes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Generic, Protocol, TypeVar

import msgspec

from torpor.errors import GuestTrapError, ProgramError, SnapshotError, VmError
from torpor.vm.entropy import Entropy
from torpor.vm.guest import Outbox, Program
from torpor.vm.image import MemoryImage
from torpor.vm.instance import Instance
from torpor.vm.messages import outbox_of
from torpor.vm.pool import Pool

T = TypeVar("T", bound=Instance)
E = TypeVar("E", bound=VmError)

_STOP_AGAIN_SECONDS = 0.05
_RELEASED = "this VM was released; lease another one"


class LoadedImage(Protocol):
    """What a VM needs of its image."""

    @property
    def hash(self) -> str: ...

    @property
    def memory(self) -> MemoryImage: ...


class BaseVm(Generic[T]):
    """
    Base of a guest's VMs; see :class:`torpor.vm.guest.Vm`.

    Only :meth:`release` may be called while another thread uses the VM.

    Args:
        pool: gives instances.
        image: the state to begin in.
    """

    TOLD: ClassVar[tuple[type[VmError], ...]] = ()
    """Errors that are told with the place where the VM was when it was ended."""

    def __init__(self, pool: Pool[T], image: LoadedImage) -> None:
        self._pool, self._lent = pool, image
        self._instance: T | None = None
        self._spoiled = False
        self._bounds: tuple[float | None, int | None] = (None, None)
        self._use = threading.RLock()
        self._lease()

    def bound(self, *, cpu_seconds: float | None = None, memory_bytes: int | None = None) -> None:
        with self._leased() as instance:
            self._bounds = cpu_seconds, memory_bytes
            instance.bound(*self._bounds)

    def snapshot(self) -> bytes:
        with self._leased() as instance:
            return instance.snapshot(self._lent.hash)

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        with self._use:
            if self._instance is None:
                raise VmError(_RELEASED)
            # Memory that grew cannot shrink to the snapshot's, and what is broken stays so.
            instance = self._instance if self._instance.reusable else self._exchanged()
            self._spoiled = False
            try:
                position = instance.restore(snapshot, self._lent.hash)
            except SnapshotError:
                if not instance.reusable:
                    self._exchanged()
                raise
            instance.wasi.entropy = Entropy(seed, position)

    def reseed(self, seed: bytes) -> None:
        with self._leased() as instance:
            instance.wasi.entropy = Entropy(seed)

    def release(self) -> None:
        # Memory must not vanish under a thread that uses it: what runs is stopped first, and waited for.
        while not self._use.acquire(timeout=_STOP_AGAIN_SECONDS):
            if (used := self._instance) is not None:
                used.stop()
        try:
            self._give_back()
        finally:
            self._use.release()

    def watch(self) -> None:
        """See :meth:`torpor.vm.guest.Vm.watch`."""

    def _give_back(self) -> None:
        instance, self._instance = self._instance, None
        if instance is not None:
            self._leave(instance)
            instance.bound()
            self._pool.give_back(instance)

    def _exchanged(self) -> T:
        self._give_back()
        return self._lease()

    def _lease(self) -> T:
        instance = self._instance = self._pool.lease(self._lent.memory)
        self._enter(instance)
        if self._bounds != (None, None):
            instance.bound(*self._bounds)
        return instance

    def _leased(self) -> _Leased[T]:
        """Use the instance for the time of the block."""
        return _Leased(self)

    def _at_hand(self) -> T:
        if self._instance is None:
            raise VmError(_RELEASED)
        if self._instance.broken or self._spoiled:
            raise VmError("this VM trapped or passed a limit; release it and lease another one")
        return self._instance

    def _tell_where(self, error: VmError, instance: T) -> None:
        """Let an error of :attr:`TOLD` have the traceback of what workflow code was at when it came."""

    @contextmanager
    def _spoiling(self) -> Iterator[T]:
        """Use the instance for the last time: only :meth:`restore` makes the VM of use again."""
        with self._leased() as instance:
            try:
                yield instance
            finally:
                self._spoiled = True

    def _enter(self, instance: T) -> None:
        """Give an instance what it needs beside its memory."""

    def _leave(self, instance: T) -> None:
        """Take that away again."""


class _Leased(Generic[T]):
    """One use of a VM; each call into a guest is one, and a generator would cost ten times as much."""

    __slots__ = ("_instance", "_vm")

    def __init__(self, vm: BaseVm[T]) -> None:
        self._vm = vm

    def __enter__(self) -> T:
        vm = self._vm
        vm._use.acquire()  # noqa: SLF001  # a part of it
        try:
            instance = self._instance = vm._at_hand()  # noqa: SLF001
        except BaseException:
            vm._use.release()  # noqa: SLF001
            raise
        return instance

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        vm = self._vm
        try:
            if error is not None and isinstance(error, vm.TOLD):
                vm._tell_where(error, self._instance)  # noqa: SLF001
        finally:
            vm._use.release()  # noqa: SLF001


class Loaded(msgspec.Struct, frozen=True):
    """
    What a guest says after loading.

    Attributes:
        ok: all modules were evaluated.
        impure: the place that read the clock or drew entropy, as far as the guest noticed.
        error: what was thrown.
    """

    ok: bool
    impure: str | None = None
    error: dict[str, str] = {}

    def require(self, program: Program) -> None:
        """
        Check that the program has loaded.

        Raises:
            ProgramError: it has not; says what was thrown.
        """
        if not self.ok:
            raise ProgramError(f"the program {', '.join(program.entries)} does not load: {self.complaint()}")

    def complaint(self) -> str:
        """Return what was thrown, with its stack."""
        name, message = self.error.get("name", "Error"), self.error.get("message", "unknown")
        return f"{name}: {message}\n{self.error.get('stack', '')}".rstrip()


def not_loaded(error: E, program: Program, stack: Iterable[str]) -> E:
    """
    Return the error of a program that passed a limit while it was loaded.

    Args:
        error: which limit.
        program: the program.
        stack: lines that say where it was.
    """
    entries = ", ".join(program.entries)
    return type(error)("\n".join((f"the program {entries} does not load: {error}", *stack)))


def read_loaded(instance: Instance, text: bytes) -> Loaded:
    """
    Return what the guest says after loading.

    Raises:
        GuestTrapError: it cannot be read; the instance is broken.
    """
    try:
        return msgspec.json.decode(text, type=Loaded)
    except msgspec.DecodeError as problem:
        instance.broken = True
        raise GuestTrapError(f"the program spoiled the guest while it was loaded: {problem}") from problem


def read_outbox(instance: Instance, message: bytes) -> Outbox:
    """
    Return the outbox of a turn.

    Raises:
        GuestTrapError: it cannot be read; the instance is broken.
    """
    try:
        return outbox_of(message)
    except ValueError as problem:
        instance.broken = True
        raise GuestTrapError(
            f"the guest's outbox cannot be read: {problem}; workflow code may have changed what JSON does"
        ) from problem
