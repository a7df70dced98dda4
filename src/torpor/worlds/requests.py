"""
What an operation asks of a store, and the conversation in which it does.

::

    request      answer
    Load         Entities | None      the run and what is open in it, locked until the end where there are locks
    Part         Entities | None      the run, and of what is open in it one step, one hook and the waits that are due
    Moved        Since | None         the run, and what of it has changed since an event
    First        Event | None         the first event of a log that is whole
    Whole        tuple[Event, …]      the log, or what is left of it
    Inputs       tuple[Event, …]      inputs in the log after a seq
    Payloads     dict[int, bytes]     payloads of events, by seq
    Newest       Snapshot | None      the run's snapshot, without its data
    Owner        Hook | None          the live hook that has a token
    Reserved     str                  the run that a token is reserved for, "" for none
    Resumed      str                  the run that received a payload, by the token and the id that it came with
    Received     bool                 whether a run has had the message with this id
    Watchers     tuple[Hook, …]       live hooks that watch a run, in the order of their creation
    Children     tuple[str, …]        ids of the live runs that a run has started, but for those that are detached
    Kept         bool                 whether there is a blob of this key
    Apply        None, or StaleError / TokenTakenError is thrown in; then nothing of it is stored
    PutStep      None, or StaleError  a step task's row, if its epoch is still the expected one
    PutProgress  None                 what an attempt has told of its progress, in the row of its step
    StreamOf     StreamState | None   a stream and one of its writers; None when there is no such run
    PutStream    None, or StaleError  what a batch of chunks changes, if the stream is still the expected one
    Spend        None                 more, or less, weight has begun in a queue than was known
    Scheduled    Schedule | None      the schedule of a name, locked until the end where there are locks
    PutSchedule  None                 a schedule, in place of the one of its name
    DropSchedule None                 it is there no more
    TenantOf     TenantInfo | None    a tenant with what it has used, locked until the end where there are locks
    PutTenant    None                 a tenant, in place of the one of its name
    DropTenant   None                 it is there no more; EntityConflictError is raised while it has runs
    Erase        bool                 what belongs to a run that has ended goes; whether all of it has
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

import msgspec

from torpor.errors import DamagedError
from torpor.model import Entities, Notice, Run, Step, Stream, StreamWriter
from torpor.model.schedules import Schedule
from torpor.model.tenants import Tenant
from torpor.worlds.draft import Changes
from torpor.worlds.streams import StreamChanges

T = TypeVar("T")


class Load(msgspec.Struct, frozen=True):
    """Ask for a run and all that is open in it."""

    run_id: str


class Part(msgspec.Struct, frozen=True):
    """
    Ask for a run and only that of what is open in it which a thing from outside can change; more does no harm.

    A run may have ten thousand open steps, and each of them ends alone.

    Attributes:
        run_id: which run.
        due: waits that are due by then.
        step, hook: id of a step and of a hook, ``""`` for none.
    """

    run_id: str
    due: int = 0
    step: str = ""
    hook: str = ""


class Moved(msgspec.Struct, frozen=True):
    """
    Ask for a run, and for those rows of what is open in it that events after a seq are about, and some more.

    Who knows the run as it was then knows it as it is now, however much is open in it.

    Attributes:
        run_id: which run.
        after: the seq.
        also: ids of what else.
    """

    run_id: str
    after: int
    also: tuple[str, ...] = ()


class Since(msgspec.Struct, frozen=True):
    """
    What has become of a run.

    Attributes:
        entities: the run, and the rows that are there.
        about: ids of all rows that were asked for.
    """

    entities: Entities
    about: frozenset[str]


class First(msgspec.Struct, frozen=True):
    """Ask for the event that a run began with."""

    run_id: str


class Whole(msgspec.Struct, frozen=True):
    """Ask for a run's log, or what is left of it."""

    run_id: str


class Inputs(msgspec.Struct, frozen=True):
    """Ask for the inputs in a run's log after seq *after*."""

    run_id: str
    after: int


class Payloads(msgspec.Struct, frozen=True):
    """Ask for the payloads of a run's events."""

    run_id: str
    seqs: tuple[int, ...]


class Newest(msgspec.Struct, frozen=True):
    """Ask for a run's snapshot; its data may be left out."""

    run_id: str


class Owner(msgspec.Struct, frozen=True):
    """Ask for the live hook that has a token."""

    token: str


class Reserved(msgspec.Struct, frozen=True):
    """Ask for the run that a token is reserved for at some time, because a hook that had it is gone."""

    token: str
    now: int


