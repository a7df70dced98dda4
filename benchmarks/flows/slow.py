"""Steps that take their time and write down that they ran."""

from benchmarks.steps import pause


async def slow(steps: int, ledger: str) -> int:
    """Return the number of steps."""
    total = 0
    for _ in range(steps):
        total = await pause(total, ledger)
    return total
