"""The application that the tests of the front door serve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from torpor import Torpor, get_writable, hook, receive, sleep, state, webhook

app = Torpor("sqlite:///torpor.db", name="shop")


@dataclass
class Order:
    """What is ordered."""

    item: str
    cents: int


@app.step
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@app.step
async def refuse() -> None:
    """Fail."""
    raise ValueError("no such order")


@app.step
async def write(count: int) -> None:
    """Write numbers to the run's stream, and bytes to another one."""
    stream = get_writable()
    for number in range(count):
        await stream.write({"n": number})
    await stream.close()
    raw = get_writable("raw", type="bytes")
    for number in range(count):
        await raw.write(f"{number};".encode())
    await raw.close()


@app.step
async def write_until(path: str, count: int) -> None:
    """Write numbers, the second half of them once somebody writes to a pipe."""
    stream = get_writable()
    for number in range(count):
        if number == count // 2:
            await stream.flush()
            await asyncio.to_thread(Path(path).read_bytes)  # a pipe: until somebody opens its other end
        await stream.write(number)
    await stream.close()


@app.workflow
async def writing_slowly(path: str, count: int) -> None:
    """Write a stream of which the second half waits for a pipe."""
    await write_until(path, count)


@app.workflow
async def adding(a: int, b: int) -> int:
    """Add two numbers."""
    return await add(a, b)


@app.workflow
async def ordering(order: Order) -> str:
    """Take an order, which arrives as an instance."""
    return f"{type(order).__name__} {order.item} {order.cents}"


@app.workflow
async def approving(token: str) -> dict[str, object]:
    """Wait for somebody."""
    answer = await hook(token=token, metadata={"for": token})
    return {"answer": answer, "sum": await add(1, 2)}


@app.step
async def tell(text: str) -> str:
    """Tell it on the run's stream, and whoever awaits this."""
    stream = get_writable()
    await stream.write({"told": text})
    await stream.close()
    return text


@app.workflow
async def inviting(token: str) -> object:
    """Tell where somebody may answer, and wait for him."""
    door = webhook(token=f"{token}/door")
    window = hook(token=f"{token} window", metadata={"say": f"{token} window"})
    print("knock at", await tell(door.url), "or", await tell_window(f"{token} window"))  # noqa: T201  # the run's log
    await door
    return await window


@app.step
async def tell_window(text: str) -> str:
    """Tell it."""
    return text


@app.query
def window(token: str) -> str:
    """Tell the token."""
    return f"{token} window"


@app.workflow
async def listening() -> object:
    """Wait for a message."""
    return await receive("box")


@app.workflow
async def sleeping() -> str:
    """Sleep long."""
    await sleep("10d")
    return "woken"


@app.workflow
async def echoing(value: object) -> object:
    """Return what it is given."""
    return value


@app.workflow
async def counting(count: int) -> None:
    """Publish a number and sleep."""
    state(count=count)
    await sleep("10d")


@app.query
def progress(more: int) -> int:
    """Tell the number, and more."""
    return int(state()["count"]) + more


@app.workflow
async def parenting(depth: int) -> int:
    """Have a child, a grandchild, and so on; the last one sleeps."""
    if depth == 0:
        await sleep("10d")
        return 0
    child = await app.start(parenting, depth - 1)
    return int(await child.result())


@app.workflow
async def failing() -> None:
    """Fail."""
    await refuse()


@app.workflow
async def failing_itself() -> None:
    """Fail by its own code."""
    raise ValueError("nothing to take up")


@app.workflow
async def writing(count: int) -> int:
    """Write streams."""
    await write(count)
    return count
