"""How the suite tells a run's story in few words: events by number, and a turn that knows where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from torpor.lifecycle import EventType
from torpor.model import (
    NOW,
    ClaimRequest,
    Claims,
    Commit,
    Committed,
    Entities,
    Event,
    LogEntry,
    NewRun,
    NewTask,
    RunState,
    Snapshot,
    Step,
    StepInfo,
    StepOutcome,
    Task,
    WorkerRow,
)
from torpor.world import World
from torpor.worlds.rules import steps_of

T: Final = 1_700_000_000_000
"""When the stories happen, in epoch milliseconds."""

RUN: Final = "wrun_01A"
OTHER: Final = "wrun_01B"
WORKER: Final = "wrkr_01A"
SECOND: Final = "wrkr_01B"
GUESTS: Final = ("quickjs",)
"""What the workers of the stories can run, and what the runs need that :func:`new_run` makes."""

STEPS: Final = ("pay",)
"""The steps that the workers of the stories have, and that :func:`step` creates."""

LEASE_MS: Final = 60_000


def new_run(run_id: str = RUN, *, workflow: str = "order", args: bytes = b"devl[[]]") -> NewRun:
    """Return a run to create."""
    return NewRun(
        id=run_id,
        workflow=workflow,
        program="5f" * 32,
        guest="quickjs",
        runtime="snapshot",
        seed=run_id.encode().ljust(32, b"."),
        input=args,
    )


def step(event: EventType, n: int, at: int = T, *, attempt: int | None = None, due: int = 0) -> Event:
    """Return an event of step *n*, whose op is *n* too; created without an attempt, if none is said."""
    if event == "step_created":
        payload, digest, worker = b"devl[%d]" % n, b"digest%02d" % n, WORKER if attempt else ""
        about = (f"step_{n:02}", 0, n, digest, "pay", attempt or 0, 0, worker, payload)
        return Event(event, at, *about)
    return Event(event, at, f"step_{n:02}", op=n, attempt=attempt or 1, due=due, payload=b"devl[-%d]" % n)


def wait(event: EventType, n: int, due: int = 0, at: int = T) -> Event:
    """Return an event of wait *n*, whose op is *n* too."""
    return Event(event, at, f"wait_{n:02}", op=n, due=due)


def hook(event: EventType, n: int, token: str = "token", at: int = T) -> Event:  # noqa: S107  # no secret
    """Return an event of hook *n*, whose op is *n* too."""
    payload = b"devl[%d]" % n if event == "hook_created" else None
    return Event(event, at, f"hook_{n:02}", op=n, name=token, payload=payload)


def watching(n: int, run_id: str, token: str = "$end") -> Event:  # noqa: S107  # no secret
    """Return the creation of hook *n*, whose op is *n* too, that watches a run."""
    return Event("hook_created", T, f"hook_{n:02}", op=n, digest=b"digest%02d" % n, name=token, ref=run_id)


def snapshot(data: bytes = b"delta") -> Snapshot:
    """Return a snapshot to store; its cursor is the world's to set."""
    return Snapshot(cursor=0, ops=3, logs=2, image="c0" * 32, at=T, data=data)


def ending(event: EventType = "run_completed", at: int = T) -> Event:
    """Return the event that ends a run."""
    return Event(event, at, name="USER_ERROR" if event == "run_failed" else "", payload=b"devl[0]")


def worker_row(worker: str = WORKER, *, lease_ms: int = LEASE_MS) -> WorkerRow:
    """Return a worker to register."""
    return WorkerRow(worker, "machine", 2**31, T - 5, lease_ms, app="shop", deployment="d1")


def request(worker: str = WORKER, **fields: Any) -> ClaimRequest:
    """Return a request for all that the stories have; *fields* of it are others."""
    return replace(ClaimRequest(worker, guests=GUESTS, steps=STEPS, turns_max=9, steps_max=9), **fields)


async def ask(world: World, worker: str = WORKER, **fields: Any) -> Claims:
    """Claim as :func:`request` says; a worker that the world does not know, or not any more, registers first."""
    claims = await world.claim(request(worker, **fields))
    if claims.known:
        return claims
    await world.register(worker_row(worker))
    return await world.claim(request(worker, **fields))


async def take(world: World, worker: str = WORKER, **fields: Any) -> list[Task]:
    """Return what :func:`ask` claims."""
    return (await ask(world, worker, **fields)).tasks