class Resumed(msgspec.Struct, frozen=True):
    """Ask for the run that has received the payload which a token was resumed with under an id; ``""`` for none."""

    token: str
    resume_id: str


class Received(msgspec.Struct, frozen=True):
    """Ask whether a run has had the message with an id."""

    run_id: str
    message_id: str


class Watchers(msgspec.Struct, frozen=True):
    """Ask for the live hooks that watch a run."""

    run_id: str


class Children(msgspec.Struct, frozen=True):
    """Ask for the runs that a run has started and that are to be cancelled with it, in the order of their creation."""

    run_id: str


class Kept(msgspec.Struct, frozen=True):
    """Ask whether there is a blob."""

    key: str


class Apply(msgspec.Struct, frozen=True):
    """Have changes stored, all or none."""

    changes: Changes


class PutStep(msgspec.Struct, frozen=True):
    """Have a step task's row stored, if its epoch is still *expected*."""

    step: Step
    expected: int


class PutProgress(msgspec.Struct, frozen=True):
    """Have the progress of a step stored that was just asked for; nothing else of its row changes."""

    step: Step


class StreamOf(msgspec.Struct, frozen=True):
    """Ask for a stream, and for what a writer has written to it."""

    run_id: str
    name: str
    writer: str


class StreamState(msgspec.Struct, frozen=True):
    """A stream, None before anybody has written to it, and a writer, None before it has."""

    stream: Stream | None = None
    writer: StreamWriter | None = None


class PutStream(msgspec.Struct, frozen=True):
    """Have chunks stored, all or none."""

    changes: StreamChanges


class Spend(msgspec.Struct, frozen=True):
    """Have weight counted against the rate of a queue, if it has one."""

    app: str
    queue: str
    weight: int
    now: int


class Scheduled(msgspec.Struct, frozen=True):
    """Ask for the schedule that has a name."""

    app: str
    name: str


class PutSchedule(msgspec.Struct, frozen=True):
    """Have a schedule stored that was just asked for."""

    schedule: Schedule


class DropSchedule(msgspec.Struct, frozen=True):
    """Have a schedule forgotten."""

    app: str
    name: str


class TenantOf(msgspec.Struct, frozen=True):
    """Ask for a tenant and all that it has used."""

    name: str


class PutTenant(msgspec.Struct, frozen=True):
    """Have a tenant stored that was just asked for."""

    tenant: Tenant


class DropTenant(msgspec.Struct, frozen=True):
    """Have a tenant forgotten that was just asked for."""

    name: str


class Erase(msgspec.Struct, frozen=True):
    """
    Have rows of a run that has ended deleted; see :meth:`torpor.world.Runs.delete_run`.

    Between two such requests the run makes sense: its log begins late, and nothing refers to what is gone.
    """

    run: Run
    keep_name: bool
    rows_max: int


Request: TypeAlias = (
    Load
    | Part
    | Moved
    | First
    | Whole
    | Inputs
    | Payloads
    | Newest
    | Owner
    | Resumed
    | Received
    | Reserved
    | Watchers
    | Children
    | Kept
    | Apply
    | PutStep
    | PutProgress
    | StreamOf
    | PutStream
    | Spend
    | Scheduled
    | PutSchedule
    | DropSchedule
    | TenantOf
    | PutTenant
    | DropTenant
    | Erase
)
Operation: TypeAlias = Generator[Request, Any, tuple[T, Notice | None]]
Conversation: TypeAlias = Generator[Request, Any, T]


class StaleError(Exception):
    """The stored run or step is not the expected one any more; nothing was stored."""


class TokenTakenError(Exception):
    """
    Another live hook has the token; nothing was stored.

    Attributes:
        token, run_id: which, and whose hook it is.
    """

    def __init__(self, token: str, run_id: str) -> None:
        super().__init__(token)
        self.token = token
        self.run_id = run_id


def converse(conversation: Conversation[T], answer: Callable[[Request], Any], first: Request | None = None) -> T:
    """
    Carry a conversation on with a store that answers at once, and return its result.

    Its transaction is the caller's to begin, and to undo when this raises.

    Args:
        conversation: what is asked.
        answer: answers it.
        first: what it has asked already, if it has begun.

    Raises:
        DamagedError: something that the operation needs is damaged.
    """
    try:
        request = first or next(conversation)
        while True:
            try:
                answered = answer(request)
            except (StaleError, TokenTakenError, DamagedError) as error:
                request = conversation.throw(error)
            else:
                request = conversation.send(answered)
    except StopIteration as stop:
        result: T = stop.value
        return result
