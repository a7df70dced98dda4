"""What must hold when all runs have ended: nothing lost, doubled, failed or out of order, and the ledger agrees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.crash.soak.population import CANCELLED, Expected
from torpor import Torpor
from torpor.errors import TorporError
from torpor.lifecycle import RUN_ENDINGS
from torpor.model import Event, RunFilter
from torpor.run_info import RunInfo

Ledger = Mapping[str, list[int]]
"""The attempts that were executed, by step id."""

_PAGE = 500


async def faults(app: Torpor, expected: Mapping[str, Expected], ledger: Path) -> list[str]:
    """Return what is wrong, a line for each."""
    found: list[str] = []
    executed = _read(ledger)
    runs = await _all_runs(app)
    children = Counter(run.parent for run in runs if run.parent)
    found += [f"run {run_id} is lost" for run_id in expected.keys() - {run.id for run in runs}]
    for run in runs:
        wrong = await _result_faults(app, run, expected.get(run.id))
        wrong += log_faults(await app.run(run.id).events(), executed, whole=run.status == "completed")
        wanted = expected[run.id].children if run.id in expected else 0
        if run.status == "completed" and children[run.id] != wanted:
            wrong.append(f"started {children[run.id]} runs instead of {wanted}")
        found += [f"run {run.id} ({run.workflow}, {run.status}): {fault}" for fault in wrong]
    return found + await _leftovers(app)


async def _all_runs(app: Torpor) -> list[RunInfo]:
    runs: list[RunInfo] = []
    page: list[RunInfo] = []
    while not runs or len(page) == _PAGE:
        page = await app.client.list_runs(before=runs[-1].id if runs else None, limit=_PAGE)
        runs += page
        if not page:
            break
    return runs


async def _result_faults(app: Torpor, run: RunInfo, expected: Expected | None) -> list[str]:
    if expected is None:  # a child
        return [] if run.status == "completed" else [f"{run.error_code or run.status}"]
    if expected.result == CANCELLED:
        return [] if run.status == "cancelled" else ["was to be cancelled"]
    try:
        result = await app.run(run.id).result(timeout=5)
    except (TorporError, TimeoutError) as error:
        return [f"{type(error).__name__}: {error}"]
    return [] if result == expected.result else [f"returned {result} instead of {expected.result}"]


def log_faults(log: list[Event], executed: Ledger, *, whole: bool) -> Iterator[str]:
    """
    Yield what is wrong with a run's log.

    Args:
        log: all of it.
        executed: what steps wrote.
        whole: the run completed, so that every step must have an outcome.
    """
    if [event.seq for event in log] != list(range(1, len(log) + 1)):
        yield "its log is not dense"
    if [event.at for event in log] != sorted(event.at for event in log):
        yield "its times go back"
    if [event.type in RUN_ENDINGS for event in log] != [False] * (len(log) - 1) + [True]:
        yield "it does not end once and for all"
    ops = sorted(event.op for event in log if event.digest and event.op)
    if ops != list(range(1, len(ops) + 1)):
        yield f"its ops are {ops}"
    for kinds in (("step_completed", "step_failed"), ("wait_completed", "wait_disposed"), ("hook_disposed",)):
        often = [key for key, n in Counter(event.id for event in log if event.type in kinds).items() if n > 1]
        if often:
            yield f"{' or '.join(kinds)} more than once: {often}"
    received = Counter((event.id, event.ref) for event in log if event.type == "hook_received")
    if any(n > 1 for n in received.values()):
        yield f"received twice: {received}"
    for step in (event for event in log if event.type == "step_created"):
        yield from _step_faults([event for event in log if event.id == step.id], executed, whole=whole)


def _step_faults(own: list[Event], executed: Ledger, *, whole: bool) -> Iterator[str]:
    """Yield what is wrong with a step; each execution must be an attempt of its own, stored before it began."""
    step = own[0]
    attempts = executed.get(step.id, [])
    if len(set(attempts)) != len(attempts):
        yield f"step {step.id}: an attempt was executed twice: {attempts}"
    outcomes = [event for event in own if event.type in ("step_completed", "step_failed")]
    if whole and len(outcomes) != 1:
        yield f"step {step.id}: {len(outcomes)} outcomes"
    if not outcomes or step.name.startswith("step//torpor//"):
        return
    if outcomes[0].attempt not in attempts:
        yield f"step {step.id}: attempt {outcomes[0].attempt} has an outcome and was not executed: {attempts}"
    if any(attempt > outcomes[0].attempt for attempt in attempts):
        yield f"step {step.id}: attempts {attempts}, and the outcome is of {outcomes[0].attempt}"


async def _leftovers(app: Torpor) -> list[str]:
    """Return what is left in a world whose runs have all ended."""
    world = app.world
    found = [str(error) for error in await world.damaged()]
    found += [f"hook {hook.token} is live" for hook in await world.live_hooks()]
    found += [f"step {steps.name} of run {steps.run_id} waits" for steps in await world.waiting_steps()]
    found += [f"run {run.id} is snoozed" for run in await world.snoozed_runs()]
    found += [
        f"run {run.id} is claimed, or ready"
        for run in await world.list_runs(RunFilter(limit=100_000))
        if run.worker or run.ready_at is not None
    ]
    return found


def _read(ledger: Path) -> Ledger:
    executed: defaultdict[str, list[int]] = defaultdict(list)
    for line in ledger.read_text().splitlines():
        _, step_id, attempt, _ = line.split()
        executed[step_id].append(int(attempt))
    return executed
