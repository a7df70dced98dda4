"""
The run inside this VM: its facts, its numbered ops, and who waits for the answer to each.

Ops are numbered by one counter that lives in VM memory, so that a replay from any snapshot gives every op the number it
had. Time is ``run.at``, the time of the event being delivered; the VM's own clock is set to the same value.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Any, Literal, Protocol

from torpor.errors import UsageError

Delivery = dict[str, Any]
"""One event on its way in: ``type``, ``op``, ``at`` and, if it has them, ``value``, ``error``, ``owner``, ``name``."""


class Receiver(Protocol):
    """What waits for the deliveries of one op."""

    def receive(self, delivery: Delivery) -> None: ...

    def wakes(self, future: Future[Any]) -> bool:
        """Tell whether a delivery completes this future."""
        ...

    def describe(self) -> str:
        """Return what is waited for, such as ``step charge``."""
        ...


class Run:
    """
    The one run of this VM.

    Attributes:
        id: of the run.
        workflow: full name of its workflow.
        url: address of the deployment, ``""`` without one.
        started_at: creation of the run, epoch milliseconds.
        at: now, epoch milliseconds.
        phase: ``loading`` until the run begins, ``queried`` in a copy that is asked a query, ``ended`` once the
            workflow has returned or raised.
        ops: asked for since the last outbox.
        waiting: op number → who takes its deliveries.
        left: waits that nothing awaits any more, by their op numbers, since the last outbox.
        answers_awaited: tasks that await the answer to the creation of an op of their own.
        cancelled: why the run is being cancelled, None while it is not.
        check: raises CancelledError when workflow code may not ask for anything, because the run is being cancelled.
    """

    def __init__(self) -> None:
        self.id = self.workflow = self.url = ""
        self.started_at = self.at = 0
        self.phase: Literal["loading", "running", "ended", "queried"] = "loading"
        self.ops: list[dict[str, Any]] = []
        self.left: list[int] = []
        self.waiting: dict[int, Receiver] = {}
        self.answers_awaited = 0
        self.cancelled: str | None = None
        self.check: Callable[[], None] = _nothing
        self._count = 0

    @property
    def asked_for(self) -> int:
        """How many ops were emitted so far."""
        return self._count

    def emit(self, kind: str, receiver: Receiver | None, **fields: Any) -> int:
        """
        Ask the host for something and return the op's number.

        *receiver* is handed every delivery for this op until :meth:`forget`. Once the workflow has ended nothing is
        emitted and nothing is ever delivered; 0 is returned.

        Raises:
            UsageError: modules are being loaded; there is no run to ask for.
        """
        if self.phase == "ended":
            return 0
        if self.phase == "queried":
            raise UsageError(f"a query asked for a {kind}, and it can only look; do that in the workflow")
        if self.phase == "loading":
            raise UsageError(f"a {kind} was asked for while a module was loaded; do that inside a workflow function")
        self._count = n = self._count + 1
        self.ops.append({"n": n, "type": kind, "at": self.at, **fields})
        if receiver is not None:
            self.waiting[n] = receiver
        return n

    def forget(self, n: int) -> None:
        """Ignore what is delivered for an op from now on."""
        self.waiting.pop(n, None)

    def leave(self, n: int) -> None:
        """Give up a wait: tell the host that nothing awaits it any more, and ignore its end."""
        if self.waiting.pop(n, None) is not None and self.phase == "running":
            self.left.append(n)

    def end(self) -> None:
        """Emit nothing and deliver nothing from now on. Who waits is kept, as tasks that vanish would do cleanup."""
        self.phase = "ended"


def _nothing() -> None:
    """Let code ask for what it likes."""


run = Run()
