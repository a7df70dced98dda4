"""What has come from outside for one hook or mailbox, and who waits for it."""

from __future__ import annotations

from asyncio import CancelledError, Future
from collections import deque
from typing import Any, get_origin

from torpor.codec.guest import value_of
from torpor.codec.typing.annotations import convert
from torpor.errors import UsageError

from .loop import loop


class Arrivals:
    """
    Codec texts in the order in which they came, and those who wait for one, first come, first served.

    Nothing is lost on the way: a text that was handed to somebody who was cancelled before he had it is the next one's.
    """

    def __init__(self) -> None:
        self._texts: deque[str] = deque()  # that nobody has taken yet
        self._takers: deque[Future[str | None]] = deque()  # None says that there will be nothing

    def __contains__(self, future: Future[Any]) -> bool:
        return future in self._takers

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits."""
        return any(not taker.done() for taker in self._takers)

    def put(self, text: str) -> None:
        """Hand a text to whoever has waited longest, or keep it."""
        self._texts.append(text)
        self._hand_out()

    async def take(self) -> str | None:
        """Wait for the next text and return it, or None when everybody was dismissed."""
        if self._texts:
            return self._texts.popleft()
        taker: Future[str | None] = loop.create_future()
        self._takers.append(taker)
        try:
            return await taker
        except (CancelledError, GeneratorExit):
            self._give_up(taker)
            raise

    def drop(self) -> None:
        """Forget what nobody has taken."""
        self._texts.clear()

    def dismiss(self, error: Exception | None = None) -> None:
        """Tell all who wait that there will be nothing, or raise *error* in them."""
        takers, self._takers = self._takers, deque()
        for taker in takers:
            if taker.done():
                continue
            if error is not None:
                taker.set_exception(error)
            else:
                taker.set_result(None)

    def _give_up(self, taker: Future[str | None]) -> None:
        if taker in self._takers:
            self._takers.remove(taker)
        elif not taker.cancelled() and taker.exception() is None and (text := taker.result()) is not None:
            self._texts.appendleft(text)
            self._hand_out()

    def _hand_out(self) -> None:
        while self._texts and self._takers:
            taker = self._takers.popleft()
            if not taker.done():  # else it was cancelled just now and has not run yet
                taker.set_result(self._texts.popleft())


def check_kind(what: str, kind: Any) -> None:
    """
    Check that *kind*, which *what* was given, says what a value is to be.

    Raises:
        UsageError: it is no type, nor any other form of :mod:`typing`.
    """
    is_form = get_origin(kind) is not None or hasattr(kind, "__value__") or hasattr(kind, "__supertype__")
    if kind is not None and not isinstance(kind, type) and not is_form:
        raise UsageError(f"{what}: a type says what is to come, such as a dataclass; {kind!r} is none")


def fitting(text: str, kind: Any, what: str) -> Any:
    """
    Return the value of a text as a type wants it, as it is for None.

    Raises:
        ArgumentError: it does not fit; the message begins with *what*.
    """
    value = value_of(text)
    return value if kind is None else convert(value, kind, what)
