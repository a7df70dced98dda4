"""Who wants to know of changes, and how they are told: on their own event loop, one call a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from torpor.model import Notice
from torpor.world import Unsubscribe

Listener = Callable[[Notice], None]


class Notifier:
    """Listeners of one world (or of several that share a store)."""

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[asyncio.AbstractEventLoop, Listener]] = {}

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call *listener* on the running event loop from now on; the returned function ends that."""
        key = object()
        self._listeners[key] = (asyncio.get_running_loop(), listener)

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def notify(self, notice: Notice) -> None:
        """Tell everybody. May be called on any thread, with or without a running loop."""
        if not self._listeners or not (notice.work or notice.ended or notice.written or notice.hooked):
            return
        here = _running_loop()
        for key, (loop, listener) in tuple(self._listeners.items()):
            try:
                # Waking a loop from its own thread would cost a system call and gain nothing.
                call_soon = loop.call_soon if loop is here else loop.call_soon_threadsafe
                call_soon(self._tell, key, listener, notice)
            except RuntimeError:  # the listener's loop is closed: nobody is left to hear
                self._listeners.pop(key, None)

    def _tell(self, key: object, listener: Listener, notice: Notice) -> None:
        if key in self._listeners:  # it may have unsubscribed while the call was under way
            listener(notice)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
