"""
What is stored, as frozen values without behaviour.

Times are epoch milliseconds; payloads are codec envelopes (``devl…``, ``zstd…``), opaque to worlds.
"""

from __future__ import annotations

from torpor.model.forks import NewFork
from torpor.model.log import NOTHING, Event, LogEntry, Snapshot
from torpor.model.parcels import Parcel, WholeStream
from torpor.model.queries import (
    EndedFilter,
    Ending,
    ImageUse,
    LongLogs,
    Notice,
    ProgramUse,
    RunFilter,
    WaitingSteps,
    build_key,
)
from torpor.model.runs import BY_PARENT, NOW, Entities, Hook, NewRun, Run, RunState, Runtime, Step, StepInfo, Wait
from torpor.model.standing import standing
from torpor.model.streams import (
    Chunk,
    NewChunk,
    Stream,
    StreamBatch,
    StreamEnd,
    StreamPage,
    StreamType,
    StreamWriter,
)
from torpor.model.work import ClaimRequest, Claims, Commit, Committed, Finished, NewTask, StepOutcome, Task, TaskKind
from torpor.model.workers import GONE_MS, DeployedWorkflow, Deployment, Heartbeat, WorkerRow

__all__ = [
    "BY_PARENT",
    "GONE_MS",
    "NOTHING",
    "NOW",
    "Chunk",
    "ClaimRequest",
    "Claims",
    "Commit",
    "Committed",
    "DeployedWorkflow",
    "Deployment",
    "EndedFilter",
    "Ending",
    "Entities",
    "Event",
    "Finished",
    "Heartbeat",
    "Hook",
    "ImageUse",
    "LogEntry",
    "LongLogs",
    "NewChunk",
    "NewFork",
    "NewRun",
    "NewTask",
    "Notice",
    "Parcel",
    "ProgramUse",
    "Run",
    "RunFilter",
    "RunState",
    "Runtime",
    "Snapshot",
    "Step",
    "StepInfo",
    "StepOutcome",
    "Stream",
    "StreamBatch",
    "StreamEnd",
    "StreamPage",
    "StreamType",
    "StreamWriter",
    "Task",
    "TaskKind",
    "Wait",
    "WaitingSteps",
    "WholeStream",
    "WorkerRow",
    "build_key",
    "standing",
]
