"""An order is charged, waits for somebody's approval, and is shipped in the night."""

import asyncio

from torpor import Torpor, hook, sleep

app = Torpor()


@app.step(max_retries=5, timeout="30s")
async def charge(order: str, cents: int) -> str:
    """Steps do the work: here are files, sockets and packages of all kinds. Their results are recorded once."""
    print(f"charging {cents} for {order}")
    return f"receipt-{order}"


@app.step
def ship(order: str) -> None:
    """Without `async`, a step runs in a thread."""
    print(f"shipping {order}")


@app.workflow
async def checkout(order: str, cents: int) -> str:
    """Workflows say what happens when: they sleep at each `await`, for as long as it takes, and cost nothing then."""
    receipt = await charge(order, cents)
    try:
        async with asyncio.timeout(3 * 86_400):
            answer = await hook(f"approve:{order}")
    except TimeoutError:
        return f"{order} was not approved in three days"
    if answer != "yes":
        return f"{order} was refused"
    await sleep("2s")
    await ship(order)
    return receipt
