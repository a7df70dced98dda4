"""How the suite tells a run's story in few words: events by number, and a turn that knows where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from torpor.lifecycle import EventType
from torpor.model import Commit, Committed, Event, LogEntry, NewRun, NewTask, RunState, Snapshot, StepOutcome, Task
from torpor.world import World

T = 1_700_000_000_000
"""When the stories happen, in epoch milliseconds."""

RUN = "wrun_01A"
OTHER = "wrun_01B"
WORKER = "wrkr_01A"
GUESTS = ("quickjs",)
"""What the workers of the stories can run, and what the runs need that :func:`new_run` makes."""


def new_run(run_id: str = RUN, *, workflow: str = "order", at: int = T, args: bytes = b"devl[[]]") -> NewRun:
    """Return a run to create."""
    return NewRun(
        id=run_id,
        workflow=workflow,
        program="5f" * 32,
        guest="quickjs",
        runtime="snapshot",
        seed=run_id.encode().ljust(32, b"."),
        at=at,
        input=args,
    )


def step(event: EventType, n: int, at: int = T, *, attempt: int = 1, due: int = 0) -> Event:
    """Return an event of step *n*, whose op is *n* too."""
    if event == "step_created":
        return Event(event, at, f"step_{n:02}", op=n, digest=b"digest%02d" % n, name="pay", payload=b"devl[%d]" % n)
    return Event(event, at, f"step_{n:02}", op=n, attempt=attempt, due=due, payload=b"devl[-%d]" % n)


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


class Turn:
    """
    A claimed turn.

    Attributes:
        task: the claim.
        head: newest seq that it knows of.
    """

    def __init__(self, world: World, task: Task, head: int, worker: str) -> None:
        self.task = task
        self.head = head
        self._world = world
        self._worker = worker

    async def commit(
        self,
        *outputs: Event,
        inputs: Sequence[Event] = (),
        tasks: Sequence[NewTask] = (),
        lines: Sequence[LogEntry] = (),
        snapshot: Snapshot | None = None,
        park: bool = False,
        ops: int = 0,
        logs: int = 0,
        at: int = T,
        worker: str = "",
        epoch: int | None = None,
    ) -> Committed:
        """Commit, and know the new head."""
        committed = await self._world.commit(
            Commit(
                run_id=self.task.run_id,
                worker_id=worker or self._worker,
                epoch=self.task.epoch if epoch is None else epoch,
                at=at,
                expected_head=self.head,
                inputs=tuple(inputs),
                outputs=outputs,
                ops=ops,
                logs=logs,
                log_entries=tuple(lines),
                tasks=tuple(tasks),
                snapshot=snapshot,
                park=park,
            )
        )
        if committed.stored:
            self.head = committed.head
        return committed


async def claim(world: World, worker: str = WORKER, at: int = T) -> Turn:
    """Claim the one turn that is ready."""
    [task] = await world.claim(worker, at, turns=1, steps=0, guests=GUESTS)
    run = await world.get_run(task.run_id)
    return Turn(world, task, run.head, worker)


async def begin(world: World, run_id: str = RUN, *outputs: Event, worker: str = WORKER) -> Turn:
    """Create a run, claim its turn and start it; nothing else may be ready."""
    await world.create_run(new_run(run_id))
    turn = await claim(world, worker)
    await turn.commit(Event("run_started", T), *outputs)
    return turn


async def begin_task(world: World, n: int = 1, *, ready_at: int = T, run_id: str = RUN) -> Turn:
    """Begin a run whose step *n* waits in the queue."""
    turn = await begin(world, run_id)
    await turn.commit(step("step_created", n), tasks=[NewTask(f"step_{n:02}", ready_at)])
    return turn


async def claim_step(world: World, worker: str = WORKER, at: int = T) -> Task:
    """Claim the one step that is ready."""
    [task] = await world.claim(worker, at, turns=0, steps=1, guests=GUESTS)
    return task


def outcome(task: Task, event: EventType, *, worker: str = WORKER, at: int = T, due: int = 0) -> StepOutcome:
    """Return how a claimed step task ended."""
    ended = step(event, task.op, at, attempt=task.attempt, due=due)
    return StepOutcome(task.run_id, task.step_id, worker, task.epoch, ended)


async def types(world: World, run_id: str = RUN) -> list[str]:
    """Return the types of a run's events."""
    return [event.type for event in await world.events(run_id)]


async def everything(world: World, run_id: str = RUN) -> tuple[RunState, object]:
    """Return all that a world tells of a run, to see that nothing has changed."""
    return await world.load(run_id), (
        await world.events(run_id),
        await world.steps(run_id),
        await world.hooks(run_id),
        await world.log_entries(run_id),
        await world.next_ready_at(guests=GUESTS),
    )
