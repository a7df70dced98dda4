"""
Random histories: many workers, runs, steps and hooks, told to a world by a seeded generator.

The generator chooses by what the world has answered, so that two worlds that behave alike are told the same history,
and their transcripts are equal. Where they differ first is where one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable
from random import Random
from typing import Final, TypeVar

from torpor.errors import TorporError
from torpor.lifecycle import INPUTS, TRANSITIONS, EventType, entity_of
from torpor.model import (
    Commit,
    Event,
    LogEntry,
    NewRun,
    NewTask,
    RunFilter,
    Runtime,
    Snapshot,
    StepOutcome,
    Task,
    WorkerRow,
)
from torpor.world import World

T = TypeVar("T")

_WORKERS: Final = ("wrkr_1", "wrkr_2", "wrkr_3")
_RUNS: Final = tuple(f"wrun_{n}" for n in range(10))
_GUESTS: Final = ("quickjs", "cpython")
_TOKENS: Final = ("red", "green", "blue", "grey", "gold", "pink")
_ENTITIES_PER_RUN: Final = 6
_START: Final = 1_000_000
_OUTCOMES: Final[tuple[EventType, ...]] = ("step_completed", "step_failed", "step_retrying")
_ENDINGS: Final[tuple[EventType, ...]] = ("run_completed", "run_failed")
_MOVES: Final = {
    # what happens, and how often
    "create": 6,
    "claim": 18,
    "commit": 40,
    "finish": 14,
    "resume": 12,
    "cancel": 1,
    "release": 2,
    "forget": 1,
    "snooze": 1,
    "look": 6,
}


async def run_history(world: World, seed: int, moves: int) -> list[object]:
    """
    Tell *world*, which is open and empty, the history number *seed* and return all that it answered.

    Args:
        world: is changed.
        seed: equal seeds tell equal histories to worlds that answer alike.
        moves: how many operations.
    """
    teller = _Teller(world, Random(seed))  # noqa: S311  # a history, not a secret
    for _ in range(moves):
        await teller.move()
    await teller.look_at_everything()
    return teller.transcript


class _Teller:
    """The generator, with what it remembers: claims, also stale ones, and heads that turns know of."""

    def __init__(self, world: World, random: Random) -> None:
        self.transcript: list[object] = []
        self._world = world
        self._random = random
        self._now = _START
        self._claims: list[tuple[str, Task]] = []
        self._heads: dict[tuple[str, int], int] = {}

    async def move(self) -> None:
        """Do one thing."""
        self._now += self._random.choice((-3, 0, 1, 1, 2, 5, 40))
        [kind] = self._random.choices(list(_MOVES), list(_MOVES.values()))
        await getattr(self, f"_{kind}")()

    async def _create(self) -> None:
        run_id = self._random.choice(_RUNS)
        runtime: Runtime = "replay" if run_id == _RUNS[0] else "snapshot"
        args = self._random.choices((b"devl[]", b"devl[1]"), (20, 1))[0]
        guest = _GUESTS[_RUNS.index(run_id) % 2]
        parent = "wrun_0" if run_id > "wrun_6" else ""
        new = NewRun(
            run_id, "order", "5f" * 32, guest, runtime, run_id.encode(), self._now, args, parent=parent, root=parent
        )
        await self._ask(new, self._world.create_run(new))

    async def _claim(self) -> None:
        worker = self._random.choice(_WORKERS)
        turns, steps = self._random.randint(0, 2), self._random.randint(0, 3)
        await self._ask("heartbeat", self._world.heartbeat(self._worker_row(worker)))
        guests = self._random.choice((_GUESTS, _GUESTS, _GUESTS[:1], ()))
        asked = (worker, self._now, turns, steps, guests)
        tasks = await self._ask(asked, self._world.claim(worker, self._now, turns=turns, steps=steps, guests=guests))
        self._claims += [(worker, task) for task in tasks or ()]

    async def _commit(self) -> None:
        claim = self._pick("turn")
        if claim is None:
            return
        worker, task = claim
        commit = await self._plan(worker, task)
        committed = await self._ask(commit, self._world.commit(commit))
        if committed is None or committed.parked:
            self._drop(claim)
        else:
            # A refused turn loads the run anew, which is to know the head.
            self._heads[task.run_id, task.epoch] = committed.head

    async def _finish(self) -> None:
        claim = self._pick("step")
        if claim is None:
            return
        self._drop(claim)
        worker, task = claim
        kind = self._random.choice(_OUTCOMES)
        due = self._now + self._random.randint(0, 30)
        event = Event(kind, self._now, task.step_id, op=task.op, attempt=task.attempt, due=due, payload=b"devl0")
        outcome = StepOutcome(task.run_id, task.step_id, worker, task.epoch, event)
        await self._ask(outcome, self._world.finish_step(outcome))

    async def _resume(self) -> None:
        token, resume_id = self._random.choice(_TOKENS), f"r{self._random.randrange(40)}"
        payload = b"devl%d" % self._now
        await self._ask((token, resume_id), self._world.resume_hook(token, payload, resume_id, self._now))

    async def _cancel(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("cancel", run_id), self._world.cancel_run(run_id, "enough", self._now))

    async def _release(self) -> None:
        workers = self._random.sample(_WORKERS, self._random.randint(1, 2))
        await self._ask(("release", workers), self._world.release(workers, self._now))

    async def _forget(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("forget", run_id), self._world.delete_snapshot(run_id))

    async def _snooze(self) -> None:
        claim = self._pick("turn")
        if claim is None:
            return
        self._drop(claim)
        worker, task = claim
        until = self._now + self._random.randint(0, 30)
        await self._ask(("snooze", claim), self._world.snooze(task.run_id, worker, task.epoch, until))

    async def _look(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("load", run_id), self._world.load(run_id))
        await self._ask("ready", self._world.next_ready_at(guests=_GUESTS))
        await self._ask("ready turn", self._world.next_ready_at(guests=_GUESTS[1:], steps=False))
        await self._ask("ready step", self._world.next_ready_at(guests=()))

    def _pick(self, kind: str) -> tuple[str, Task] | None:
        claims = [claim for claim in self._claims if claim[1].kind == kind]
        return self._random.choice(claims) if claims else None

    def _drop(self, claim: tuple[str, Task]) -> None:
        """Mostly forget a claim that has come to its end; who does not is fenced off."""
        if self._random.random() < 0.9:
            self._claims.remove(claim)

    def _worker_row(self, worker: str) -> WorkerRow:
        return WorkerRow(worker, "machine", 1, _START, self._now, self._now + 30)

    async def _plan(self, worker: str, task: Task) -> Commit:
        """Return a commit that the world will mostly accept."""
        state = await self._world.load(task.run_id)
        head = self._heads.setdefault((task.run_id, task.epoch), state.run.head)
        states: dict[str, str] = {step.id: step.status for step in await self._world.steps(task.run_id)}
        states |= {hook.id: hook.status for hook in await self._world.hooks(task.run_id)}
        states |= {wait.id: "waiting" for wait in state.waits}
        inputs = [event for _ in range(self._few()) if (event := self._event(states, wanted=True))]
        outputs = [event for _ in range(self._few()) if (event := self._event(states, wanted=False))]
        if state.run.status == "pending":
            outputs.insert(0, Event("run_started", self._now))
        if self._random.random() < 0.03:
            outputs.append(Event(self._random.choice(_ENDINGS), self._now, name="USER_ERROR", payload=b"devl0"))
        unfinished = [about for about, status in states.items() if status in {"pending", "retrying"}]
        snapshot = Snapshot(0, state.run.ops, state.run.logs, "c0" * 32, self._now, b"%d" % self._now)
        return Commit(
            run_id=task.run_id,
            worker_id=worker,
            epoch=task.epoch,
            at=self._now,
            expected_head=head,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            ops=state.run.ops + len(outputs),
            logs=state.run.logs + 1,
            log_entries=(LogEntry(state.run.logs + 1, self._now, "info", "line"),),
            tasks=tuple(
                NewTask(about, self._now + self._random.randint(0, 20), claimed=self._random.random() < 0.2)
                for about in unfinished
                if self._random.random() < 0.3
            ),
            snapshot=snapshot if self._random.random() < 0.4 else None,
            park=self._random.random() < 0.4,
        )

    def _few(self) -> int:
        return self._random.choice((0, 0, 1, 1, 2, 4))

    def _event(self, states: dict[str, str], *, wanted: bool) -> Event | None:
        """
        Return an event of a random step, wait or hook, and note the state after it.

        Args:
            states: of the run's entities by id.
            wanted: whether it is to be an input that the VM has consumed.
        """
        n = self._random.randrange(1, _ENTITIES_PER_RUN)
        entity = self._random.choice(("step", "step", "wait", "hook" if not wanted else "wait"))
        about = f"{entity}_{n}"
        kinds = [
            kind
            for kind in TRANSITIONS
            if entity_of(kind) == entity and (kind in INPUTS and entity != "hook") == wanted
        ]
        legal = [kind for kind in kinds if states.get(about) in TRANSITIONS[kind][0]]
        if self._random.random() < 0.02:
            legal = kinds
        if not legal:
            return None
        kind = self._random.choice(legal)
        states[about] = TRANSITIONS[kind][1]
        token = self._random.choice(_TOKENS) if entity == "hook" else "pay"
        watched = kind == "hook_created" and self._random.random() < 0.4
        return Event(
            kind,
            self._now,
            about,
            op=n,
            name=token,
            attempt=1,
            due=self._now + self._random.randint(0, 60),
            ref=self._random.choice(_RUNS) if watched else "",
            payload=b"devl",
        )

    async def look_at_everything(self) -> None:
        """Ask for all that there is."""
        await self._ask("runs", self._world.list_runs(RunFilter()))
        for run_id in _RUNS:
            await self._ask("run", self._world.get_run(run_id))
            await self._ask("load", self._world.load(run_id))
            await self._ask("events", self._world.events(run_id))
            await self._ask("steps", self._world.steps(run_id))
            await self._ask("hooks", self._world.hooks(run_id))
            await self._ask("lines", self._world.log_entries(run_id))
        for token in _TOKENS:
            await self._ask("hook", self._world.hook(token))
        await self._ask("workers", self._world.workers())
        await self._ask("ready", self._world.next_ready_at(guests=_GUESTS))

    async def _ask(self, what: object, answer: Awaitable[T]) -> T | None:
        """Write down what is asked and what the world answers, a refusal included."""
        try:
            value = await answer
        except TorporError as error:
            self.transcript.append((what, type(error).__name__))  # the wording is each world's own
            return None
        self.transcript.append((what, value))
        return value
