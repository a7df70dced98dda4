"""An application whose steps tell in which trace they run."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor, current_step, sleep, tracing

app = Torpor("memory://", name="traced", root=Path(__file__).parent)


@app.step
async def first() -> str:
    """Tell the trace that is current."""
    return tracing.current()


@app.step
def second() -> str:
    """Tell it in a thread, the second time it is tried."""
    if current_step().attempt == 1:
        raise OSError("not yet")
    return tracing.current()


@app.step(url="http://127.0.0.1:9/steps/first", max_retries=0)
async def far() -> str:
    """Be carried out by a service, which tells the trace that is current there."""
    raise AssertionError("it is carried out elsewhere")


@app.workflow
async def errand() -> str:
    """Have something done elsewhere."""
    return await far()


@app.workflow
async def napping() -> None:
    """Be woken by the clock."""
    await sleep(0.01)


@app.workflow
async def leaf() -> str:
    """Be started by another run."""
    return await first()


@app.workflow
async def journey() -> list[str]:
    """Be worked on by one worker, sleep, and be worked on by another one."""
    seen = [await first()]
    await sleep("1h")
    seen.append(await second())
    return [*seen, await (await app.start(leaf)).result()]
