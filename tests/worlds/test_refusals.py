"""What rules and operations refuse, in which words, and that a refusal says what to do or that nothing happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from msgspec.structs import replace

from torpor.errors import (
    EntityConflictError,
    HookNotFoundError,
    LeaseLostError,
    LimitExceededError,
    RunEndedError,
    RunNotFoundError,
    TorporError,
)
from torpor.model import (
    NOW,
    Commit,
    Committed,
    Entities,
    Event,
    Hook,
    NewRun,
    NewTask,
    Run,
    Snapshot,
    Step,
    StepOutcome,
)
from torpor.testing.clock import ManualClock
from torpor.worlds import cancelling, mailbox, rules
from torpor.worlds.draft import Changes
from torpor.worlds.memory import MemoryWorld

T: Final = 1_000_000
RUN: Final = Run(
    "wrun_1", "order", "p", "g", "snapshot", "running", b"seed", T, head=9, epoch=3, latest_at=T, ready_at=NOW,
    worker="wrkr_1",
)  # fmt: skip
STEP: Final = Step("wrun_1", "step_1", 1, 3, "pay", "running", T, attempt=1)
TASK: Final = replace(STEP, id="step_2", task=True, worker="wrkr_2", epoch=5)
HELD: Final = Entities(
    RUN, {"step_1": STEP, "step_2": TASK}, {}, {"hook_1": Hook("wrun_1", "hook_1", 4, "red", "live", T)}
)
COMPLETED: Final = Entities(replace(RUN, status="completed", worker=""))
COMMIT: Final = Commit("wrun_1", "wrkr_1", 3, 9)
OUTCOME: Final = StepOutcome("wrun_1", "step_2", "wrkr_2", 5, Event("step_completed", T, attempt=1))


def _turn(entities: Entities = HELD, **fields: object) -> tuple[Changes, Committed]:
    return rules.turn(entities, replace(COMMIT, **fields))


def _finish(**fields: object) -> Changes:
    return rules.finish(HELD, replace(OUTCOME, **fields), T)


def _archive(run: Run, snapshot: Snapshot | None, through: int = 5) -> Changes:
    return rules.archive(Entities(run), snapshot, through, {})


def test_what_is_refused_here_is_right_otherwise() -> None:
    """The commit and the outcome that the cases below spoil are stored as they are."""
    assert _turn()[1].stored
    assert _finish().events[0].type == "step_completed"


@pytest.mark.parametrize(("refused", "error", "words"), [
    (lambda: _turn(epoch=2), LeaseLostError, ["wrkr_1", "epoch 2", "wrun_1", "epoch 3", "drop the turn"]),
    (lambda: _turn(epoch=4), LeaseLostError, ["epoch 4", "epoch 3"]),
    (lambda: _turn(worker_id="wrkr_9"), LeaseLostError, ["wrkr_9", "worker wrkr_1's now"]),
    (lambda: _turn(Entities(replace(RUN, worker=""))), LeaseLostError, ["nobody's now"]),
    (lambda: _turn(COMPLETED), EntityConflictError, ["commit refused", "wrun_1 is completed", "nothing was stored"]),
    (
        lambda: _turn(outputs=(Event("run_failed", T), Event("wait_created", T, "wait_1", op=5))),
        EntityConflictError,
        ["wait_created refused", "wrun_1 is failed", "final"],
    ),
    (
        lambda: _turn(outputs=(Event("step_completed", T, "step_9"),)),
        EntityConflictError,
        ["step_completed refused: step step_9 of run wrun_1 does not exist", "needs it running"],
    ),
    (
        lambda: _turn(outputs=(Event("wait_completed", T, "wait_9"),)),
        EntityConflictError,
        ["wait wait_9 of run wrun_1 does not exist"],
    ),
    (
        lambda: _turn(outputs=(Event("hook_disposed", T, "hook_1"), Event("hook_disposed", T, "hook_1"))),
        EntityConflictError,
        ["hook hook_1 of run wrun_1 is over"],
    ),
    (lambda: _turn(outputs=(Event("run_started", T),)), EntityConflictError, ["run wrun_1 is running"]),
    (lambda: _turn(tasks=(NewTask("step_9"),)), EntityConflictError, ["step_9 of run wrun_1 does not exist"]),
    (lambda: _turn(tasks=(NewTask("step_2"),)), EntityConflictError, ["step_2 of run wrun_1 is running"]),
    (
        lambda: _turn(outputs=(Event("step_created", T, "step_3", op=6),), tasks=(NewTask("step_3", claimed=True),)),
        EntityConflictError,
        ["step_3 of run wrun_1 is pending", "keeps only what is running"],
    ),
    (lambda: _finish(epoch=4), LeaseLostError, ["wrkr_2", "epoch 4", "step_2", "wrun_1", "drop the result"]),
    (lambda: _finish(worker_id="wrkr_1"), LeaseLostError, ["step_2"]),
    (lambda: _finish(step_id="step_1"), LeaseLostError, ["step_1"]),
    (lambda: _finish(step_id="step_9"), LeaseLostError, ["step_9", "the step or run has ended"]),
    (lambda: cancelling.cancel(COMPLETED, "", T), EntityConflictError, ["run_cancelled refused", "is completed"]),
    (
        lambda: mailbox.send(COMPLETED, "work", b"", "m1", T),
        RunEndedError,
        ["wrun_1 is completed", "the message was not stored"],
    ),
    (
        lambda: mailbox.send(Entities(replace(RUN, sent=10_001, received=1)), "work", b"", "m1", T),
        LimitExceededError,
        ["wrun_1 has 10000 messages", "send it again when"],
    ),
    (lambda: _archive(RUN, None), EntityConflictError, ["wrun_1", "no snapshot", "event 5", "nothing was changed"]),
    (
        lambda: _archive(RUN, Snapshot(4, 0, 0, "i", T, b"")),
        EntityConflictError,
        ["newest snapshot stands at event 4", "event 5"],
    ),
    (lambda: _archive(replace(RUN, runtime="replay"), None), EntityConflictError, ["replay mode"]),
    (lambda: rules.forget_snapshot(replace(RUN, base=4)), EntityConflictError, ["wrun_1", "begins after event 4"]),
])  # fmt: skip
def test_a_rule_refuses(refused: Callable[[], object], error: type[TorporError], words: list[str]) -> None:
    """The error has the class of its kind, and names the run, what is wrong and what is there instead."""
    with pytest.raises(error) as caught:
        refused()
    assert [word for word in words if word not in str(caught.value)] == []


async def test_an_operation_refuses() -> None:
    """What only a store can know is refused by the operation, which names the world, the run or the token."""
    world = MemoryWorld("memory://", ManualClock(T))
    new = NewRun("wrun_1", "order", "p", "g", "snapshot", b"seed", b"in", build="b1")
    await world.create_run(new)
    for asked, error, words in (
        (world.get_run("wrun_9"), RunNotFoundError, ["'wrun_9'", "memory://", "check the id"]),
        (world.hook("red"), HookNotFoundError, ["'red'", "never created, has been disposed of, or its run has ended"]),
        (
            world.create_run(replace(new, workflow="refund")),
            EntityConflictError,
            ["wrun_1", "'order'", "its own"],
        ),
        (world.archive("wrun_1", 1), EntityConflictError, ["guest build b1", "a worker that runs it once"]),
    ):
        with pytest.raises(error) as caught:
            await asked
        assert [word for word in words if word not in str(caught.value)] == []
