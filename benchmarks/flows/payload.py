"""Steps that take and return a text."""

from benchmarks.steps import echo


async def payload(steps: int, text: str) -> str:
    """Return the text after it has gone through all the steps."""
    for _ in range(steps):
        text = await echo(text)
    return text
