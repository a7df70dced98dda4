"""
What a worker tells of its work while it goes on: one stream of observations, for whoever logs, shows, measures or
disturbs it.

An observer is a function; :class:`torpor.engine.worker.Worker` takes any number of them, and :func:`only` says which
kinds of observations one wants. It is called on the event loop, in the order in which things happen, and must not wait.
What it raises is logged and harms nobody; only an :class:`~torpor.engine.failpoints.InjectedError` fails the engine, at
a failpoint, which is what failpoints are for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from torpor.engine.failpoints import Failpoint, InjectedError
from torpor.engine.waiting import Unmet
from torpor.model import Event, LogEntry

_log = logging.getLogger("torpor.engine")

TurnEnd = Literal["parked", "ended", "snoozed", "left"]
"""
``parked`` until something wakes the run, ``ended`` with it, ``snoozed`` for a while; ``left`` because its claim is
another's now, or will be when this worker has stopped.
"""


class WorkerBegan(msgspec.Struct, frozen=True):
    """A worker has registered and is about to claim."""

    worker_id: str
    app: str


class WorkerPresumedDead(msgspec.Struct, frozen=True):
    """The world took the claims of this worker, which was silent for longer than *lease_ms* and goes on anew."""

    before: str
    worker_id: str
    lease_ms: int


class WorkerStopped(msgspec.Struct, frozen=True):
    """A worker has given back what it had claimed."""

    worker_id: str


class WorkerUnwell(msgspec.Struct, frozen=True):
    """The host lacks something, and this worker claims no runs for *delay_ms*."""

    error: Exception
    delay_ms: int


class TookOver(msgspec.Struct, frozen=True):
    """*count* tasks were taken from workers that died; without ids they were nobody's."""

    worker_ids: tuple[str, ...]
    count: int


class RunsLeftAlone(msgspec.Struct, frozen=True):
    """*runs* unfinished runs are encrypted with a key that this worker does not have."""

    worker_id: str
    key_id: str
    runs: int


class StepsWait(msgspec.Struct, frozen=True):
    """Steps of this worker's application wait, and no worker that lives will take them; told once while they wait."""

    unmet: Unmet


class TurnBegan(msgspec.Struct, frozen=True):
    """A claimed run is about to be loaded; *redeliveries* counts claims in a row without an effect, with this one."""

    worker_id: str
    run_id: str
    workflow: str
    epoch: int
    redeliveries: int


class TurnEnded(msgspec.Struct, frozen=True):
    """A turn is over."""

    worker_id: str
    run_id: str
    epoch: int
    how: TurnEnd


class Stored(msgspec.Struct, frozen=True):
    """
    Something of a run was stored by this worker: beginnings and endings, steps, waits, hooks, log lines.

    Attributes:
        run_id, key_id, workflow: of the run.
        events: as they were asked for: payloads of an encrypted run are encrypted, and times may be moved up.
        entries: new lines of its log, encrypted likewise.
        created_at: of the run, 0 where only a step's outcome was stored.
        parent, trace: id of the run that started it, and the trace in which it was started, ``""`` for none.
        snapshot_bytes: of the snapshot that was stored with it, 0 for none.
        late_ms: how late the timers were that have ended with it.
    """

    run_id: str
    key_id: str
    workflow: str
    events: tuple[Event, ...]
    entries: tuple[LogEntry, ...] = ()
    created_at: int = 0
    parent: str = ""
    trace: str = ""
    snapshot_bytes: int = 0
    late_ms: tuple[int, ...] = ()


class RunRebuilt(msgspec.Struct, frozen=True):
    """The snapshot of a run could not be restored; it goes on from its log."""

    run_id: str
    why: str


class RunSnoozed(msgspec.Struct, frozen=True):
    """A run was given back for *delay_ms*, by no fault of its own; *times* in a row."""

    run_id: str
    why: str
    delay_ms: int
    times: int


class AttemptBegan(msgspec.Struct, frozen=True):
    """An attempt of a step begins, and will end; the step's function may yet have to wait for a thread."""

    run_id: str
    step_id: str
    name: str
    attempt: int


class AttemptEnded(msgspec.Struct, frozen=True):
    """
    An attempt has ended; its outcome is not stored yet.

    Attributes:
        run_id, step_id, name, attempt: which.
        outcome: ``failed`` for good, ``retrying`` when another attempt follows, ``cancelled`` when nobody waits for it,
            ``blocked`` when nobody knows how it ended.
        error: class and message of what it raised, of an encrypted run the class alone.
        again_in_ms: when the next attempt follows.
    """

    run_id: str
    step_id: str
    name: str
    attempt: int
    outcome: Literal["completed", "failed", "retrying", "cancelled", "blocked"]
    error: str = ""
    again_in_ms: int = 0


class StepLeft(msgspec.Struct, frozen=True):
    """A step task was claimed and is for another worker."""

    run_id: str
    step_id: str
    name: str
    why: str


class Retried(msgspec.Struct, frozen=True):
    """Something of the engine's own failed and is tried again after *delay_ms*."""

    what: str
    error: Exception
    delay_ms: int


class Remark(msgspec.Struct, frozen=True):
    """What else a worker has to say, for people alone; *level* is logging's."""

    level: int
    text: str
    error: BaseException | None = None


Observation: TypeAlias = (
    Failpoint
    | WorkerBegan
    | WorkerPresumedDead
    | WorkerStopped
    | WorkerUnwell
    | TookOver
    | RunsLeftAlone
    | StepsWait
    | TurnBegan
    | TurnEnded
    | Stored
    | RunRebuilt
    | RunSnoozed
    | AttemptBegan
    | AttemptEnded
    | StepLeft
    | Retried
    | Remark
)
"""A :class:`~torpor.engine.failpoints.Failpoint` is the observation that it was passed."""

KINDS: Final[tuple[type, ...]] = get_args(Observation)

Observer = Callable[[Observation], None]


class _ByKind(msgspec.Struct, frozen=True):
    observers: Mapping[type, Callable[[Any], None]]

    def __call__(self, observation: Observation) -> None:
        if (observer := self.observers.get(type(observation))) is not None:
            observer(observation)


def by_kind(observers: Mapping[type, Callable[[Any], None]]) -> Observer:
    """Return an observer that has one for each of these kinds, so that it costs nothing at the others."""
    return _ByKind(observers)


def only(observer: Observer, *kinds: type) -> Observer:
    """Return an observer that is told these kinds only, so that it costs nothing at the others."""
    return _ByKind(dict.fromkeys(kinds, observer))


def ignore(_observation: Observation) -> None:
    """Observe nothing."""


def all_of(observers: Iterable[Observer]) -> Observer:
    """Return one observer for all of these, which raises nothing but what is injected at a failpoint."""
    each = [each.observers if isinstance(each, _ByKind) else dict.fromkeys(KINDS, each) for each in observers]
    wanting = {kind: found for kind in KINDS if (found := [their[kind] for their in each if kind in their])}
    broken: set[tuple[int, type]] = set()  # one that fails at each step of each run must not fill the log

    def observe(observation: Observation) -> None:
        kind = type(observation)
        for observer in wanting.get(kind, ()):
            try:
                observer(observation)
            except Exception as error:  # noqa: BLE001  # whatever it is, runs have nothing to do with it
                if isinstance(error, InjectedError) and kind is Failpoint:
                    raise error.error from None
                if (id(observer), kind) not in broken:
                    broken.add((id(observer), kind))
                    _log.exception("observer %r failed at a %s; it is told once", observer, kind.__name__)

    return observe