class Turn:
    """
    A claimed turn.

    Attributes:
        task: the claim.
        head: newest seq that it knows of.
        held: what is open, as the world told it last; None to let the world look for itself.
    """

    def __init__(self, world: World, task: Task, head: int, worker: str = WORKER, held: Entities | None = None) -> None:
        self.task = task
        self.head = head
        self.held = held
        self._world = world
        self._worker = worker

    async def commit(
        self,
        *outputs: Event,
        inputs: Sequence[Event] = (),
        tasks: Sequence[NewTask] = (),
        lines: Sequence[LogEntry] = (),
        snapshot: Snapshot | None = None,
        build: str = "",
        park: bool = False,
        ops: int = 0,
        logs: int = 0,
        received: int = 0,
        receiving: tuple[str, ...] = (),
        worker: str = "",
        epoch: int | None = None,
        cpu_us: int = 0,
    ) -> Committed:
        """Commit, and know the new head."""
        commit = Commit(
            run_id=self.task.run_id,
            worker_id=worker or self._worker,
            epoch=self.task.epoch if epoch is None else epoch,
            expected_head=self.head,
            inputs=tuple(inputs),
            outputs=outputs,
            ops=ops,
            logs=logs,
            received=received,
            receiving=receiving,
            log_entries=tuple(lines),
            tasks=tuple(tasks),
            snapshot=snapshot,
            build=build,
            park=park,
            cpu_us=cpu_us,
        )
        committed = await self._commit(commit)
        if committed.stored:
            self.head, self.held = committed.head, committed.held
        return committed

    async def _commit(self, commit: Commit) -> Committed:
        """Commit at once where the world can, as a turn in a VM's thread does."""
        stored: Committed | None = None
        if self.held is not None:
            stored = await asyncio.to_thread(self._world.commit_at_once, commit, self.held)
        return stored or await self._world.commit(commit, self.held)


async def claim(world: World, worker: str = WORKER) -> Turn:
    """Claim the one turn that is ready."""
    [task] = await take(world, worker, steps_max=0)
    held = (await world.load(task.run_id)).held
    return Turn(world, task, held.run.head, worker, held)


async def begin(world: World, run_id: str = RUN, *outputs: Event, worker: str = WORKER) -> Turn:
    """Create a run, claim its turn and start it; nothing else may be ready."""
    await world.create_run(new_run(run_id))
    turn = await claim(world, worker)
    await turn.commit(Event("run_started", T), *outputs)
    return turn


async def begin_task(world: World, n: int = 1, *, ready_at: int = NOW, run_id: str = RUN) -> Turn:
    """Begin a run whose step *n* waits in the queue."""
    turn = await begin(world, run_id)
    await turn.commit(step("step_created", n), tasks=[NewTask(f"step_{n:02}", ready_at)])
    return turn


async def claim_step(world: World, worker: str = WORKER) -> Task:
    """Claim the one step that is ready."""
    [task] = await take(world, worker, turns_max=0)
    return task


def outcome(task: Task, event: EventType, *, worker: str = WORKER, at: int = T, due: int = 0) -> StepOutcome:
    """Return how a claimed step task ended."""
    ended = step(event, task.op, at, attempt=task.attempt, due=due)
    return StepOutcome(task.run_id, task.step_id, worker, task.epoch, ended)


async def types(world: World, run_id: str = RUN) -> list[str]:
    """Return the types of a run's events."""
    return [event.type for event in await world.events(run_id)]


async def open_steps(world: World, run_id: str = RUN) -> list[Step]:
    """Return the steps of a run that are open."""
    return list((await world.open_entities(run_id)).steps.values())


async def steps(world: World, run_id: str = RUN) -> list[StepInfo]:
    """Return the steps of a run, as people see them."""
    return steps_of(run_id, await world.events(run_id), await open_steps(world, run_id))


async def hook_statuses(world: World, run_id: str = RUN) -> dict[str, str]:
    """Return the hooks of a run that are not disposed of, with their statuses."""
    return {hook.id: hook.status for hook in (await world.open_entities(run_id)).hooks.values()}


async def ready_at(world: World, run_id: str = RUN) -> int | None:
    """Return when the turn of a run that nobody has claimed is ready."""
    run = await world.get_run(run_id)
    assert run.worker == "", "what is claimed is not ready"
    return run.ready_at


async def everything(world: World, run_id: str = RUN) -> tuple[RunState, object]:
    """Return all that a world tells of a run, to see that nothing has changed."""
    return await world.load(run_id), (
        await world.open_entities(run_id),
        await world.events(run_id),
        await world.log_entries(run_id),
    )
