"""Lets programs run, in both languages and by both runtimes, and compares them with the model and with one another."""

from __future__ import annotations

import hashlib
import importlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, get_args

import msgspec

from torpor.app import Torpor
from torpor.errors import HookNotFoundError, RunFailedError, WaitTimeoutError
from torpor.model import Event, Runtime
from torpor.testing.programs.script import Made, make
from torpor.testing.programs.sources import write
from torpor.testing.testbed import Testbed

LANGUAGES: Final = ("javascript", "python")
RUNTIMES: Final[tuple[Runtime, ...]] = get_args(Runtime)

_RECORDED: Final = (
    *("run_created", "run_completed", "run_failed", "step_created", "step_retrying", "step_completed", "step_failed"),
    *("wait_created", "wait_completed", "wait_disposed", "hook_created", "hook_received", "hook_disposed"),
)


_TELLING: Final = frozenset(("step_created", "step_completed", "hook_received", "run_completed"))
_CHILD: Final = "$end:"
"""How the token of a hook that waits for a child begins."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with the program of a seed."""

    seed: int
    what: str


async def judge(seeds: Sequence[int], *, disturb: object = None) -> list[Fault]:
    """
    Let the programs of some seeds run, and return what is wrong.

    Args:
        seeds: which programs; all of them become one application.
        disturb: a function that is called with each testbed, to let something go wrong.
    """
    made = [make(seed) for seed in seeds]
    faults: list[Fault] = []
    digests: dict[tuple[int, str], dict[Runtime, str]] = {}
    with application(made) as app:
        for runtime in RUNTIMES:
            async with Testbed(app, runtime=runtime) as torpor:
                if callable(disturb):
                    disturb(torpor)
                for program in made:
                    for language in LANGUAGES:
                        told = await _played(
                            torpor, program, language, digests.setdefault((program.seed, language), {})
                        )
                        faults += [Fault(program.seed, f"{language}, {runtime}: {each}") for each in told]
    for (seed, language), found in digests.items():
        if len(set(found.values())) > 1:
            faults.append(Fault(seed, f"{language}: the logs of {' and '.join(found)} runs differ"))
    return faults


async def _played(torpor: Testbed, program: Made, language: str, digests: dict[Runtime, str]) -> list[str]:
    """Let a program run in one language, note the digest of its log, and return what is wrong."""
    began = torpor.clock.now()
    try:
        run = await torpor.start(f"{language}_{program.seed}")
        for arrival in program.arrivals:
            await torpor.skip((began + arrival.at - torpor.clock.now()) / 1000)
            try:
                await torpor.resume_hook(arrival.token, arrival.payload)
            except HookNotFoundError:
                continue  # its workflow is not there yet, or not any more
        value = await run.result()
    except (WaitTimeoutError, RunFailedError) as error:
        return [f"it did not return: {error}"]
    info = await run.info()
    digests[torpor.app.runtime] = digest(await run.events(), began)
    faults = []
    if value != program.value:
        faults.append(f"it returned {value}, and should {program.value}; {await run.story()}")
    if info.ended_at - began != program.ends:
        faults.append(f"it took {info.ended_at - began} ms, and should {program.ends}")
    return faults


def digest(events: Iterable[Event], began: int) -> str:
    """
    Return the digest of what a log says, in the order of time and not of the log: what happens at one moment may come
    in any order.
    """
    said = sorted(repr(_said(event, began)) for event in events if event.type in _RECORDED)
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _said(event: Event, began: int) -> tuple[object, ...]:
    """Return what an event says, without the ids of runs, which are random."""
    due = event.due and event.due - began
    names_runs = "//torpor//" in event.name or event.name.startswith(_CHILD)
    payload = b"" if names_runs or event.type not in _TELLING else event.payload
    name = _CHILD if event.name.startswith(_CHILD) else event.name
    return event.at - began, event.type, name, due, event.attempt, payload


@contextmanager
def application(programs: Sequence[Made]) -> Iterator[Torpor]:
    """Make an application of programs for the time of the block."""
    module = f"programs_{programs[0].seed}_{len(programs)}"
    with tempfile.TemporaryDirectory(prefix="torpor-programs-") as folder:
        write(Path(folder), module, programs)
        sys.path.insert(0, folder)
        try:
            yield importlib.import_module(module).app
        finally:
            sys.path.remove(folder)
            sys.modules.pop(module, None)
