"""
A run inside its VM: the VM and the bookkeeping of what the VM has consumed and asked for.

Everything here is synchronous and runs in a VM thread; nothing here waits for the world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from torpor import limits
from torpor.attributes import check_total, written
from torpor.codec.crypto.run_codec import RunCodec
from torpor.engine import checkpoints, forks, plan
from torpor.engine.agreement import check_state
from torpor.engine.asking import asked_for
from torpor.engine.moves import Requests, TooMuchAtOnceError
from torpor.engine.step_deadlines import NONE, Deadlines
from torpor.engine.tenancy import Meter, as_owned
from torpor.errors import (
    CpuLimitError,
    DamagedError,
    DivergenceError,
    LimitExceededError,
    MemoryLimitError,
    OutputLimitError,
    SerializationError,
    SnapshotError,
)
from torpor.model import Event, LogEntry, RunState, Snapshot, standing
from torpor.tenant_names import tenant_of
from torpor.vm.guest import Answer, Begin, Delivery, Evaluation, Guest, Image, Op, Outbox, TaskStack, Vm

T = TypeVar("T")

_HOOKS_MADE = frozenset(("hook_created", "hook_conflict"))


class Mark(msgspec.Struct, frozen=True):
    """
    Where a VM has stood between two deliveries.

    Attributes:
        delta: its state, as :meth:`torpor.vm.guest.Vm.snapshot` returns it.
        ops, logs: what it had asked for and written.
        ended: whether its workflow had ended.
        was: who the run was there.
    """

    delta: bytes
    ops: int
    logs: int
    ended: bool
    was: forks.Identity


class Session:
    """
    One run inside a VM. :meth:`wake` must come first.

    Args:
        guest: the guest that runs it.
        image: the program's image; the snapshot's own when there is a snapshot.
        state: what the world has of the run.
        run_codec: packs and unpacks the run's payloads.
        url: address of this deployment's HTTP front door, for the metadata of a workflow that begins.
        events_per_call: how many events are delivered in one call into the VM.
        allows: whether workflow code may call a step although its program does not name it.
        deadlines: those of a step, by its full name.
        checkpoint: a snapshot of another guest build, with which a replay has to agree where it was taken.
        emitted: is told of each op that the VM asks for, whether the log has it or not.
        meter: what a tenant's run may use and ask for.

    Attributes:
        guest, image: the guest and the image.
    """

    def __init__(
        self,
        guest: Guest,
        image: Image,
        state: RunState,
        run_codec: RunCodec,
        *,
        url: str,
        events_per_call: int,
        allows: Callable[[str], bool],
        deadlines: Callable[[str], Deadlines] = lambda _: NONE,
        checkpoint: Snapshot | None = None,
        emitted: Callable[[Op], object] = lambda _: None,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter
        self._tenant = tenant_of(state.run.id)
        self._emitted = emitted
        self._allows = allows
        self._deadlines = deadlines
        self._run = state.run
        self._run_codec = run_codec
        self._seed = run_codec.seed(state.run.seed)
        self.guest, self.image = guest, image
        self._checkpoint = checkpoint
        self._events_per_call = events_per_call
        self._state = state
        self._url = url
        self.ops = self.logs = self.received = 0
        self.receiving: tuple[str, ...] = ()
        self._outputs: list[Event] = []
        self._entries: list[LogEntry] = []
        self._given_up: list[int] = []
        self._outbox_bytes = 0  # of both
        self._ended = self._awaits_ack = False
        self._counted_by_snapshot = False
        # What the log recorded of ops that a replay will emit again.
        self._events = standing(state.events)
        self._asked: dict[int, str] | None = None  # what ops asked for, once somebody has looked
        self._recorded = {event.op: event.digest for event in self._events if event.digest}
        self._hooks = {hook.op: (hook.id, hook.token) for hook in state.held.hooks.values()}
        self._hooks |= {event.op: (event.id, event.name) for event in self._events if event.type in _HOOKS_MADE}
        self._attributes = state.run.attributes
        self._waits = {wait.op: wait.id for wait in state.held.waits.values()}
        cursor = state.snapshot.cursor if state.snapshot is not None else 0
        self._own = forks.Identity(state.run.id, self._seed)
        self._was = forks.identity_after(self._events, cursor, self._own, run_codec)
        self._vm: Vm = guest.lease(image)
        if meter is not None:
            self._vm.bound(cpu_seconds=meter.cpu_seconds, memory_bytes=meter.memory_bytes)

    def wake(self, now: int) -> Requests:
        """
        Bring the VM to the end of the log and return what it asks for beyond it.

        Raises:
            SnapshotError: the snapshot cannot be restored; without it the run still can.
            DamagedError: what the world has of the run does not agree, or cannot be read.
            VmError: the VM failed on the way and is unusable.
            DivergenceError: the replay asked for something else than the log says.
            LimitExceededError: the guest asked for too much.
            NotAllowedError: it asked for a step that it may not call.
        """
        run = self._run
        check_state(self._state, self._seed)
        self.start(now)
        events: Sequence[Event] = self._events
        if self._checkpoint is not None:
            events = self._replayed(events, self._checkpoint, now)
        left = self._fed(events, now)
        if self.ops < run.ops and not left:
            raise DivergenceError(
                f"run {run.id}: after its whole log the guest has emitted {self.ops} ops, "
                f"but {run.ops} are committed; the run was not continued"
            )
        return self._requests(left)

    def start(self, now: int) -> None:
        """
        Begin the run in the VM, or restore its snapshot; nothing of the log is delivered.

        Raises:
            SnapshotError, DamagedError, VmError, DivergenceError: as :meth:`wake`.
        """
        run, snapshot = self._run, self._state.snapshot
        if snapshot is None:
            self._take(self._call(self._vm.begin, self._beginning()), now)
            checkpoints.tell(run.id, "begun", events=len(self._events))
            return
        self.ops, self.logs = snapshot.ops, snapshot.logs
        self.received, self.receiving = run.received, run.receiving  # until its VM tells
        self._counted_by_snapshot = True
        delta = self._opened(snapshot)
        self._call(self._vm.restore, delta, self._was.seed)
        checkpoints.tell(run.id, "restored", cursor=snapshot.cursor, bytes=len(delta), stored=len(snapshot.data))

    def mark(self) -> Mark:
        """Return where the VM stands; :meth:`back` brings any VM of the same run and image there."""
        return Mark(self._vm.snapshot(), self.ops, self.logs, self._ended, self._was)

    def back(self, mark: Mark) -> None:
        """
        Bring the VM, spoiled or not, to where one stood.

        Raises:
            SnapshotError: the mark is of another image.
        """
        self._vm.restore(mark.delta, mark.was.seed)
        self._was = mark.was
        self.ops, self.logs, self._ended = mark.ops, mark.logs, mark.ended
        self._counted_by_snapshot = False
        self._requests(())

    def advance(self, events: Sequence[Event], now: int) -> Requests:
        """
        Deliver events in log order and return what the guest asks for.

        Raises:
            VmError, LimitExceededError, DamagedError: as :meth:`wake`.
        """
        return self._requests(self._fed(events, now))

    def snapshot(self, at: int) -> Snapshot:
        """
        Return the state of the VM; its cursor is the world's to set.

        Raises:
            LimitExceededError: it is larger than :data:`torpor.limits.SNAPSHOT_BYTES_MAX`.
        """
        raw = self._vm.snapshot()
        if len(raw) > limits.SNAPSHOT_BYTES_MAX:
            raise LimitExceededError(
                f"run {self._run.id}: its snapshot has {len(raw)} bytes, the limit is {limits.SNAPSHOT_BYTES_MAX}; "
                f"keep large data in steps and pass references"
            )
        data = self._run_codec.pack_binary(raw)
        checkpoints.tell(self._run.id, "taken", ops=self.ops, bytes=len(raw), stored=len(data))
        return Snapshot(cursor=0, ops=self.ops, logs=self.logs, image=self.image.hash, at=at, data=data)

    @property
    def ended(self) -> bool:
        """Whether the workflow's code has ended."""
        return self._ended

    def stack(self) -> list[TaskStack]:
        """Return what the tasks wait for; see :meth:`torpor.vm.guest.Vm.stack`."""
        if self._asked is None:
            self._asked = asked_for(self._events, self._state.held)
        return self._vm.stack(self._asked)

    def watch(self) -> None:
        """Look where errors are made from now on; see :meth:`torpor.vm.guest.Vm.watch`."""
        self._vm.watch()

    def evaluate(self, source: str) -> Evaluation:
        """Run code inside the VM; see :meth:`torpor.vm.guest.Vm.evaluate`."""
        return self._vm.evaluate(source)

    def query(self, name: str, args: str) -> Answer:
        """Call a query function inside the VM; see :meth:`torpor.vm.guest.Vm.query`."""
        return self._vm.query(name, args)

    def release(self) -> None:
        """Give the VM back; may be called twice."""
        self._vm.release()
        checkpoints.tell(self._run.id, "released", ops=self.ops)

    def _beginning(self) -> Begin:
        run, was = self._run, self._was
        created = self._state.events[0] if self._state.events else None
        if created is None or created.type != "run_created" or created.payload is None:
            raise DamagedError("the log", "it does not begin with run_created and arguments", run_id=run.id)
        args = plan.stored_text(run.id, created, self._run_codec)
        # A replay gives the code the address that it had, whatever the deployment's is by now.
        urls = (event.ref for event in self._events if event.type == "run_started")
        return Begin(was.run_id, run.workflow, args, seed=was.seed, at=created.at, url=next(urls, self._url))

    def _replayed(self, events: Sequence[Event], checkpoint: Snapshot, now: int) -> Sequence[Event]:
        """
        Bring the VM to where a snapshot was taken, and return the events after that.

        Raises:
            DivergenceError: it is in another state there, as far as can be seen from outside.
        """
        self._feed([event for event in events if event.seq <= checkpoint.cursor], now)
        if self._ended or self.ops != checkpoint.ops:
            what = "has ended" if self._ended else f"has emitted {self.ops} ops"
            raise DivergenceError(
                f"run {self._run.id}: after event {checkpoint.cursor} the guest {what}; it had been waiting and "
                f"had emitted {checkpoint.ops} ops there"
            )
        return [event for event in events if event.seq > checkpoint.cursor]

    def _check_counts(self, outbox: Outbox) -> None:
        """
        Check that what a VM asks for first goes on where its snapshot says that it stood.

        Raises:
            SnapshotError: it does not.
        """
        if not self._counted_by_snapshot:
            return
        ops, lines = [op.n for op in outbox.ops[:1]], [line.n for line in outbox.logs[:1]]
        if any(n != self.ops + 1 for n in ops) or any(n <= self.logs for n in lines):
            raise SnapshotError(
                f"the snapshot is of op {self.ops} and line {self.logs}, and its VM goes on with {ops or lines}"
            )
        self._counted_by_snapshot = not (ops or lines)

    def _opened(self, snapshot: Snapshot) -> bytes:
        try:
            return self._run_codec.unpack_binary(snapshot.data)
        except (SerializationError, LimitExceededError) as error:  # a header may claim any size
            raise SnapshotError(f"the stored snapshot is damaged: {error}") from error

    def _fed(self, events: Sequence[Event], now: int) -> Sequence[Event]:
        left = self._feed(events, now)
        checkpoints.tell(self._run.id, "advanced", events=len(events), left=len(left), ops=self.ops)
        return left

    def _feed(self, events: Sequence[Event], now: int) -> Sequence[Event]:
        """Deliver events, and return those that have to wait until what was asked for meanwhile is stored."""
        for event in events:
            if event.type == "wait_completed":
                self._waits.pop(event.op, None)
        done = 0
        while done < len(events) and not self._ended:
            if self._outbox_bytes > limits.OUTBOX_BYTES_MAX:
                return events[done:]
            inbox, done = self._inbox(events, done)
            self._deliver(inbox, now)
        return ()

    def _inbox(self, events: Sequence[Event], done: int) -> tuple[list[Delivery], int]:
        """Return what one call into the VM delivers of the events from *done* on, and how many are done then."""
        inbox: list[Delivery] = []
        size = 0
        while done < len(events) and len(inbox) < self._events_per_call and size <= limits.INBOX_BYTES_MAX:
            if events[done].type == "run_forked":
                return (inbox, done) if inbox else ([self._become(events[done])], done + 1)
            if (found := plan.delivery(self._run.id, events[done], self._run_codec)) is not None:
                inbox.append(found)
                size += len(found.value or "") + len(found.error or "")
            done += 1
        return inbox, done

    def _become(self, forked: Event) -> Delivery:
        """Let the VM draw from the entropy of the run that it is from now on, and return what tells it who that is."""
        was = forks.read(self._run.id, forked, self._run_codec)
        self._was = forks.identity_after(self._events, forked.seq, self._own, self._run_codec)
        self._vm.reseed(self._was.seed)
        return forks.delivery(forked, self._was, was.tokens)

    def _deliver(self, inbox: list[Delivery], now: int) -> None:
        if not inbox:
            return
        try:
            self._take(self._call(self._vm.deliver, inbox), now)
        except (CpuLimitError, MemoryLimitError, OutputLimitError, LimitExceededError) as error:
            if len(inbox) > 1:
                raise TooMuchAtOnceError(f"{len(inbox)} events together passed a limit: {error}") from error
            raise

    def _call(self, call: Callable[..., T], *args: object) -> T:
        """Call into the VM; what a tenant's run uses is counted, and bounds the next call."""
        meter = self._meter
        if meter is None:
            return call(*args)
        made = meter.call(call, *args)
        self._vm.bound(cpu_seconds=meter.cpu_seconds, memory_bytes=meter.memory_bytes)
        return made

    def _take(self, outbox: Outbox, now: int) -> None:
        """Check and record what one call into the VM has asked for."""
        run = self._run
        if len(outbox.ops) > limits.OPS_PER_TURN_MAX:
            raise LimitExceededError(
                f"run {run.id}: {len(outbox.ops)} steps, waits and hooks were asked for at once, the limit is "
                f"{limits.OPS_PER_TURN_MAX}; start them in smaller groups"
            )
        self._check_counts(outbox)
        if outbox.received or outbox.receiving or self.receiving:
            plan.check_counts(run.id, outbox)
            self.received = outbox.received
            self.receiving = tuple(sorted(outbox.receiving)[: limits.RECEIVING_TOLD_MAX])
        for number, given in enumerate(outbox.ops, self.ops + 1):
            plan.check_form(run.id, given, number)
            op = as_owned(given, self._tenant)
            self._emitted(op)
            if number <= run.ops:
                plan.check_replay(run.id, op, self._run_codec, self._recorded.get(op.n))
                continue
            self._authorise(op)
            self._note_attributes(op)
            event = plan.record(op, self._run_codec, self._seed, now, self._hooks, self._deadlines)
            if event.type == "hook_created":
                self._hooks[op.n] = (event.id, event.name)
            elif event.type == "wait_created":
                self._waits[op.n] = event.id
            self._outputs.append(event)
            self._outbox_bytes += len(event.payload or b"")
        for line in outbox.logs:
            plan.check_line(run.id, line, self.logs)
            if line.n > run.logs:
                text = self._run_codec.pack_text(line.text)
                self._entries.append(LogEntry(line.n, line.at, line.level, text))
                self._outbox_bytes += len(text)
            self.logs = line.n  # not a count: lines that were dropped have numbers too
        self._count(len(outbox.ops))
        # Of those that have ended, be it in the log that is replayed, there is nothing to dispose of.
        if outbox.left and outbox.status in {"pending", "cancelled"}:
            self._give_up(outbox.left, now)
        if outbox.status != "pending":
            self._end(outbox, now)
        self._awaits_ack = outbox.awaits_ack

    def _count(self, ops: int) -> None:
        """
        Count what one call into the VM has asked for.

        Raises:
            QuotaExceededError: a tenant's run may not have so much.
        """
        self.ops += ops
        if self._meter is not None:
            self._meter.check(self.ops, self._outbox_bytes)

    def _authorise(self, op: Op) -> None:
        """
        Check that the run may ask for something.

        Raises:
            NotAllowedError: it may not.
        """
        if self._meter is not None:
            self._meter.check_op(op)
        if op.type == "step":
            plan.check_authority(self._run.id, op.name, self.image.program, self._allows)

    def _end(self, outbox: Outbox, now: int) -> None:
        """Record how the workflow ended."""
        self._ended = True
        if outbox.status == "completed" and outbox.value is not None:
            self._outputs.append(Event("run_completed", now, payload=self._run_codec.pack_devalue(outbox.value)))
        elif outbox.status == "failed" and outbox.error is not None:
            failure = self._run_codec.pack_devalue(outbox.error)
            self._outputs.append(Event("run_failed", now, name="USER_ERROR", payload=failure))
        elif outbox.status == "cancelled":
            self._outputs.append(Event("run_cancelled", now))

    def _give_up(self, ops: Sequence[int], now: int) -> None:
        for n in ops:
            if (wait_id := self._waits.pop(n, None)) is not None:
                self._outputs.append(Event("wait_disposed", now, wait_id, op=n))
            else:
                self._given_up.append(n)

    def _note_attributes(self, op: Op) -> None:
        """
        Note what an op says of the run.

        Raises:
            LimitExceededError: it has too many attributes then, as far as is known here.
        """
        if op.attributes is not None:
            self._attributes = written(self._attributes, op.attributes)
            check_total(self._attributes)

    def _requests(self, left: Sequence[Event]) -> Requests:
        requests = Requests(
            tuple(self._outputs),
            self.ops,
            self.logs,
            tuple(self._entries),
            ended=self._ended,
            awaits_ack=self._awaits_ack,
            received=self.received,
            receiving=self.receiving,
            left=tuple(left),
            given_up=tuple(self._given_up),
        )
        self._outputs, self._entries, self._given_up, self._outbox_bytes = [], [], [], 0
        return requests
