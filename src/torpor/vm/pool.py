"""Instances that are used again: created up to a bound, reset between runs, thrown away when they cannot be."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from torpor.errors import VmError
from torpor.vm.image import MemoryImage


class Poolable(Protocol):
    """What a pool needs of an instance."""

    @property
    def image(self) -> MemoryImage: ...

    @property
    def reusable(self) -> bool: ...

    def fits(self, image: MemoryImage) -> bool: ...

    def adopt(self, image: MemoryImage) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


T = TypeVar("T", bound=Poolable)


class Pool(Generic[T]):
    """
    Instances shared by all images of a guest. Thread-safe; an instance belongs to its lessee until it is given back.

    A lease never waits: it would wait in a thread that runs VMs, which whoever holds an instance may need to go on. So
    lessees bound how many they hold, and the pool how many it keeps.

    Args:
        create: makes an instance; may be called by several threads at once.
        size: most instances kept idle.
    """

    def __init__(self, create: Callable[[], T], size: int) -> None:
        self._create, self._size = create, size
        self._lock = threading.Lock()
        self._idle: deque[T] = deque()  # the least recently used first
        self._closed = False

    def lease(self, image: MemoryImage) -> T:
        """
        Return an instance in the state of *image*: an idle one if there is one, else a new one.

        Raises:
            VmError: the pool is closed, or the image needs more memory than the limit.
        """
        instance = self._take(image)
        if instance is not None and not instance.fits(image):
            instance.close()
            instance = None
        if instance is None:
            instance = self._create()
        elif instance.image is image:
            return instance
        try:
            instance.adopt(image)
        except BaseException:
            instance.close()
            raise
        return instance

    def prepare(self, image: MemoryImage) -> None:
        """
        Create the instance that the first lease takes, in the state of *image*.

        Raises:
            VmError: as :meth:`lease`.
        """
        self.give_back(self.lease(image))

    def give_back(self, instance: T) -> None:
        """Take an instance back; it is reset and kept, or closed when it cannot be or enough are kept."""
        kept = False
        try:
            if instance.reusable:
                instance.reset()
                kept = self._keep(instance)
        finally:
            if not kept:
                instance.close()

    def retire(self) -> None:
        """Keep nothing any more: idle instances are closed, leased ones when they are given back. Leases go on."""
        with self._lock:
            self._size = 0
            idle, self._idle = self._idle, deque()
        for instance in idle:
            instance.close()

    def close(self) -> None:
        """Close idle instances, leased ones when they are given back; nothing can be leased any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, deque()
        for instance in idle:
            instance.close()

    def _take(self, image: MemoryImage) -> T | None:
        """Return an idle instance, preferably one that has *image* already, or None."""
        with self._lock:
            if self._closed:
                raise VmError("the guest was closed; make another one")
            for instance in reversed(self._idle):
                if instance.image is image:
                    self._idle.remove(instance)
                    return instance
            return self._idle.popleft() if self._idle else None

    def _keep(self, instance: T) -> bool:
        with self._lock:
            if self._closed or len(self._idle) >= self._size:
                return False
            self._idle.append(instance)
            return True
