"""What the public may know of a run: no seed, no key material, nothing of how it is claimed and fenced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from torpor.attributes import FORKED, LEAVING, MOVED, STATUS
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import Entities, Run, Runtime
from torpor.programs.catalogue import short_name
from torpor.world import World


class Awaited(msgspec.Struct, frozen=True):
    """
    Something that a run waits for.

    Attributes:
        kind: ``step``, ``timer``, ``hook`` (the outside world), ``run`` (the end of another run), or ``message``.
        id: of the step, wait or hook in the run's log; ``""`` for a message.
        name: short name of the step, token of the hook, id of the other run, mailbox; ``""`` for a timer.
        since: when it was asked for, epoch milliseconds; 0 for a timer and a message, of which that is not kept.
        status: ``pending``, ``running``, ``retrying`` or ``blocked`` for a step, else ``waiting``.
        attempt: number of a step's newest attempt, 0 before the first and for everything else.
        due: when a timer ends, or a step that nobody carries out now misses a deadline, epoch milliseconds; 0 for none.
        why: why no worker took or kept a step, or why it is blocked; ``""`` when it simply waits for its turn, and for
            everything else.
        op: its number among what the run has asked for; 0 for a message.
        progress: what a step's attempt has told by ``heartbeat`` last; None for nothing, and where it cannot be read.
    """

    kind: Literal["step", "timer", "hook", "run", "message"]
    id: str
    name: str = ""
    since: int = 0
    status: str = "waiting"
    attempt: int = 0
    due: int = 0
    why: str = ""
    op: int = 0
    progress: Any = None


Shown = Callable[[Run, bytes], Any]
"""Returns what a payload of a run is."""


def _hidden(_run: Run, _payload: bytes) -> None:
    """Show nothing."""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    A run as it stands.

    Attributes:
        id: ``wrun_<ULID>``, or the name that its starter gave it.
        workflow, name: full and short name of its workflow.
        status: ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``.
        created_at, started_at, ended_at: epoch milliseconds, 0 until it happened.
        error_code: why it failed, ``""`` unless it did.
        waits_for: what it waits for now; empty when it has ended, or computes, or has not begun.
        sent: messages that were sent to it.
        unreceived: of those, how many its code has not received; of a run that has ended, how many it never did.
        cancel_by: by when it ends, epoch milliseconds, because it was cancelled and cleans up; 0 when it was not.
        snoozed: why a worker gave it back for later, ``""`` once something of it was stored.
        damage: what of it cannot be read, ``""`` of a sound run; of one that is damaged the other fields tell little.
        head: seq of the newest event of its log.
        base: seq of the newest event that was dropped from the beginning of its log, 0 when the log is whole.
        ops: how many steps, waits and hooks it has asked for.
        parent: the run that started it, ``""`` when none did.
        root: the first of its line of parents, ``""`` when it has none.
        program: content address of its program.
        guest: name of its guest language.
        runtime: ``snapshot`` or ``replay``.
        app, queue: which application it belongs to, and which of its queues.
        priority: of what is ready the highest is taken first.
        starts_at, deadline: when it may begin, and when it fails if it has not ended; 0 for neither.
        attributes: what is said of it in plain text, to find it by, Torpor's own included.
        paused: nothing of it happens before somebody lets it go on.
        status_line: what its workflow says of how it stands, ``""`` for nothing.
        forked_from: of a fork the run and the place in its log, ``wrun_…@17``; ``""`` of any other.
        key_id: id of the deployment key that its payloads are encrypted with, ``""`` when they are plain.
    """

    id: str
    workflow: str
    name: str
    status: RunStatus
    created_at: int
    started_at: int = 0
    ended_at: int = 0
    error_code: str = ""
    waits_for: tuple[Awaited, ...] = ()
    sent: int = 0
    unreceived: int = 0
    cancel_by: int = 0
    snoozed: str = ""
    damage: str = ""
    head: int = 0
    base: int = 0
    ops: int = 0
    parent: str = ""
    root: str = ""
    program: str
    guest: str
    runtime: Runtime
    app: str = ""
    queue: str = ""
    priority: int = 0
    starts_at: int = 0
    deadline: int = 0
    attributes: dict[str, str] = {}
    paused: bool = False
    status_line: str = ""
    forked_from: str = ""
    key_id: str = ""

    @property
    def moved_to(self) -> str:
        """The world that it has left for, where it goes on; ``""`` when it is here."""
        return self.attributes.get(LEAVING) or self.attributes.get(MOVED, "")

    @property
    def blocked(self) -> tuple[Awaited, ...]:
        """The steps of which nobody knows how they ended; somebody has to resolve them."""
        return tuple(awaited for awaited in self.waits_for if awaited.status == "blocked")

    @classmethod
    def of(cls, run: Run, rows: Entities | None = None, shown: Shown = _hidden) -> RunInfo:
        """Return what the public may know of a run; *rows* are what is open in it, *shown* reads payloads."""
        return cls(
            id=run.id,
            workflow=run.workflow,
            name=short_name(run.workflow),
            status=run.status,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
            error_code=run.error_code,
            waits_for=() if rows is None or run.status in RUN_TERMINAL else _waits_for(rows, shown),
            sent=run.sent,
            unreceived=max(0, run.sent - run.received),
            cancel_by=run.cancel_by,
            snoozed=run.snoozed,
            damage=run.damage,
            head=run.head,
            base=run.base,
            ops=run.ops,
            parent=run.parent,
            root=run.root,
            program=run.program,
            guest=run.guest,
            runtime=run.runtime,
            app=run.app,
            queue=run.queue,
            priority=run.priority,
            starts_at=run.starts_at,
            deadline=run.deadline,
            attributes=run.attributes,
            paused=run.paused,
            status_line=run.attributes.get(STATUS, ""),
            forked_from=run.attributes.get(FORKED, ""),
            key_id=run.key_id,
        )


async def read_info(world: World, run: Run, shown: Shown = _hidden) -> RunInfo:
    """Return what the public may know of a run, with what it waits for as the world has it now."""
    return (await read_infos(world, [run], shown))[0]


async def read_infos(world: World, runs: Sequence[Run], shown: Shown = _hidden) -> list[RunInfo]:
    """Return what the public may know of runs; see :func:`read_info`."""
    live = [run.id for run in runs if run.status not in RUN_TERMINAL and not run.damage]
    rows = await world.open_entities_of(live) if live else {}
    return [RunInfo.of(run, rows.get(run.id), shown) for run in runs]


def _waits_for(rows: Entities, shown: Shown) -> tuple[Awaited, ...]:
    """Return what is open in a run, in the order in which it was asked for."""
    found: list[tuple[int, Awaited]] = []
    for step in rows.steps.values():
        about = (step.id, short_name(step.name), step.created_at, step.status, step.attempt)
        progress = None if step.progress is None else shown(rows.run, step.progress)
        found.append(
            (step.op, Awaited("step", *about, due=step.gives_up_at, why=step.snoozed, op=step.op, progress=progress))
        )
    found += [(wait.op, Awaited("timer", wait.id, due=wait.due, op=wait.op)) for wait in rows.waits.values()]
    for hook in rows.hooks.values():
        if hook.status == "live":
            kind: Literal["run", "hook"] = "run" if hook.watch else "hook"
            found.append((hook.op, Awaited(kind, hook.id, hook.watch or hook.token, hook.created_at, op=hook.op)))
    asked_for = [awaited for _, awaited in sorted(found, key=lambda each: each[0])]
    return (*asked_for, *(Awaited("message", "", name) for name in rows.run.receiving))
