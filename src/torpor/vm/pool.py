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

    Args:
        create: makes an instance; may be called by several threads at once.
        size: most instances at a time.
    """

    def __init__(self, create: Callable[[], T], size: int) -> None:
        self._create, self._size = create, size
        self._changed = threading.Condition()
        self._idle: deque[T] = deque()  # the least recently used first
        self._count = 0
        self._closed = False

    def lease(self, image: MemoryImage) -> T:
        """
        Return an instance in the state of *image*; waits while as many are leased as the pool may have.

        Raises:
            VmError: the pool is closed, or the image needs more memory than the limit.
        """
        instance = self._take(image)
        if instance is not None and not instance.fits(image):
            instance.close()
            instance = None
        try:
            if instance is None:
                instance = self._create()
                instance.adopt(image)
            elif instance.image is not image:
                instance.adopt(image)
        except BaseException:
            self._drop(instance)
            raise
        return instance

    def give_back(self, instance: T) -> None:
        """Take an instance back; it is reset, or closed when it cannot be."""
        usable = False
        try:
            if instance.reusable and not self._closed:
                instance.reset()
                usable = True
        finally:
            if not usable:
                self._drop(instance)
        if usable:
            with self._changed:
                self._idle.append(instance)
                self._changed.notify()

    def close(self) -> None:
        """Close idle instances, leased ones when they are given back; nothing can be leased any more."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, deque()
            self._count -= len(idle)
            self._changed.notify_all()
        for instance in idle:
            instance.close()

    def _take(self, image: MemoryImage) -> T | None:
        """Return an idle instance, preferably one that has *image* already, or None when a new one may be made."""
        with self._changed:
            while not self._closed:
                for instance in reversed(self._idle):
                    if instance.image is image:
                        self._idle.remove(instance)
                        return instance
                if self._count < self._size:
                    self._count += 1
                    return None
                if self._idle:
                    return self._idle.popleft()
                self._changed.wait()
        raise VmError("the guest was closed; make another one")

    def _drop(self, instance: T | None) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify()
        if instance is not None:
            instance.close()
