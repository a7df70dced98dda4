"""
Random histories: many workers, runs, steps and hooks, told to a world by a seeded generator.

The generator chooses by what the world has answered, so that two worlds that behave alike are told the same history,
and their transcripts are equal. Where they differ first is where one of them is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from random import Random
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.errors import TorporError
from torpor.lifecycle import INPUTS, TRANSITIONS, EventType, entity_of
from torpor.model import (
    NOW,
    ClaimRequest,
    Claims,
    Commit,
    Committed,
    DeployedWorkflow,
    Deployment,
    EndedFilter,
    Entities,
    Event,
    LogEntry,
    LongLogs,
    NewRun,
    NewTask,
    RunFilter,
    Runtime,
    Snapshot,
    StepOutcome,
    Task,
    WorkerRow,
    build_key,
)
from torpor.model.flow import Asleep, Limits, Place
from torpor.model.schedules import Schedule
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import random_batch
from torpor.testing.worlds.slots import random_firing, random_schedule
from torpor.world import World

T = TypeVar("T")

_WORKERS: Final = ("wrkr_1", "wrkr_2", "wrkr_3")
_RUNS: Final = tuple(f"wrun_{n}" for n in range(10))
_APPS: Final = ("", "shop")
_QUEUES: Final = ("", "slow")
_ASLEEP: Final[tuple[Asleep, ...]] = ("hold", "give_back")
_GUESTS: Final = ("quickjs", "cpython")
_KEYS: Final = ("", "k1")
_BUILDS: Final = ("", "b1", "b2")
_STEPS: Final = ("pay", "refund", "ship")
_TOKENS: Final = ("red", "green", "blue", "grey", "gold", "pink")
_SCHEDULES: Final = ("nightly", "weekly")
_OWNERS: Final = ("", "anna", "bert")
_LEASE_MS: Final = 200
_OUTCOMES: Final[tuple[EventType, ...]] = ("step_completed", "step_failed", "step_retrying", "step_blocked")
_ENDINGS: Final[tuple[EventType, ...]] = ("run_completed", "run_failed")
_MOVES: Final = {
    # what happens, and how often
    "create": 8,
    "claim": 24,
    "commit": 50,
    "finish": 14,
    "resume": 16,
    "send": 6,
    "beat": 3,
    "snooze": 1,
    "snooze_step": 2,
    "progress": 3,
    "cancel": 2,
    "resolve": 4,
    "write": 6,
    "release": 1,
    "forget": 1,
    "archive": 2,
    "delete": 3,
    "build": 1,
    "deploy": 1,
    "set_clock": 1,
    "limit": 2,
    "schedule": 3,
    "unschedule": 1,
    "fire": 8,
    "attribute": 2,
    "retry": 3,
    "pause": 2,
    "unpause": 4,
    "wake": 2,
    "look": 4,
    "search": 2,
}


async def run_history(world: World, clock: ManualClock, seed: int, moves: int) -> list[object]:
    """
    Tell *world*, which is open and empty, the history number *seed* and return all that it answered.

    Args:
        world: is changed.
        clock: the world's; is moved.
        seed: equal seeds tell equal histories to worlds that answer alike.
        moves: how many operations.
    """
    teller = _Teller(world, clock, Random(seed))  # noqa: S311  # a history, not a secret
    for _ in range(moves):
        await teller.move()
    await teller.look_at_everything()
    return teller.transcript


class _Teller:
    """The generator, with what it remembers: claims, also stale ones, and what turns know of their runs."""

    def __init__(self, world: World, clock: ManualClock, random: Random) -> None:
        self.transcript: list[object] = []
        self._world = world
        self._clock = clock
        self._random = random
        self._claims: list[tuple[str, Task]] = []
        self._known: dict[tuple[str, int], Entities] = {}
        self._seen: list[Schedule] = []
        self._made: Counter[str] = Counter()  # entities of each run, so that no id comes twice

    async def move(self) -> None:
        """Do one thing."""
        self._clock.advance(self._random.choice((0, 0, 1, 1, 2, 5, 20)))
        [kind] = self._random.choices(list(_MOVES), list(_MOVES.values()))
        await getattr(self, f"_{kind}")()

    # What workers and callers do

    async def _create(self) -> None:
        run_id = self._random.choice(_RUNS)
        n = _RUNS.index(run_id)
        runtime: Runtime = "replay" if n == 0 else "snapshot"
        args = self._random.choices((b"devl[]", b"devl[1]"), (20, 1))[0]
        new = NewRun(
            run_id, "order", "5f" * 32, _GUESTS[n % 2], runtime, run_id.encode(), args,
            parent="wrun_0" if n > 6 else "", app=_APPS[n % 5 == 0], queue=_QUEUES[n % 4 == 0],
            key_id=_KEYS[n % 3 == 0], build=_BUILDS[n % 3], priority=n % 3 - 1,
            starts_at=self._soon(50) if self._random.random() < 0.2 else 0,
            deadline=self._soon(300) if self._random.random() < 0.2 else 0,
            attributes={"n": str(n % 3)} if n % 2 else {},
            cleanup_ms=40 * (n % 2), cleanup_steps=2, detached=n == 8, key=_OWNERS[n % 3],
        )  # fmt: skip
        await self._ask(new, self._world.create_run(new))

    async def _claim(self) -> None:
        request = ClaimRequest(
            self._random.choice(_WORKERS),
            self._some(_APPS),
            self._some(_QUEUES),
            self._some(_GUESTS),
            self._some(_KEYS),
            self._some(_STEPS),
            self._random.choice(((), _STEPS[:1])),
            self._random.choice(((), ("step_001", "step_002"))),
            turns_max=self._random.randint(0, 2),
            steps_max=self._random.randint(0, 3),
        )
        claims = await self._ask(request, self._claimed(request))
        if claims is not None and not claims.known:
            n = _WORKERS.index(request.worker_id)
            await self._ask("register", self._world.register(WorkerRow(request.worker_id, "machine", n, 1, _LEASE_MS)))
            claims = await self._ask(request, self._claimed(request))
        self._claims += [(request.worker_id, task) for task in (claims.tasks if claims else ())]

    async def _claimed(self, request: ClaimRequest) -> Claims:
        """Claim; the states that come with it must be the right ones, and need not be there."""
        claims = await self._world.claim(request)
        for task in claims.tasks:
            if task.state is not None:
                assert task.state == await self._world.load(task.run_id)
        return replace(claims, tasks=[replace(task, state=None) for task in claims.tasks])

    async def _commit(self) -> None:
        claim = self._pick("turn")
        if claim is None:
            return
        worker, task = claim
        about = task.run_id, task.epoch
        now = (await self._world.load(task.run_id)).held
        known = self._known.setdefault(about, now)
        commit = self._plan(worker, task, known.run.head, now)
        held = known if self._random.random() < 0.7 else None
        committed = await self._ask(commit, self._world.commit(commit, held))
        if committed is None or committed.parked:
            self._drop(claim)
        elif committed.held is None:
            del self._known[about]  # a refused turn loads the run anew
        else:
            self._known[about] = committed.held

    async def _finish(self) -> None:
        claim = self._pick("step")
        if claim is None:
            return
        self._drop(claim)
        worker, task = claim
        kind = self._random.choice(_OUTCOMES)
        due = self._soon(30)
        event = Event(kind, self._now(), task.step_id, op=task.op, attempt=task.attempt, due=due, payload=b"devl0")
        outcome = StepOutcome(task.run_id, task.step_id, worker, task.epoch, event)
        await self._ask(outcome, self._world.finish_step(outcome))

    async def _resume(self) -> None:
        token, resume_id = self._random.choice(_TOKENS), f"r{self._random.randrange(40)}"
        run_id = self._random.choice(_RUNS) if self._random.random() < 0.1 else None
        payload = b"devl%d" % self._now()
        await self._ask((token, resume_id), self._world.resume_hook(token, payload, resume_id, run_id=run_id))

    async def _send(self) -> None:
        run_id, message_id = self._random.choice(_RUNS), f"m{self._random.randrange(40)}"
        payload = b"devl%d" % self._now()
        await self._ask((run_id, message_id), self._world.send(run_id, "work", payload, message_id))

    async def _beat(self) -> None:
        worker = self._random.choice(_WORKERS)
        beat = await self._ask(("beat", worker), self._world.heartbeat(worker))
        silent = [row.id for row in beat.others] if beat else []
        await self._ask(("bury", silent), self._world.release(silent, expired_only=True))

    async def _snooze(self) -> None:
        claim = self._pick("turn")
        if claim is None:
            return
        self._drop(claim)
        worker, task = claim
        delay_ms = self._random.randint(0, 30)
        snoozed = self._world.snooze(task.run_id, worker, task.epoch, delay_ms=delay_ms, why=f"ill {delay_ms}")
        await self._ask(("snooze", claim), snoozed)

    async def _snooze_step(self) -> None:
        claim = self._pick("step")
        if claim is None:
            return
        self._drop(claim)
        worker, task = claim
        about = (task.run_id, task.step_id, worker, task.epoch)
        delay_ms = self._random.randint(0, 30)
        await self._ask(("snooze", claim), self._world.snooze_step(*about, delay_ms=delay_ms, why=f"ill {delay_ms}"))

    async def _progress(self) -> None:
        run_id, n, attempt = self._random.choice(_RUNS), self._random.randint(1, 9), self._random.randint(1, 3)
        told = b"devl%d" % self._now()
        await self._ask(
            ("progress", run_id, n, attempt), self._world.keep_progress(run_id, f"step_{n:03}", attempt, told)
        )

    async def _cancel(self) -> None:
        run_id = self._random.choice(_RUNS)
        force = self._random.random() < 0.3
        await self._ask(("cancel", run_id, force), self._world.cancel_run(run_id, "enough", force=force))

    async def _write(self) -> None:
        batch = random_batch(self._random, _RUNS)
        await self._ask(batch, self._world.write_stream(batch))

    async def _retry(self) -> None:
        run_id = self._random.choice(_RUNS)
        since = self._random.choice((None, None, self._random.randint(1, 20)))
        await self._ask(("retry", run_id, since), self._world.retry_run(run_id, since))

    async def _pause(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("pause", run_id), self._world.pause_run(run_id))

    async def _unpause(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("unpause", run_id), self._world.unpause_run(run_id))

    async def _wake(self) -> None:
        run_id, wait_ids = self._random.choice(_RUNS), self._random.choice((None, None, ("wait_001", "wait_003")))
        await self._ask(("wake", run_id), self._world.wake_up(run_id, wait_ids))

    async def _attribute(self) -> None:
        run_id = self._random.choice(_RUNS)
        attributes = {"n": self._random.choice((None, "0", "1")), "who": self._random.choice(("me", "you"))}
        await self._ask(("attribute", run_id), self._world.set_attributes(run_id, attributes))

    async def _resolve(self) -> None:
        run_id = self._random.choice(_RUNS)
        step_id = f"step_{self._random.randint(1, 9):03}"
        found = (await self._world.statuses([run_id])).get(run_id)
        if found is not None:
            steps = (await self._world.open_entities(run_id)).steps.values()
            step_id = self._random.choice([step_id, *(step.id for step in steps if step.status == "blocked")])
        event = Event(self._random.choice(("step_completed", "step_failed")), self._now(), payload=b"devl2")
        await self._ask(("resolve", run_id, step_id), self._world.resolve_step(run_id, step_id, event))

    async def _release(self) -> None:
        workers = self._random.sample(_WORKERS, self._random.randint(1, 2))
        await self._ask(("release", workers), self._world.release(workers))

    async def _forget(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("forget", run_id), self._world.delete_snapshot(run_id))

    async def _archive(self) -> None:
        run_id = self._random.choice(_RUNS)
        newest = await self._ask(("snapshot", run_id), self._world.snapshot(run_id))
        through = (newest.cursor if newest else 3) - self._random.choice((-1, 0, 0, 1, 2))
        await self._ask(("archive", run_id, through), self._world.archive(run_id, through))

    async def _delete(self) -> None:
        run_id, keep_name = self._random.choice(_RUNS), self._random.random() < 0.4
        if await self._ask(("delete", run_id, keep_name), self._world.delete_run(run_id, keep_name=keep_name)):
            # Nobody who had a claim of it lives as long as its name is kept.
            self._claims = [claim for claim in self._claims if claim[1].run_id != run_id]
            self._known = {about: known for about, known in self._known.items() if about[0] != run_id}

    async def _build(self) -> None:
        key = build_key(self._random.choice(_BUILDS))
        await self._ask(("build", key), self._world.put_blob(key, b"guest"))

    async def _deploy(self) -> None:
        n = self._random.randrange(4)
        workflows = {"order": DeployedWorkflow(f"{n}" * 64, _GUESTS[n % 2], _BUILDS[n % 3], "(n)")}
        deployment = Deployment(f"d{n}", _APPS[n % 2], workflows, dict.fromkeys(_STEPS[n:], "(n)"))
        await self._ask(deployment, self._world.put_deployment(deployment))

    def _task(self, step_id: str) -> NewTask:
        ready_at, is_claimed = self._random.choice((NOW, self._soon(20))), self._random.random() < 0.2
        weight, key = self._random.randint(1, 3), self._random.choice(_OWNERS)
        place = Place("slow", key, weight) if not is_claimed and self._random.random() < 0.2 else None
        return NewTask(step_id, ready_at, is_claimed, "(n)", place=place)

    async def _limit(self) -> None:
        concurrency, per_worker, per_key = (self._random.choice((0, 0, 1, 2)) for _ in range(3))
        rate, asleep = self._random.choice((0, 0, 2)), self._random.choice(_ASLEEP)
        limits = Limits(concurrency, per_worker, per_key, rate, period_ms=40, asleep=asleep)
        about = self._random.choice(_APPS), self._random.choice(_QUEUES[1:])
        await self._ask((about, limits), self._world.set_queue(*about, limits))

    async def _schedule(self) -> None:
        app, name = self._random.choice(_APPS), self._random.choice(_SCHEDULES)
        stored = await self._ask(("schedule", app, name), self._world.schedule(app, name))
        version = stored.version if stored is not None and self._random.random() < 0.9 else 0
        made = random_schedule(self._random, app, name, self._now(), version)
        await self._ask(made, self._world.put_schedule(made))

    async def _unschedule(self) -> None:
        about = self._random.choice(_APPS), self._random.choice(_SCHEDULES)
        await self._ask(("unschedule", about), self._world.delete_schedule(*about))

    async def _fire(self) -> None:
        due = await self._ask("due", self._world.due_schedules(self._some(_APPS), limit=2))
        stored = await self._ask("schedules", self._world.schedules(self._random.choice((None, *_APPS))))
        known = [*(due.schedules if due else ()), *self._seen, *(stored or ())]
        if known:
            firing = random_firing(self._random, self._random.choice(known), self._now())
            await self._ask(firing, self._world.fire(firing))
        self._seen = stored or []  # what was read may have changed when it is fired

    async def _set_clock(self) -> None:
        self._clock.jump(self._random.choice((-100, -10, 10, 100)))

    # What a turn does

    def _plan(self, worker: str, task: Task, head: int, now: Entities) -> Commit:
        """Return a commit that the world will mostly accept."""
        run = now.run
        states: dict[str, str] = {step.id: step.status for step in now.steps.values()}
        states |= {hook.id: hook.status for hook in now.hooks.values()}
        states |= dict.fromkeys(now.waits, "waiting")
        inputs = [event for _ in range(self._few()) if (event := self._event(run.id, states, wanted=True))]
        outputs = [event for _ in range(self._few()) if (event := self._event(run.id, states, wanted=False))]
        if run.status == "pending":
            outputs.insert(0, Event("run_started", self._now()))
        if self._random.random() < 0.02:
            outputs.append(Event(self._random.choice(_ENDINGS), self._now(), name="USER_ERROR", payload=b"devl0"))
        mine = [about for about, status in states.items() if status in {"pending", "retrying"}]
        snapshot = Snapshot(0, run.ops, run.logs, "c0" * 32, self._now(), b"%d" % self._now())
        return Commit(
            run_id=task.run_id,
            worker_id=worker,
            epoch=task.epoch,
            expected_head=head,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            ops=run.ops + len(outputs),
            logs=run.logs + 1,
            received=min(run.sent, run.received + self._few()),
            receiving=self._random.choice(((), ("work",), ("other", "work"))),
            log_entries=(LogEntry(run.logs + 1, self._now(), "info", "line"),),
            tasks=tuple(
                self._task(about)
                for about in mine
                if (about not in now.steps or not now.steps[about].task) and self._random.random() < 0.5
            ),
            snapshot=snapshot if self._random.random() < 0.4 else None,
            build=self._random.choice(("", "", "b1", "b2")),
            once=tuple(about for about in states if self._random.random() < 0.2),
            deaf=self._random.random() < 0.02,
            park=self._random.random() < 0.4,
        )

    def _event(self, run_id: str, states: dict[str, str], *, wanted: bool) -> Event | None:
        """
        Return an event of a random step, wait or hook, and note the state after it.

        Args:
            run_id: whose.
            states: of the run's entities by id.
            wanted: whether it is to be an input that the VM has consumed.
        """
        entity = self._random.choice(("step", "step", "wait", "wait" if wanted else "hook"))
        about = self._random.choice([f"{entity}_new", *(other for other in states if other.startswith(entity))])
        kinds = [
            kind
            for kind in TRANSITIONS
            if entity_of(kind) == entity
            and (kind in INPUTS and entity != "hook") == wanted
            and (kind != "hook_conflict" or self._random.random() < 0.1)
        ]
        legal = [kind for kind in kinds if states.get(about) in TRANSITIONS[kind][0]]
        if self._random.random() < 0.01:
            legal = kinds
        if not legal:
            return None
        kind = self._random.choice(legal)
        if about not in states:
            self._made[run_id] += 1
            about = f"{entity}_{self._made[run_id]:03}"
        states[about] = TRANSITIONS[kind][1]
        names = _TOKENS if entity == "hook" else _STEPS
        watched = kind == "hook_created" and self._random.random() < 0.4
        typed = kind == "hook_created" and not watched and self._random.random() < 0.2
        return Event(
            kind,
            self._now(),
            about,
            op=int(about.rpartition("_")[2]),
            name=self._random.choice(names) if kind in {"hook_created", "hook_conflict", "step_created"} else "",
            attempt=self._random.choice((0, 1)) if kind == "step_created" else int(typed or entity == "step"),
            due=self._random.choice((0, 0, 40)) if entity == "hook" else self._soon(60),
            ref=self._random.choice(_RUNS) if watched else "shop:Order" if typed else self._begins_by(kind),
            payload=b"devl",
        )

    def _begins_by(self, kind: EventType) -> str:
        return str(self._soon(30)) if kind == "step_created" and self._random.random() < 0.3 else ""

    # What people look at

    async def _look(self) -> None:
        run_id = self._random.choice(_RUNS)
        await self._ask(("load", run_id), self._world.load(run_id))
        await self._ask(("open", run_id), self._world.open_entities(run_id))

    async def _search(self) -> None:
        where = RunFilter(
            status=self._random.choice((None, "running", "pending", "failed")),
            workflow=self._random.choice((None, "order")),
            app=self._random.choice((None, *_APPS)),
            before=self._random.choice((None, *_RUNS)),
            limit=self._random.choice((1, 3, 50)),
            attributes=self._random.choice(({}, {"n": "1"}, {"who": "me", "n": "0"})),
        )
        await self._ask(where, self._world.list_runs(where))
        whole, since = self._random.random() < 0.5, self._random.choice((0, 0, self._now() - 50))
        ended = EndedFilter(self._now() - self._random.choice((0, 5, 50)), whole=whole, since=since)
        await self._ask(ended, self._world.ended_runs(ended))
        age_ms = self._random.choice((0, 0, 5, 40))
        besides = self._random.choice(((), ("order",)))
        long = LongLogs(self._random.choice((1, 6)), self._random.choice((0, 6)), age_ms, besides=besides)
        await self._ask(long, self._world.long_logs(long))
        before = self._random.choice((None, "hook_010"))
        await self._ask("hooks", self._world.live_hooks(limit=5, before=before))
        await self._ask("waiting", self._waiting())
        await self._ask("snoozed", self._world.snoozed_runs(limit=3))
        await self._ask("programs", self._world.programs_in_use())
        await self._ask("queues", self._world.queues(self._random.choice((None, *_APPS))))
        await self._ask("ahead", self._world.ahead_of(self._random.choice(_RUNS)))

    async def _waiting(self) -> list[object]:
        return [replace(steps, run_id="any") for steps in await self._world.waiting_steps()]

    async def look_at_everything(self) -> None:
        """Ask for all that there is."""
        await self._ask("runs", self._world.list_runs(RunFilter()))
        for run_id in _RUNS:
            await self._ask("run", self._world.get_run(run_id))
            await self._ask("load", self._world.load(run_id))
            await self._ask("open", self._world.open_entities(run_id))
            await self._ask("events", self._world.events(run_id))
            await self._ask("lines", self._world.log_entries(run_id))
            for stream in await self._ask("streams", self._world.streams(run_id)) or []:
                await self._ask("stream", self._world.read_stream(run_id, stream.name))
        for token in _TOKENS:
            await self._ask("hook", self._world.hook(token))
        await self._ask("hooks", self._world.live_hooks())
        await self._ask("schedules", self._world.schedules())
        await self._ask("workers", self._world.workers())
        await self._ask("deployments", self._world.deployments())
        await self._ask("keys", self._world.runs_by_key(live=True))
        await self._ask("all keys", self._world.runs_by_key(live=False))
        await self._ask("images", self._world.images_in_use())
        await self._ask("statuses", self._world.statuses(_RUNS))
        await self._ask("ended", self._world.statuses(_RUNS, ended=True))
        await self._ask("waiting", self._waiting())

    # Within

    def _now(self) -> int:
        return self._clock.now()

    def _soon(self, most: int) -> int:
        return self._now() + self._random.randint(0, most)

    def _few(self) -> int:
        return self._random.choice((0, 0, 1, 1, 2, 4))

    def _some(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return mostly all of them."""
        return self._random.choice((*[names] * 12, names[:1], names[1:], ()))

    def _pick(self, kind: str) -> tuple[str, Task] | None:
        claims = [claim for claim in self._claims if claim[1].kind == kind]
        return self._random.choice(claims) if claims else None

    def _drop(self, claim: tuple[str, Task]) -> None:
        """Mostly forget a claim that has come to its end; who does not is fenced off."""
        if self._random.random() < 0.9:
            self._claims.remove(claim)

    async def _ask(self, what: object, answer: Awaitable[T]) -> T | None:
        """Write down what is asked and what the world answers, a refusal included."""
        try:
            value = await answer
        except TorporError as error:
            self.transcript.append((what, type(error).__name__))  # the wording is each world's own
            return None
        self.transcript.append((what, _comparable(value)))
        return value


def _comparable(value: object) -> object:
    """Leave out what a world may tell or not: inputs of steps, and how tasks are, which change without the turn."""
    if not isinstance(value, Committed) or value.held is None:
        return value
    steps = {step.id: None if step.task else replace(step, input=None) for step in value.held.steps.values()}
    return replace(value, held=None), steps, replace(value.held, steps={})
