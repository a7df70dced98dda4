"""However deliveries are grouped, and wherever a run sleeps between them, the run is the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.guests.cpython.conftest import Author, Run, text_of
from torpor.vm.guest import Delivery

BUSY = """
h, got, rounds = hook("t"), [], 0
async def listen():
    async for payload in h:
        got.append(payload)
        print("payload", payload, random.random())
listener = asyncio.create_task(listener_named(listen()))
while rounds < 12:
    tasks = [asyncio.create_task(charge(rounds)), asyncio.create_task(asyncio.sleep(1 + random.random()))]
    done, pending = set(), set(tasks)
    try:
        async with asyncio.timeout(30):
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        print("timeout")
    for task in pending:
        task.cancel()
    print(rounds, len(done), {str(task.get_name()) for task in done})
    rounds += 1
h.dispose()
await listener
return [got, random.random(), str(uuid.uuid4())]
"""
BEFORE = "import random, uuid\nasync def listener_named(coroutine):\n    return await coroutine\n"


def history(run: Run, seed: int) -> Iterator[Delivery]:
    """Yield random events for what the run asks for until it ends, and deliver each."""
    rng = random.Random(seed)
    delivered: set[int] = set()
    received = 0
    while run.status == "pending":
        open_ops = [op for op in run.ops if op.n not in delivered and op.type in ("step", "wait")]
        if rng.random() < 0.3:
            received += 1
            event = run.event("hook_received", 1, value=text_of(received))
        else:
            op = rng.choice(open_ops)
            delivered.add(op.n)
            run.now = max(run.now, op.due)
            kind = "step_completed" if op.type == "step" else "wait_completed"
            event = run.event(kind, op.n, value=text_of(op.n) if op.type == "step" else None)  # type: ignore[arg-type]  # one of two
        run.deliver(event)
        yield event


@pytest.mark.parametrize("seed", range(6))
def test_grouping_and_sleep_change_nothing(author: Author, seed: int) -> None:
    """Ops, log lines and outcome are those of the first run, which got its events one by one and never slept."""
    first = author.body(BUSY, before=BEFORE).begin()
    events = list(history(first, seed))
    rng = random.Random(seed)
    again = author.run(first.image).begin()
    while events:
        count = rng.randint(1, 8)
        again.deliver(*events[:count])
        events = events[count:]
        if rng.random() < 0.5:
            again.park()

    assert again.ops == first.ops
    assert again.logs == first.logs
    assert again.value == first.value


LITTER = """
h, rounds = hook("t"), 0
while rounds < 8:
    print([thing.n for thing in {Thing(n) for n in range(20)}])
    tasks = {asyncio.create_task(work((rounds, n))) for n in range(9)}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        await ship(task.get_name())
        task.cancel()
    async with asyncio.TaskGroup() as group:
        for n in range(4):
            group.create_task(work(n))
    rounds += 1
    kept = [[n] for n in range(random.randrange(3000))]
h.dispose()
"""
"""Sets of objects have the order of their addresses, and what is in cycles ends when the collector comes round."""

BEFORE_LITTER = """
import random
class Thing:
    def __init__(self, n):
        self.n, self.itself = n, self
    def __del__(self):
        print("gone", self.n)
async def work(n):
    got = await charge(n)
    cycle = []
    async def forgotten():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            asyncio.get_running_loop().create_task(charge(["collected", cycle[1]]))
    cycle += [forgotten(), n]
    cycle[0].send(None)
    return got
"""


@pytest.mark.parametrize("seed", range(4))
def test_addresses_and_collections_are_the_same(author: Author, seed: int) -> None:
    """A replay has every object where it was and collects garbage when it was collected, wherever the run slept."""
    first = author.body(LITTER, before=BEFORE_LITTER).begin()
    events = list(history(first, seed))
    rng = random.Random(seed)
    again = author.run(first.image).begin()
    while events:
        count = rng.randint(1, 8)
        again.deliver(*events[:count])
        events = events[count:]
        if rng.random() < 0.5:
            again.park()

    assert again.ops == first.ops
    assert any("collected" in (op.input or "") for op in first.ops)
    assert again.logs == first.logs
