"""Messages to this run: kept by the name under which they were sent until workflow code receives them."""

from __future__ import annotations

from asyncio import Future
from typing import Any

from torpor.codec.typing.conversion import name_of
from torpor.errors import UsageError
from torpor.limits import MAILBOX_CHARS_MAX

from .arrivals import Arrivals, check_kind, fitting
from .run import Delivery, run


class Mailbox:
    """The messages of one name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.arrivals = Arrivals()

    def receive(self, delivery: Delivery) -> None:
        self.arrivals.put(delivery["value"])

    def wakes(self, future: Future[Any]) -> bool:
        return future in self.arrivals

    def describe(self) -> str:
        return f"a message {self._name!r}"


_mailboxes: dict[str, Mailbox] = {}
_received = 0


def mailbox(name: str) -> Mailbox:
    """Return the mailbox of a name."""
    if name not in _mailboxes:
        _mailboxes[name] = Mailbox(name)
    return _mailboxes[name]


def mailboxes() -> list[Mailbox]:
    """Return those that anything was sent to, or received from."""
    return list(_mailboxes.values())


def report() -> dict[str, Any]:
    """Return what the host is told: how many messages were received, and in which mailboxes somebody waits for one."""
    if not _mailboxes:
        return {}
    waiting = [name for name, box in _mailboxes.items() if box.arrivals.is_awaited]
    return {"received": _received, "receiving": waiting if run.phase == "running" else []}


async def receive(name: str, kind: Any = None) -> Any:
    """
    Return the next message that ``app.send(run, name, …)`` has sent to this run; wait for it if there is none.

    Messages of one name come in the order in which they were sent. One is taken by who gets it: a call that was
    cancelled, or timed out, has taken none.

    Args:
        name: 1 to 256 characters.
        kind: what the message is to be, such as a dataclass or a pydantic model; anything by default.

    Raises:
        ArgumentError: the message does not fit *kind*; it is received all the same.
        UsageError: the name is no string of that length, or modules are being loaded; there is no run.
        CancelledError: the run is being cancelled.
    """
    global _received  # noqa: PLW0603  # a fact of the one run in this VM
    if run.phase == "loading":
        raise UsageError("a message was waited for while a module was loaded; do that inside a workflow function")
    if not isinstance(name, str):
        raise UsageError(f"receive: the name must be a string, not {type(name).__name__}")
    if not 1 <= len(name) <= MAILBOX_CHARS_MAX:
        raise UsageError(f"receive: the name has {len(name)} characters; 1 to {MAILBOX_CHARS_MAX} are allowed")
    run.check()
    check_kind("receive", kind)
    text = await mailbox(name).arrivals.take()
    assert text is not None, "nobody is dismissed from a mailbox"
    _received += 1
    return fitting(text, kind, "" if kind is None else f"message {name!r} was to be {name_of(kind)}: it")
