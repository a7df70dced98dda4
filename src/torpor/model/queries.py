"""What is asked of a world, and told by it, beside the work."""

from __future__ import annotations

import msgspec

from torpor.lifecycle import RunStatus
from torpor.model.log import Event
from torpor.model.runs import Run


def build_key(build: str) -> str:
    """Return the blob key of a guest build."""
    return f"build/{build}"


class RunFilter(msgspec.Struct, frozen=True):
    """
    Which runs to list, newest first.

    Attributes:
        status, workflow, app: only these; the workflow by its full or its short name.
        before: id of the last run of the previous page.
        limit: how many at most.
        attributes: only runs that have all of these.
        ended_since, ended_before: only runs that ended at the one time or later, and before the other, epoch
            milliseconds; 0 for any time, or never.
    """

    status: RunStatus | None = None
    workflow: str | None = None
    app: str | None = None
    before: str | None = None
    limit: int = 50
    attributes: dict[str, str] = {}
    ended_since: int = 0
    ended_before: int = 0

    @property
    def by_end(self) -> bool:
        """Whether only runs are listed that ended at some time."""
        return bool(self.ended_since or self.ended_before)


class EndedFilter(msgspec.Struct, frozen=True):
    """
    Which runs that have ended to list, those that ended first first.

    Attributes:
        app, workflow: only these, by their full names; None for any.
        statuses: how they ended.
        before: only those that ended before this time, epoch milliseconds.
        whole: only those of which more is kept than what :meth:`torpor.world.Runs.delete_run` leaves of a name.
        limit: how many at most.
        besides: workflows, by their full names, whose runs are left out.
        since: only those that ended at this time or later, epoch milliseconds.
    """

    before: int
    app: str | None = None
    workflow: str | None = None
    statuses: tuple[RunStatus, ...] = ("completed", "failed", "cancelled")
    whole: bool = False
    limit: int = 50
    besides: tuple[str, ...] = ()
    since: int = 0


class LongLogs(msgspec.Struct, frozen=True):
    """
    Which runs that have not ended, and are kept by snapshots, to list: those of whose logs something may go.

    Attributes:
        going: how many events may go at least, one or more.
        kept: how many of the newest may not.
        age_ms: what is not older than that may not either, counted back from the newest snapshot; 0 for any age.
        app, workflow: only these, by their full names; None for any.
        limit: how many at most.
        besides: workflows, by their full names, whose runs are left out.
    """

    going: int
    kept: int = 0
    age_ms: int = 0
    app: str | None = None
    workflow: str | None = None
    limit: int = 50
    besides: tuple[str, ...] = ()


class WaitingSteps(msgspec.Struct, frozen=True):
    """
    Steps of one name that wait for a worker: nobody has claimed them, and they are ready, or were given back.

    Attributes:
        app, name: of which application, and which step.
        signature: what the runs' programs take its signature for.
        count: how many.
        since: since when the longest waiting one is ready; of one that was given back, when it was asked for.
        run_id: a run that has one.
        snoozed: why one of them was not taken, ``""`` when no worker has said.
    """

    app: str
    name: str
    signature: str
    count: int
    since: int
    run_id: str
    snoozed: str = ""


class ProgramUse(msgspec.Struct, frozen=True):
    """
    Runs that have not ended and keep one program.

    Attributes:
        app: of which application.
        program, guest: content address of the program, and its guest language.
        key_id: id of the key that the program is stored under for them.
        count: how many.
        run_id: one of them.
    """

    app: str
    program: str
    guest: str
    key_id: str
    count: int
    run_id: str


class ImageUse(msgspec.Struct, frozen=True):
    """
    What images runs need: those of one program in one guest build.

    Attributes:
        program: its content address.
        build: the guest build.
        key_id: id of the key that the program and its image are stored under.
    """

    program: str
    build: str
    key_id: str


class Ending(msgspec.Struct, frozen=True):
    """
    How a run ended.

    Attributes:
        run: as it is stored from then on.
        event: which ended it, as it is stored; None when it has to be read.
    """

    run: Run
    event: Event | None = None


class Notice(msgspec.Struct, frozen=True):
    """
    Something changed; a hint, never a fact.

    Attributes:
        run_id: which run, None when it is not known (another process wrote).
        work: there may be a task to claim.
        ended: the run may have ended.
        written: one of its streams may have been written to, or closed.
        hooked: it may have a new hook.
        cancelling: it was cancelled, or gave up steps because it was: what carries them out elsewhere may stop.
        ending: how it ended, a fact, told in the process alone whose commit it was.
    """

    run_id: str | None = None
    work: bool = False
    ended: bool = False
    written: bool = False
    hooked: bool = False
    cancelling: bool = False
    ending: Ending | None = None
