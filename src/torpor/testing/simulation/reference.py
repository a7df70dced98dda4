"""The judge of a run's VM: another one, which gets what the log says, event by event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torpor.codec.crypto.keys import Keyring
from torpor.engine import forks, plan
from torpor.model import Event, Run, Snapshot
from torpor.testing.simulation.machinery import Machinery
from torpor.testing.simulation.story import brief
from torpor.vm.guest import Begin, Op, Outbox

_RECORDS = {
    "step": ("step_created",),
    "wait": ("wait_created",),
    "hook": ("hook_created", "hook_conflict"),
    "hook_dispose": ("hook_disposed",),
}


class Reference:
    """
    A VM that must be where the run's own VM is.

    Args:
        machinery: runs the program.
        run: the run.
        keyring: has its key.
        found: told what is wrong.
    """

    def __init__(self, machinery: Machinery, run: Run, keyring: Keyring, found: Callable[[str], None]) -> None:
        self._machinery = machinery
        self._codec = keyring.run(run.id, run.key_id)
        self._run = run
        self._own = forks.Identity(run.id, self._codec.seed(run.seed))
        self._found = found
        self._begin_anew()

    def compare(self, log: Sequence[Event], snapshot: Snapshot) -> None:
        """Check that a snapshot is the state after the events up to its cursor."""
        if snapshot.cursor < self._cursor:
            self._vm.release()
            self._begin_anew()
        self._advance(log, snapshot.cursor)
        data = self._codec.unpack_binary(snapshot.data)
        asked = (len(self._asked), self._lines)
        if (snapshot.ops, snapshot.logs) != asked or not self._machinery.same_state(self._vm, data):
            self._found(f"its snapshot of event {snapshot.cursor} is not the state after that event")

    def compare_ending(self, log: Sequence[Event]) -> None:
        """Check that an ended run did what its program does with what its log says."""
        self._advance(log, len(log))
        recorded, ending = [event for event in log if event.digest and event.op], log[-1]
        by_itself = ending.type == "run_completed" or ending.name == "USER_ERROR"
        if len(self._asked) != len(recorded) if by_itself else len(self._asked) < len(recorded):
            self._found(f"its program asks for {len(self._asked)} ops after its log, which has {len(recorded)}")
        for op, event in zip(self._asked, recorded, strict=False):
            if event.type not in _RECORDS[op.type] or plan.digest(op, self._codec) != event.digest:
                self._found(f"its program asks for op {op.n}, {op.type} {op.name}, and the log has {brief(event)}")
        if ending.type == "run_completed":
            value = self._codec.unpack_devalue(ending.payload or b"")
            if self._outbox.value != value:
                self._found(f"it returned {value}, and its program after its log {self._outbox.value}")
        elif ending.type == "run_cancelled" and self._outbox.status == "pending":
            asked = next((event for event in log if event.type == "run_cancelling"), None)
            at_deadline = bool(ending.due)  # else it was forced, or too slow
            if asked is not None and ending.ref == asked.ref and ending.at < asked.due and not at_deadline:
                self._found("it was ended before it had cleaned up")
        elif ending.name == "USER_ERROR" and self._outbox.status != "failed":
            self._found("it threw, and its program after its log does not")

    def close(self) -> None:
        """Give its VM back."""
        self._vm.release()

    def _begin_anew(self) -> None:
        self._vm = self._machinery.guest.lease(self._machinery.image(self._machinery.program))
        self._cursor = 0
        self._asked: list[Op] = []
        self._lines = 0
        self._outbox = Outbox()

    def _advance(self, log: Sequence[Event], cursor: int) -> None:
        run = self._run
        for event in log[self._cursor : cursor]:
            if event.type == "run_created":
                args = self._codec.unpack_devalue(event.payload or b"")
                was = forks.identity_after(log, event.seq, self._own, self._codec)
                self._take(self._vm.begin(Begin(was.run_id, run.workflow, args, seed=was.seed, at=event.at)))
            elif event.type == "run_forked":
                becomes = forks.identity_after(log, event.seq, self._own, self._codec)
                self._vm.reseed(becomes.seed)
                given = forks.read(run.id, event, self._codec).tokens
                self._take(self._vm.deliver([forks.delivery(event, becomes, given)]))
            elif (delivery := plan.delivery(run.id, event, self._codec)) is not None:
                self._take(self._vm.deliver([delivery]))
        self._cursor = max(self._cursor, cursor)

    def _take(self, outbox: Outbox) -> None:
        self._asked += outbox.ops
        self._lines += len(outbox.logs)
        self._outbox = outbox
