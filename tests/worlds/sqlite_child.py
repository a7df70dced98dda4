"""What the tests run in processes of their own: ``python -m tests.worlds.sqlite_child PART URL [ARGUMENT …]``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from torpor.errors import UsageError
from torpor.model import Commit, Event, RunFilter
from torpor.testing.worlds.story import T, Turn, new_run, step, take
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.store import Store


def say(*words: object) -> None:
    """Tell the test."""
    print(*words, flush=True)  # noqa: T201  # standard output is how the test hears


async def create(world: SqliteWorld, run_id: str) -> None:
    """Create a run."""
    await world.create_run(new_run(run_id))


async def complete(world: SqliteWorld, worker: str, count: str) -> None:
    """Claim and complete so many runs, one after the other; say which."""
    say("ready")
    sys.stdin.readline()
    for _ in range(int(count)):
        [task] = await take(world, worker, turns_max=1)
        outputs = (Event("run_started", T), Event("run_completed", T, ref=worker))
        await world.commit(Commit(task.run_id, worker, task.epoch, 1, outputs=outputs))
        say(task.run_id)


async def work_until_killed(world: SqliteWorld, worker: str) -> None:
    """Let four runs make one step after the other at once; say each head that is stored."""

    async def work(turn: Turn) -> None:
        await turn.commit(Event("run_started", T), step("step_created", 1, attempt=1))
        n = 1
        while True:
            await turn.commit(step("step_created", n + 1, attempt=1), inputs=[step("step_completed", n)])
            n += 1
            say(turn.task.run_id, turn.head)

    for n in range(4):
        await world.create_run(new_run(f"wrun_{n}"))
    await asyncio.gather(*(work(Turn(world, task, 1, worker)) for task in await take(world, worker)))


async def stop_inside(world: SqliteWorld, run_id: str) -> None:
    """Write a run, and stop before the COMMIT."""

    def write_and_wait(store: Store) -> tuple[None, None]:
        store.db.execute("PRAGMA cache_spill = 1")
        for n in range(2000):  # more pages than the cache is told to hold, so that some are in the file already
            store.db.execute("INSERT INTO blobs VALUES (?, ?)", (f"{run_id} {n}", bytes(4000)))
        say("inside")
        sys.stdin.readline()
        return None, None

    await world._writer.submit(write_and_wait, "a test")


PARTS: Final[dict[str, Callable[..., Coroutine[Any, Any, None]]]] = {
    part.__name__: part for part in (create, complete, work_until_killed, stop_inside)
}


async def main(part: str, url: str, *arguments: str) -> None:
    """Play a part with an open world."""
    world = SqliteWorld(url)
    await world.open()
    await PARTS[part](world, *arguments)
    await world.close()


def fork(url: str) -> None:
    """Use a world in a fork of the process that opened it: as it is, and opened there too; then here again."""
    world = SqliteWorld(url)
    asyncio.run(world.open())
    asyncio.run(create(world, "wrun_parent"))
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(create(world, "wrun_child"))
        except UsageError as error:
            say(error)
        asyncio.run(world.open())
        asyncio.run(create(world, "wrun_child"))
        asyncio.run(world.close())
        os._exit(0)
    os.waitpid(child, 0)
    say(*(run.id for run in asyncio.run(world.list_runs(RunFilter()))))
    asyncio.run(world.close())


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork(sys.argv[2])
    else:
        asyncio.run(main(*sys.argv[1:]))
