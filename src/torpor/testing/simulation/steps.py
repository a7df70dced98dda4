"""The steps that programs by model call, and the ledger of their attempts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from torpor import ids
from torpor.client import Client
from torpor.codec.types.references import AsTheyAre, References
from torpor.engine.defined_steps import DefinedSteps
from torpor.engine.deployments import Startable
from torpor.engine.metadata import StepMetadata, current_step
from torpor.engine.step_definition import StepDefinition
from torpor.engine.stream_steps import get_writable
from torpor.errors import FatalError, RunCancelledError, RunFailedError
from torpor.model import DeployedWorkflow
from torpor.retries import Backoff
from torpor.testing.simulation.nodes import step_name
from torpor.testing.simulation.scheduler import Process
from torpor.testing.simulation.story import Story
from torpor.worlds.memory.store import Store

_FAILURES_OF_FLAKY = 2

CHUNKS: Final = 3
"""What an attempt of a step that takes its time writes to its run's stream."""


@dataclass(slots=True)
class _Attempt:
    number: int
    claim: tuple[str, int] | None  # worker and fence of the run's turn, None for a task
    returned: bool = False


@dataclass(slots=True)
class Ledger:
    """
    What steps have done, whoever carried them out.

    Args:
        store: tells whose a step is.
        found: told what is wrong.
    """

    store: Store
    found: Callable[[str], None]
    attempts: dict[str, list[_Attempt]] = field(default_factory=dict)
    raised: Counter[str] = field(default_factory=Counter)

    def begin(self, step: StepMetadata) -> _Attempt:
        """Note that an attempt begins."""
        rows = self.store.runs[step.run_id]
        row = rows.steps.get(step.step_id)
        claim = None if row is None or row.task else (rows.run.worker, rows.run.epoch)
        before = self.attempts.setdefault(step.step_id, [])
        what = f"{step.run_id}: attempt {step.attempt} of {step.name} {step.step_id}"
        if any(attempt.number == step.attempt for attempt in before):
            self.found(f"{what} is made twice")
        elif claim and any(attempt.returned and attempt.claim == claim for attempt in before):
            self.found(f"{what} is made, and this very claim has had a result of it")
        attempt = _Attempt(step.attempt, claim)
        before.append(attempt)
        return attempt


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps find in the process that carries them out, as :attr:`Process.inside`."""

    process: Process
    ledger: Ledger
    client: Client
    workflows: dict[str, DeployedWorkflow]
    story: Story

    def begin(self) -> _Attempt:
        """Note that the attempt in whose context this is called begins."""
        step = current_step()
        self.story.tell(self.process.name, f"carries out {step.name} attempt {step.attempt} of {step.run_id}")
        return self.ledger.begin(step)

    async def work(self, number: int, seconds: float, at_least: float = 0.0) -> int:
        """Return after some time, in which the run's stream is written to."""
        attempt = self.begin()
        writable = get_writable()
        for n in range(CHUNKS):
            writable.write([number, n])
        await asyncio.sleep(self.process.scheduler.random.uniform(at_least, seconds))
        attempt.returned = True
        return number


class SimulatedSteps(DefinedSteps, AsTheyAre):
    """
    Where a worker finds the steps.

    Args:
        lacks: full names of those that it does not have, as workers of another version.
        has_others: of those that it has, but with other parameters.
    """

    def __init__(self, lacks: Collection[str] = (), has_others: Collection[str] = ()) -> None:
        definitions = {name: each for name, each in DEFINITIONS.items() if name not in lacks}
        super().__init__(definitions | {name: StepDefinition(name, another) for name in has_others})

    @property
    def references(self) -> References:
        return self


def _bench() -> Bench:
    process = asyncio.get_running_loop()
    assert isinstance(process, Process), "steps run in workers"
    assert isinstance(process.inside, Bench), "workers have one"
    return process.inside


async def quick(number: int) -> int:
    """Return soon."""
    return await _bench().work(number, 0.04)


async def slow(number: int) -> int:
    """Return so late that a turn does not wait for it."""
    return await _bench().work(number, 3.0)


def thread(number: int) -> int:
    """Return from a thread."""
    attempt = _bench().begin()
    attempt.returned = True
    return number


async def flaky(number: int) -> int:
    """Raise a few times before it returns."""
    bench, step = _bench(), current_step()
    if bench.ledger.raised[step.step_id] < _FAILURES_OF_FLAKY:
        bench.begin()
        await asyncio.sleep(0.01)
        bench.ledger.raised[step.step_id] += 1
        raise ValueError("not yet")
    return await bench.work(number, 0.02)


async def late(number: int) -> int:
    """Take longer than it may."""
    return await _bench().work(number, 1_000.0, at_least=500.0)


async def fatal(number: int) -> int:
    """Fail for good."""
    _bench().begin()
    raise FatalError(f"no use for {number}")


async def hopeless(number: int) -> int:
    """Fail as often as it is tried."""
    _bench().begin()
    await asyncio.sleep(0.01)
    raise ValueError(f"never {number}")


async def start(workflow: str) -> str:
    """Start a child and return its id."""
    bench = _bench()
    attempt = bench.begin()
    child = ids.child(current_step().step_id)
    startable = Startable(workflow, "", bench.workflows[workflow])
    await bench.client.create_run(startable, [], runtime="snapshot", run_id=child)
    attempt.returned = True
    return child


async def result(run_id: str) -> Any:
    """Return what a child came to."""
    bench = _bench()
    attempt = bench.begin()
    value: Any
    try:
        value = await bench.client.run(run_id).result()
    except RunFailedError:
        value = "failed"
    except RunCancelledError:
        value = "cancelled"
    attempt.returned = True
    return value


async def another(number: int, more: int) -> int:
    """Stand for a step that does not take what programs pass."""
    raise AssertionError(f"it was called with {number} and {more}")


RESULT: Final = "step//torpor//result"
"""What JavaScript asks for when a child that it waits for has ended; a model asks for a step of ours."""


def _definitions() -> dict[str, StepDefinition]:
    soon = Backoff(first=0.2, most=2.0)
    always = {"max_retries": 1_000, "backoff": soon}  # a store that fails must not fail the step
    kinds: dict[Callable[..., Any], dict[str, Any]] = {
        quick: {},
        slow: {},
        thread: {},
        flaky: {"max_retries": _FAILURES_OF_FLAKY, "backoff": soon},
        late: {"max_retries": 1, "timeout": 0.3, "backoff": soon},
        fatal: {},
        hopeless: {"max_retries": 1, "backoff": soon},
        start: always,
        result: always,
    }
    names = {step_name(function.__name__): (function, options) for function, options in kinds.items()}
    names[RESULT] = (result, always)
    return {name: StepDefinition(name, function, **options) for name, (function, options) in names.items()}


WRITERS: Final = frozenset(step_name(function.__name__) for function in (quick, slow, flaky))
"""The full names of steps that write to their run's stream."""

DEFINITIONS: Final = _definitions()
"""The steps by full name."""


def signatures() -> dict[str, str]:
    """Return what the steps take, by full name."""
    return {name: definition.signature for name, definition in DEFINITIONS.items()}
