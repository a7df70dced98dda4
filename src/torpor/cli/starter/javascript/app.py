"""The steps of the workflows in flows/: they do the work, here are files, sockets and packages of all kinds."""

from torpor import Torpor

app = Torpor()
app.workflows("flows/*.{js,ts}")


@app.step(max_retries=5, timeout="30s")
async def charge(order: str, cents: int) -> str:
    """The result of a step is recorded once."""
    print(f"charging {cents} for {order}")
    return f"receipt-{order}"


@app.step
def ship(order: str) -> None:
    """Without `async`, a step runs in a thread."""
    print(f"shipping {order}")
