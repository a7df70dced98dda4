"""Moments of a run's past: where it stood, what differs between two of them, and how large it was."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.travellers import Travellers
from torpor.http.views import LogLine
from torpor.inspection.reading import Reader
from torpor.inspection.timestamps import iso
from torpor.lifecycle import RunStatus
from torpor.moments import FrameChange, Line, Moment, Position, SnapshotSize
from torpor.run_info import RunInfo
from torpor.vm.guest import TaskStack

router = Router("moments")

Seq = Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]

SIZES_EVENTS_MAX: Final = 10_000
"""Events of a log that is replayed as a whole for the sizes of its snapshots."""


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which moment.

    Attributes:
        at: seq of the event that it is after; a negative one counts from the end of the log.
    """

    at: Seq = -1


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Which two moments.

    Attributes:
        before, after: seqs of the events that they are after; negative ones count from the end of the log.
    """

    before: Seq = -2
    after: Seq = -1


class MomentView(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was at one place of its log; see :class:`torpor.moments.Moment`. Times are ISO 8601."""

    run: str
    seq: int
    at: str | None
    event: str
    status: RunStatus
    tasks: list[TaskStack]
    position: Position | None
    output: list[LogLine]
    lines_before: int
    first: int
    last: int
    problem: str
    snapshot_bytes: int


class DifferenceView(msgspec.Struct, frozen=True):
    """What differs between two moments of a run; see :class:`torpor.moments.Difference`."""

    run: str
    before: int
    after: int
    frames: list[FrameChange]
    output: list[LogLine]


class SizeView(msgspec.Struct, frozen=True):
    """How large a snapshot is at a place of a log, as a replay has it."""

    seq: int
    at: str | None
    bytes: int


@router.get("/v1/runs/{run}/moment", "read")
async def moment(call: Call, query: Where) -> MomentView:
    """Show a run as it was after an event of its log: stack, variables, output. It is replayed in a copy."""
    info, reader = await _opened(call)
    async with call.service.part(Travellers).of(call.service, reader, info.id) as traveller:
        return _moment_view(await traveller.at(query.at))


@router.get("/v1/runs/{run}/difference", "read")
async def difference(call: Call, query: Between) -> DifferenceView:
    """Tell what differs between two moments of a run: functions, variables and output."""
    info, reader = await _opened(call)
    async with call.service.part(Travellers).of(call.service, reader, info.id) as traveller:
        found = await traveller.difference(query.before, query.after)
    return DifferenceView(info.id, found.before, found.after, [*found.frames], [_line(each) for each in found.output])


@router.get("/v1/runs/{run}/sizes", "read")
async def sizes(call: Call) -> list[SizeView]:
    """Tell how large a run's snapshots are over its log; of a long log as far as it was replayed for somebody."""
    info, reader = await _opened(call)
    async with call.service.part(Travellers).of(call.service, reader, info.id) as traveller:
        found = await traveller.sizes(whole=traveller.last - traveller.first < SIZES_EVENTS_MAX)
    return [_size(each) for each in found]


async def _opened(call: Call) -> tuple[RunInfo, Reader]:
    """
    Return the run that is meant, and what reads it.

    Raises:
        RunNotFoundError: as :func:`torpor.http.runs.known_run`.
        ForbiddenError: what is encrypted is not for who asks.
    """
    info = await known_run(call)
    if info.key_id and not call.opens(info):
        raise ForbiddenError("the run is encrypted, as are its variables: this takes the role decrypt")
    return info, call.service.reader(decrypt=bool(info.key_id))


def _moment_view(found: Moment) -> MomentView:
    return MomentView(
        run=found.run_id,
        seq=found.seq,
        at=iso(found.at) if found.at else None,
        event=found.event,
        status=found.status,
        tasks=[*found.tasks],
        position=found.position,
        output=[_line(each) for each in found.output],
        lines_before=found.lines_before,
        first=found.first,
        last=found.last,
        problem=found.problem,
        snapshot_bytes=found.snapshot_bytes,
    )


def _line(line: Line) -> LogLine:
    return LogLine(n=line.n, at=iso(line.at), level=line.level, text=line.text)


def _size(size: SnapshotSize) -> SizeView:
    return SizeView(size.seq, iso(size.at) if size.at else None, size.bytes)
