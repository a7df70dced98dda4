"""Those outside: they start runs, write to hooks, cancel, and wait for results; what they were told must be so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from torpor.client import Client
from torpor.engine.deployments import Startable
from torpor.errors import (
    EntityConflictError,
    HookNotFoundError,
    NotFoundError,
    RunCancelledError,
    RunEndedError,
    RunFailedError,
    WorldError,
)
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import DeployedWorkflow, Runtime
from torpor.testing.simulation.forks import Expected, Forks
from torpor.testing.simulation.nodes import token_of
from torpor.testing.simulation.scheduler import Process
from torpor.testing.simulation.script import Script, agrees, can_fail, mailboxes, payloads, tokens
from torpor.testing.simulation.story import Story
from torpor.testing.simulation.weather import Weather
from torpor.worlds.memory.store import Store

T = TypeVar("T")


class Clients:
    """
    All clients of one simulation, in one process.

    Args:
        process: theirs.
        client: of the world.
        store: shows what runs there are.
        weather: says who cancels.
        scripts: all programs, by name.
        workflows: the same, as they are started.
        story: is told.
        found: told what is wrong.
        forks: forks runs, None where nobody does.

    Attributes:
        received: (run id, resume id) of payloads that were accepted.
        sent: (run id, id) of messages that were accepted, in the order in which they were.
        cancelled: ids of the runs whose cancellation was accepted.
    """

    def __init__(
        self,
        process: Process,
        client: Client,
        store: Store,
        weather: Weather,
        scripts: dict[str, Script],
        workflows: dict[str, DeployedWorkflow],
        story: Story,
        found: Callable[[str], None],
        forks: Forks | None = None,
    ) -> None:
        self._process = process
        self._random = process.scheduler.random
        self._client = client
        self._store = store
        self._weather = weather
        self._scripts = scripts
        self._workflows = workflows
        self._story = story
        self._found = found
        self._forks = forks
        self._fed: set[str] = set()
        self.received: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str]] = []
        self.cancelled: list[str] = []

    async def serve(self, runs: list[tuple[str, str, Runtime]]) -> None:
        """Have runs run (workflow, id, runtime), and return when they, and their children, have ended."""
        loop = asyncio.get_running_loop()
        serving = [loop.create_task(self._run(*each)) for each in runs]
        fed = self._fed
        fed |= {run_id for _, run_id, _ in runs}
        while not all(task.done() for task in serving) or self._runs_left():
            for rows in list(self._store.runs.values()):
                if rows.run.id not in fed:  # a child
                    fed.add(rows.run.id)
                    serving.append(loop.create_task(self._feed_all(rows.run.id, rows.run.workflow)))
            await asyncio.sleep(0.5)
            await self._archive()
        for task in serving:
            task.result()

    async def _archive(self) -> None:
        """Drop the beginnings of logs that have a snapshot, but of runs that are to be retried."""
        world = self._client.world
        runs = [rows.run for rows in self._store.runs.values() if self._weather.happens("archive")]
        for run_id in [run.id for run in runs if run.error_code != "DEADLINE_EXCEEDED"]:
            with suppress(WorldError, EntityConflictError):
                snapshot = await world.snapshot(run_id)
                if snapshot is not None:
                    await world.archive(run_id, snapshot.cursor - self._random.choice((0, 0, 1)))

    def _runs_left(self) -> bool:
        return any(rows.run.status not in RUN_TERMINAL for rows in self._store.runs.values())

    async def _run(self, name: str, run_id: str, runtime: Runtime) -> None:
        """Have a workflow run, with all that its program expects from outside, and judge its result."""
        await asyncio.sleep(self._random.uniform(0, 3))
        startable = Startable(name, "", self._workflows[name])
        begins = {}
        if self._weather.happens("deadline"):
            begins["deadline"] = self._client.world.clock.now() + self._random.randint(1, 20_000)
        await self._until_it_works(
            lambda: self._client.create_run(startable, [], runtime=runtime, run_id=run_id, begins=begins)
        )
        others = [self._feed_all(run_id, name)]
        if self._weather.happens("cancel"):
            others.append(self._cancel(run_id))
        if self._weather.happens("pause"):
            others.append(self._pause(run_id))
        if self._weather.happens("wake up"):
            others.append(self._wake_up(run_id))
        if self._forks is not None:
            others.append(self._fork(self._forks, run_id, self._scripts[name]))
        await asyncio.gather(self._judge(run_id, self._scripts[name]), *others)

    async def _fork(self, forks: Forks, run_id: str, script: Script) -> None:
        """Fork a run some time at some place, asking until it is known what became of that, and feed and judge it."""
        await asyncio.sleep(self._random.choice((0.1, 1.0, 5.0, 20.0)) * self._random.random())
        at = self._random.randint(1, self._store.runs[run_id].run.head)
        self._fed.add(new_id := f"{run_id}-fork")
        fork = await self._until_it_works(lambda: forks.fork(run_id, at, new_id))
        if fork is None:
            return
        self._story.tell("clients", f"have forked {run_id} after event {at}")
        while (hooks := await self._until_it_works(lambda: forks.hooks(fork, script))) is None:
            if await self._has_ended(run_id):  # and will never tell
                with suppress(EntityConflictError):
                    await self._until_it_works(lambda: self._client.run(fork.id).cancel(force=True))
                return
            await asyncio.sleep(self._random.uniform(0.1, 1))
        feeding = [self._feed(fork.id, each.name, each.takes, each) for each in hooks]
        await asyncio.gather(self._judge(fork.id, script), *feeding)

    async def _feed_all(self, run_id: str, name: str) -> None:
        """Send the hooks and mailboxes of a run what it expects, whatever becomes of it."""
        script = self._scripts[name]
        hooks = [self._feed(run_id, *hook) for hook in tokens(script)]
        await asyncio.gather(*hooks, *[self._send(run_id, *mailbox) for mailbox in mailboxes(script)])

    async def _send(self, run_id: str, name: str, count: int) -> None:
        """Send the messages that a mailbox takes, and one that nobody receives; each until it is known to be there."""
        for message in payloads(count + 1):
            message_id = f"{name} {message}"
            while True:
                await asyncio.sleep(self._random.uniform(0, 1))
                try:
                    await self._client.send(run_id, name, message, id=message_id)
                except (WorldError, NotFoundError):
                    continue  # it may be there all the same, or the run not yet
                except RunEndedError:
                    if await self._has_ended(run_id):
                        return
                    continue
                if (run_id, message_id) not in self.sent:
                    self.sent.append((run_id, message_id))
                if self._random.random() < 0.8:  # else it is sent once more, which changes nothing
                    break

    async def _feed(self, run_id: str, name: str, count: int, hook_of_fork: Expected | None = None) -> None:
        token = token_of(name, run_id) if hook_of_fork is None else hook_of_fork.token
        sent = payloads(count)[0 if hook_of_fork is None else hook_of_fork.got :]
        pause = 0.1
        while sent:
            await asyncio.sleep(self._random.uniform(0, pause))
            resume_id = f"{run_id} {name} {sent[0]}"
            try:
                hook = await self._client.world.hook(token)
                if hook.run_id == run_id:
                    run_codec = self._client.keyring.run(run_id, hook.key_id, hook.public)
                    await self._client.world.resume_hook(token, run_codec.dumps(sent[0]), resume_id, run_id=run_id)
                    self.received.append((run_id, resume_id))
                    if self._random.random() < 0.2:
                        await self._resume_again(token, resume_id, run_id)
                    sent.pop(0)
                    pause = 0.1
                    continue
            except (HookNotFoundError, WorldError):
                pass
            pause = min(2 * pause, 4.0)
            if await self._has_ended(run_id):
                return

    async def _resume_again(self, token: str, resume_id: str, run_id: str) -> None:
        """Send once more what was accepted, after a while: that changes nothing, whoever has the token by then."""
        await asyncio.sleep(self._random.choice((0, 1, 20)) * self._random.random())
        try:
            answer = await self._until_it_works(lambda: self._client.world.resume_hook(token, b"", resume_id))
        except HookNotFoundError:
            answer = ""
        if answer != run_id:
            self._found(f"{run_id}: {resume_id!r} was accepted, and sent once more it is {answer or 'nobody'}'s")

    async def _cancel(self, run_id: str) -> None:
        """Cancel a run, mostly once it has begun."""
        if self._random.random() < 0.9:
            while self._store.runs[run_id].run.status == "pending":  # noqa: ASYNC110  # it sleeps in virtual time
                await asyncio.sleep(self._random.uniform(0, 0.2))
        await asyncio.sleep(self._random.choice((0.0, 0.1, 1.0, 5.0)) * self._random.random())
        dues = [wait.due for wait in self._store.runs[run_id].waits.values()]
        if dues and self._random.random() < 0.7:  # at the moment when a timer is due
            await asyncio.sleep(max(0, min(dues) - self._client.world.clock.now()) / 1000)
        try:
            force = self._random.random() < 0.3
            await self._until_it_works(lambda: self._client.run(run_id).cancel("now" if force else "", force=force))
        except EntityConflictError:
            return  # it has ended, perhaps by a cancellation whose answer was lost
        self.cancelled.append(run_id)

    async def _pause(self, run_id: str) -> None:
        """Pause a run and let it go on after a while, whatever is answered meanwhile."""
        await asyncio.sleep(self._random.uniform(0, 5))
        handle = self._client.run(run_id)
        for act in (handle.pause, handle.unpause):
            with suppress(EntityConflictError):  # it has ended, or is to end
                await self._until_it_works(act)
            await asyncio.sleep(self._random.uniform(0, 20))

    async def _wake_up(self, run_id: str) -> None:
        await asyncio.sleep(self._random.uniform(0, 5))
        with suppress(EntityConflictError):
            await self._until_it_works(self._client.run(run_id).wake_up)

    async def _judge(self, run_id: str, script: Script) -> None:
        try:
            value = await self._result(run_id)
        except EntityConflictError:
            pass  # it stays failed
        except RunCancelledError:
            if not self._weather.rates.get("cancel"):
                self._found(f"{run_id}: it was cancelled, and nobody has asked for that")
        except RunFailedError as error:
            if not can_fail(script) or error.failure != "USER_ERROR":
                self._found(f"{run_id}: it failed by no fault of its own: {error}")
        else:
            if not agrees(script, value, self._scripts):
                self._found(f"{run_id}: its program cannot return {value}")

    async def _result(self, run_id: str) -> object:
        """Return what a run returns, or raise why it does not; one that misses its deadline is retried."""
        handle = self._client.run(run_id)
        try:
            return await self._until_it_works(handle.result)
        except RunFailedError as error:
            if error.failure != "DEADLINE_EXCEEDED":
                raise
        try:
            await self._until_it_works(handle.retry)
        except EntityConflictError as refused:  # an answer was lost, or another run has a token of its hooks
            if "has that token now" in str(refused):
                raise
        return await self._until_it_works(handle.result)

    async def _has_ended(self, run_id: str) -> bool:
        """Return whether a run has ended for good."""
        try:
            run = await self._client.world.get_run(run_id)
        except (WorldError, NotFoundError):
            return False
        return run.status in RUN_TERMINAL and run.error_code != "DEADLINE_EXCEEDED"  # such a one is retried

    async def _until_it_works(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except WorldError:
                await asyncio.sleep(self._random.uniform(0.2, 2))
