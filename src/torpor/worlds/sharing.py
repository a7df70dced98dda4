"""
Operations that are carried out together, on one connection of a world with a server.

While some are under way, others gather, and one thread takes all that have come together: so a worker's concurrent
commits share round trips, and waits for the disk.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from torpor.model import Notice
from torpor.thread_start import starting_thread
from torpor.worlds.pool import Settled, StorePool, settle
from torpor.worlds.requests import Operation

S = TypeVar("S")
T = TypeVar("T")

_TOGETHER_MAX: Final = 100


class Shared:
    """
    An operation that may be carried out with others.

    Args:
        begin: begins it anew.
        run_id: of the only run that it locks, or hardly ever of others.
        about: names it in errors.
        future: what awaits it.

    Attributes:
        value, notice: what it returns.
        error: what it raises, in place of a value.
        is_single: it cannot share after all.
    """

    def __init__(
        self, begin: Callable[[], Operation[Any]], run_id: str, about: str, future: asyncio.Future[Any]
    ) -> None:
        self.begin = begin
        self.run_id = run_id
        self.about = about
        self.future = future
        self.is_single = False
        self.forget()

    def forget(self) -> None:
        """Take nothing for its result any more."""
        self.value: Any = None
        self.notice: Notice | None = None
        self.error: BaseException | None = None


class SharingPool(StorePool[S]):
    """Connections, on one of which operations share what they cost."""

    def _begin(self) -> None:
        super()._begin()
        self._shared: deque[Shared] = deque()
        self._is_sharing = False  # a thread takes what is in it

    @abstractmethod
    def _carry_out_together(self, store: S, shared: Sequence[Shared]) -> None:
        """Give each operation its result or its error, or find that it is single."""

    def _rest_seconds(self, count: int) -> float:
        """Return for how long others are to gather after so many were carried out together."""
        return 0.0

    @abstractmethod
    def _alone(self, store: S, each: Shared) -> tuple[Any, Notice | None]:
        """Carry one out by itself."""

    @property
    def _is_waited_for(self) -> bool:
        return self._is_sharing or super()._is_waited_for

    def share(self, begin: Callable[[], Operation[T]], run_id: str, about: str, future: asyncio.Future[T]) -> bool:
        """
        Have an operation carried out with others, from any thread; return whether that can be done.

        Args:
            begin: begins the operation, each time anew.
            run_id: of the only run that it locks.
            about: names it in errors.
            future: gets its result.
        """
        if not self.is_open:
            return False
        with self._counting:
            self._shared.append(Shared(begin, run_id, about, future))
            begins, self._is_sharing = not self._is_sharing, True
        if begins:
            with starting_thread(about):
                self._threads.submit(self._work_together)
        return True

    def submit_shared(self, begin: Callable[[], Operation[T]], run_id: str, about: str) -> asyncio.Future[T]:
        """
        Do as :meth:`submit`, with others; see :meth:`share`.

        Raises:
            UsageError: the world is not open in this process.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self.share(begin, run_id, about, future):
            raise self._not_open()
        return future

    def _work_together(self) -> None:
        store = self._idle.get()
        while True:
            with self._counting:
                shared = [self._shared.popleft() for _ in range(min(len(self._shared), _TOGETHER_MAX))]
                self._is_sharing = bool(shared)
            if not shared:
                break
            self._share_out(store, shared)
            if rest := self._rest_seconds(len(shared)):
                self._given_up.wait(rest)
        self._give_back(store)

    def _share_out(self, store: S, shared: list[Shared]) -> None:
        self._carry_out_together(store, shared)
        loops: dict[asyncio.AbstractEventLoop, list[Settled]] = {}
        for each in shared:
            if not each.is_single:
                loops.setdefault(each.future.get_loop(), []).append((each.future, each.value, each.error))
        for loop, settled in loops.items():
            settle(loop, settled)
        for each in shared:
            if each.is_single:
                self._have_carried_out(each)
            elif each.error is None and each.notice is not None:
                self._tell(each.notice)

    def _have_carried_out(self, each: Shared) -> None:
        """Let another thread carry out alone what cannot share."""
        with self._counting:
            self._waiting += 1
        operation = functools.partial(self._alone, each=each)
        work = functools.partial(self._work, operation, each.about, each.future.get_loop(), each.future)
        try:
            self._threads.submit(work)
        except RuntimeError:  # the world is being closed
            threading.Thread(target=work).start()
