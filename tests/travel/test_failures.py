"""JavaScript runs that failed are opened where that was raised, whatever it was; else where they stood before."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from torpor import FatalError, RunFailedError, Torpor
from torpor.moments import Moment
from torpor.testing import Testbed

FLOWS = Path(__file__).with_name("failing.js")

RAISED = {
    "atOnce": ("TypeError: cannot read property 'q' of undefined", 7, [("atOnce", {"x": "7", "y": "[ 7 ]"})]),
    "deep": (
        "Error: far",
        13,
        [
            ("deep", {"x": "7", "f": "[Function: f]"}),
            ("f", {"n": "2", "f": "[Function: f]"}),
            ("f", {"n": "1", "f": "[Function: f]"}),
            ("f", {"n": "0", "f": "[Function: f]"}),
        ],
    ),
    "inStep": ("FatalError: no 2", 24, [("inStep", {"x": "7", "part": "[Function: part]"}), ("part", {"n": "2"})]),
    "wrapped": ("TypeError: in vain", 34, [("wrapped", {"x": "7", "cause": "[FatalError: no 7]"})]),
    "plain": ("Error: plain 7", 40, [("plain", {"x": "7"})]),
    "rejected": ("Error: refused", 45, [("rejected", {"x": "7"})]),
}
"""What is told of each, the line of the innermost function, and the functions and variables that are shown."""


async def charge(n: int) -> None:
    """Refuse."""
    raise FatalError(f"no {n}")


def told(moment: Moment) -> list[tuple[str, dict[str, str]]]:
    """Return the functions of the workflow's own task, and their variables."""
    return [(frame.function, {each.name: each.value for each in frame.variables}) for frame in moment.tasks[0].frames]


async def test_failures_are_seen_as_they_are_raised() -> None:
    """Of the engine, of authors, of steps, behind other errors, in functions that are not async, and long before."""
    app = Torpor("memory://", root=FLOWS.parent)
    app.workflows(FLOWS.name)
    app.step(charge)
    async with Testbed(app) as torpor:
        for workflow in (*RAISED, "early"):
            run = await torpor.start(workflow, 7)
            with suppress(RunFailedError):
                await run.result()
            async with run.travel() as traveller:
                moment = await traveller.ending()
                if workflow == "early":  # of its error nothing was seen in the last events
                    assert moment.tasks[0].waits_for.startswith("sleep until")
                    assert (moment.seq < traveller.last, told(moment)[0][1]["i"]) == (True, "2")
                    continue
                error, line, frames = RAISED[workflow]
                assert moment.tasks[0].waits_for == f"nothing: it raised {error}"
                assert told(moment) == frames
                assert moment.position is not None
                assert moment.position.line == line
