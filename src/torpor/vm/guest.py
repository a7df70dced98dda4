"""
The narrow protocol that drives a guest language.

A turn is one message each way: an *inbox* of events goes in, an *outbox* of numbered ops, log lines and
the outcome comes out. Payloads inside are codec texts (``devl…``) that the guest itself encodes and decodes; the
host carries them without understanding them.

The guest is a pure function of its program, the run's seed and the events delivered to it in log order. Before each
event is delivered the guest's clock moves on to its ``at`` (it never goes back, though the log's times may where
machines disagree); after each event all microtasks are drained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, Protocol

import msgspec

from torpor.vm.manifest import BuildFiles, StoredBuild

DeliveryType = Literal[
    "run_cancelling",
    "run_forked",
    "step_completed",
    "step_failed",
    "wait_completed",
    "hook_created",
    "hook_conflict",
    "hook_received",
    "message_sent",
]
OpType = Literal["step", "wait", "hook", "hook_dispose", "attributes"]
Status = Literal["pending", "completed", "failed", "cancelled"]
Version = str | tuple[str | int, ...]

NOTHING_ASKED: Final[Mapping[int, str]] = MappingProxyType({})


class Program(msgspec.Struct, frozen=True):
    """
    The source of workflows for one guest, content-addressed; stored in the world as JSON.

    Attributes:
        guest: name of the guest, such as ``quickjs``.
        build: hash of the guest build (WASM files and bootstrap) that the program was made for.
        files: module name → what the guest evaluates (TypeScript already stripped, step proxies included).
        entries: names of the modules that define workflows, in load order.
        workflows: workflow name → (module name, export name).
        line_maps: module name → for each line of the evaluated text the author's line; of TypeScript in programs of
            version 0.1.0, whose lines had moved.
        modules: for guests whose modules have names beside their files' (Python): dotted module name → key of
            ``files``. ``entries`` and ``workflows`` then name modules by these names.
        absent: top-level name of a module that the guest lacks → why; a placeholder stands in its place.
        steps: full name of each step that its code may call → text of the signature that the step had when the program
            was made (:mod:`torpor.signatures`); None in programs of version 0.1.0, which do not tell.
        versions: attribute of an absent module that tells a version, ``requests.__version__`` → its value.
        distributions: installed distribution that the code asks about → its version.
        cleanup: module name → where its code cleans up after errors (JavaScript's ``catch`` and ``finally``): first and
            last line and column of each block, from 1, columns in UTF-16 units, the last one exclusive.
    """

    guest: str
    build: str
    files: dict[str, str]
    entries: list[str]
    workflows: dict[str, tuple[str, str]]
    line_maps: dict[str, list[int]] = {}
    modules: dict[str, str] = {}
    absent: dict[str, str] = {}
    steps: dict[str, str] | None = None
    versions: dict[str, Version] = {}
    distributions: dict[str, str] = {}
    cleanup: dict[str, list[tuple[int, int, int, int]]] = {}

    def signature(self, step: str) -> str:
        """Return the signature that a step had when the program was made, ``""`` when that is not known."""
        return (self.steps or {}).get(step, "")

    def names_step(self, step: str) -> bool:
        """
        Return whether the program's code may mean a step, given by its full name, such as ``step//./app.py//charge``.

        A program of version 0.1.0 may mean every step whose file and name are in its text.
        """
        if self.steps is not None:
            return step in self.steps
        path, _, name = step.removeprefix("step//").rpartition("//")
        return bool(path and name) and any(path in text and name in text for text in self.files.values())


def program_bytes(program: Program) -> bytes:
    """Return the stored form of a program: JSON with sorted keys, so that equal programs are equal bytes."""
    fields = msgspec.structs.asdict(program)
    if program.steps is None:
        del fields["steps"]  # programs of version 0.1.0 keep their address, which their images name
    for name in ("versions", "distributions", "cleanup"):
        if not fields[name]:
            del fields[name]  # as above
    return msgspec.json.encode(fields, order="sorted")


def program_id(program: Program) -> str:
    """Return the content address of a program, SHA-256 in hexadecimal."""
    return hashlib.sha256(program_bytes(program)).hexdigest()


class Begin(msgspec.Struct, frozen=True):
    """
    What starts a run inside its VM.

    Attributes:
        run_id: id of the run.
        workflow: a key of :attr:`Program.workflows`.
        args: codec text of the argument list.
        seed: the run's secret seed, 32 bytes.
        at: creation time of the run, epoch milliseconds; the guest's first clock.
        url: address of the HTTP front door of this deployment, ``""`` when there is none.
    """

    run_id: str
    workflow: str
    args: str
    seed: bytes
    at: int
    url: str = ""


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One event on its way into the VM.

    Attributes:
        type: the event's type.
        op: number of the op that it answers; 0 of a message and for the run itself.
        at: the event's time, epoch milliseconds.
        value: codec text: a step's result, a hook's payload, a message, the reason of a cancellation; of ``run_forked``
            who the run is from now on: its ``id``, new ``tokens`` of hooks by their ops, and 32 hexadecimal digits of
            ``entropy``.
        error: codec text of the error of ``step_failed``.
        owner: run that holds the token (``hook_conflict``).
        name: mailbox of a message.
    """

    type: DeliveryType
    op: int
    at: int
    value: str | None = None
    error: str | None = None
    owner: str | None = None
    name: str | None = None


class Op(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One request of the guest, numbered 1, 2, 3 … inside the run.

    Attributes:
        n: its number.
        type: what is asked for.
        at: guest clock when it was asked, epoch milliseconds.
        name: step name such as ``step//./orders.py//charge``, or the hook's token.
        input: codec text: ``{args, kwargs?, closureVars?, thisVal?}`` of a step, metadata of a hook.
        due: when a wait ends, epoch milliseconds.
        target: number of the hook op that ``hook_dispose`` disposes of.
        watch: of a hook that awaits the end of another run instead of the outside world: that run's id.
        attributes: what ``attributes`` says of the run; None takes one away.
        retention_ms, takes: of a hook, see :class:`torpor.model.Hook`.
        response: codec text of what a webhook answers to all requests.
    """

    n: int
    type: OpType
    at: int
    name: str = ""
    input: str | None = None
    due: int = 0
    target: int = 0
    watch: str = ""
    attributes: dict[str, str | None] | None = None
    retention_ms: int = 0
    takes: str = ""
    response: str = ""


class LogLine(msgspec.Struct, frozen=True):
    """One line of ``console.*``/``print``, numbered 1, 2, 3 … inside the run so that a replay repeats none."""

    n: int
    at: int
    level: Literal["debug", "info", "warn", "error"]
    text: str


class Outbox(msgspec.Struct, frozen=True):
    """
    What one turn of the guest asks of the host.

    Attributes:
        ops: new ops, in order.
        logs: new log lines, in order.
        status: ``pending`` while the workflow waits; ``cancelled`` once one that was to be cancelled has cleaned up.
        value: codec text of the result when ``completed``.
        error: codec text of the thrown value when ``failed``.
        left: numbers of wait ops that nothing awaits any more, such as that of a timeout that was left in time, and of
            steps that a cancelled run has given up. It is a hint: what the host delivers for them is ignored, and a
            replay that meets a log without their disposal does not differ.
        awaits_ack: the workflow awaits the answer to an op of its own (``hook_created``/``hook_conflict``), so that
            parking now would make it wait for nothing.
        received: messages that workflow code has received since the run began.
        receiving: mailboxes in which it waits for one.
    """

    ops: list[Op] = []
    logs: list[LogLine] = []
    status: Status = "pending"
    value: str | None = None
    error: str | None = None
    left: list[int] = []
    awaits_ack: bool = False
    received: int = 0
    receiving: list[str] = []


class Image(Protocol):
    """A VM's memory after boot and after loading a program; shared by every run of that program."""

    @property
    def hash(self) -> str:
        """SHA-256 of the memory and the machine state beside it, hexadecimal."""
        ...

    @property
    def program(self) -> Program: ...

    @property
    def per_run(self) -> str | None:
        """
        None when module scope is pure. Otherwise the place (``file:line``) that read the clock or drew entropy while
        modules were evaluated: such a program is evaluated anew in every run.
        """
        ...

    def to_bytes(self) -> bytes:
        """Return the image in a form that :meth:`Guest.revive` takes, uncompressed."""
        ...


class Variable(msgspec.Struct, frozen=True):
    """A local variable of a parked frame; ``value`` is its ``repr``, shortened."""

    name: str
    value: str


class Frame(msgspec.Struct, frozen=True):
    """
    One function that awaits: where, and what it holds. ``line`` is the author's; ``column`` is 0 where it is not known.
    """

    function: str
    file: str
    line: int
    source: str = ""
    variables: list[Variable] = []
    column: int = 0


class TaskStack(msgspec.Struct, frozen=True):
    """
    One task of a parked run.

    Attributes:
        name: of the task; the workflow's own comes first.
        parent: name of the task that waits for it, ``""`` when none is known.
        waits_for: what the innermost frame awaits, such as ``step charge (op 3)`` or ``sleep until 2026-…``.
        frames: outermost first.
    """

    name: str
    frames: list[Frame]
    waits_for: str = ""
    parent: str = ""


class Evaluation(msgspec.Struct, frozen=True):
    """
    What a prompt says to one input.

    Attributes:
        text: output and the value, or the traceback, ready to be shown.
        incomplete: the input is only the beginning of a statement; give it again with more lines.
    """

    text: str
    incomplete: bool = False


class Answer(msgspec.Struct, frozen=True):
    """
    What comes of a query.

    Attributes:
        value: codec text of what the function returned.
        error: codec text of what it raised; None of both from a guest build that knows no queries.
    """

    value: str | None = None
    error: str | None = None


class Vm(Protocol):
    """One leased VM. Not thread-safe; calls may come from different threads one after another."""

    def bound(self, *, cpu_seconds: float | None = None, memory_bytes: int | None = None) -> None:
        """Allow the run less CPU time a turn, and less memory, than the guest's limits do; None for what they allow."""
        ...

    def begin(self, begin: Begin) -> Outbox:
        """
        Start the run in a VM that is fresh from the lease.

        Raises:
            VmError: trap, memory, CPU or output limit; the VM is unusable from then on.
        """
        ...

    def deliver(self, inbox: Sequence[Delivery]) -> Outbox:
        """
        Deliver events in log order and return what the guest asks for.

        Raises:
            VmError: trap, memory, CPU or output limit; the VM is unusable from then on.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the VM's state as a delta against its image, uncompressed."""
        ...

    def restore(self, snapshot: bytes, seed: bytes) -> None:
        """
        Replace the VM's state by a snapshot's.

        Args:
            snapshot: what :meth:`snapshot` returned, perhaps in another process.
            seed: the run's secret seed; entropy goes on where the snapshot left it.

        Raises:
            SnapshotError: another image, another format version, or damaged bytes; the VM is as after the lease.
        """
        ...

    def reseed(self, seed: bytes) -> None:
        """Draw entropy from the beginning of another secret seed's from now on."""
        ...

    def stack(self, asked: Mapping[int, str] = NOTHING_ASKED) -> list[TaskStack]:
        """
        Return what the tasks of a parked run wait for. The VM is spoiled: nothing but :meth:`restore` may follow.

        Args:
            asked: what ops asked for, by their numbers, such as ``step charge``, for guests that do not keep it.

        Raises:
            ConfigurationError: this guest cannot tell.
            VmError: as :meth:`deliver`.
        """
        ...

    def watch(self) -> None:
        """
        Look, until it is released, where errors are made, so that :meth:`stack` tells where a failure was raised.

        That takes time; guests that know it anyway do nothing.

        Raises:
            ConfigurationError: this guest cannot tell.
        """
        ...

    def evaluate(self, source: str) -> Evaluation:
        """
        Run code inside the parked VM, in the scope of the workflow. The VM is spoiled: no turn may follow.

        Raises:
            VmError: as :meth:`deliver`.
        """
        ...

    def query(self, name: str, args: str) -> Answer:
        """
        Call a query function of the program inside the parked VM. What it asks for is refused; no turn may follow.

        Args:
            name: of the function.
            args: codec text of its arguments, those by name last.

        Raises:
            ConfigurationError: the guest build of the VM knows no queries.
            VmError: as :meth:`deliver`.
        """
        ...

    def release(self) -> None:
        """Give the VM back; it may be called twice. Nothing of the run stays in it."""
        ...


class Guest(Protocol):
    """A guest language. Everything may be called from any thread."""

    @property
    def name(self) -> str: ...

    @property
    def build(self) -> str:
        """Hash of what the guest is made of: that of its manifest."""
        ...

    @property
    def manifest(self) -> bytes:
        """What the guest is made of; see :mod:`torpor.vm.manifest`."""
        ...

    @property
    def hears(self) -> Collection[str]:
        """Which deliveries this build understands; see :attr:`torpor.vm.manifest.Manifest.hears`."""
        ...

    @property
    def files(self) -> BuildFiles:
        """Where the files are that the manifest names."""
        ...

    def prepare(self) -> None:
        """
        Compile, boot and have a VM ready, unless that is done; it may take a minute, once on a machine.

        Raises:
            ConfigurationError: what the guest is made of is damaged, or does not boot.
            HostError: the host lacks something.
        """
        ...

    def retire(self) -> None:
        """Keep no idle VMs any more. What is leased goes on, and leasing too, only slower."""
        ...

    def load(self, program: Program, *, cpu_seconds: float | None = None) -> Image:
        """
        Boot a VM, evaluate the program once and return its image.

        Args:
            program: which.
            cpu_seconds: CPU time that this may take, if it is less than the guest's limits allow.

        Raises:
            ProgramError: the program does not compile, or throws while its modules are evaluated; the message names
                file and line.
            VmError: a limit was passed.
            ConfigurationError: the guest itself does not boot; its installation is damaged, or its limits too small.
            HostError: the system lacks something.
        """
        ...

    def revive(self, data: bytes, program: Program) -> Image:
        """
        Return the image that :meth:`Image.to_bytes` gave.

        Raises:
            SnapshotError: damaged bytes, an unknown version, or an image of another guest build.
            ConfigurationError, HostError: as :meth:`load`.
        """
        ...

    def lease(self, image: Image) -> Vm:
        """
        Return a VM in the image's state. It never waits: whoever leases bounds how many are out at once.

        Raises:
            HostError: the system lacks memory or descriptors.
        """
        ...


class MakeGuest(Protocol):
    """Gives guests by name."""

    def __call__(self, name: str, stored: StoredBuild | None = None, /) -> Guest:
        """
        Return the guest that is installed, always the same one; or make one of a stored build.

        Raises:
            ConfigurationError: there is no such guest here, or the build is not driven here.
        """
        ...
