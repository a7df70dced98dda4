"""
Steps that wait for a worker which has them.

A step waits for as long as it takes. It is *unmet* when no live worker of its application has a step of its name, or
those that have one gave it back, because its arguments do not fit theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from torpor.engine.deployments import LiveDeployment, read_deployments
from torpor.model import Entities, WaitingSteps
from torpor.signatures import covers
from torpor.world import World


class Unmet(msgspec.Struct, frozen=True):
    """
    Steps that nobody who lives will carry out.

    Attributes:
        steps: which, how many and since when.
        workers: how many living workers take runs of the application.
        has_name: whether one of them has a step of the name, which then does not take the arguments.
    """

    steps: WaitingSteps
    workers: int
    has_name: bool

    def __str__(self) -> str:
        steps = self.steps
        since = datetime.fromtimestamp(steps.since / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        calls = f"{steps.count} call{'s' * (steps.count != 1)} of {steps.name} wait{'s' * (steps.count == 1)}"
        return f"{calls} since {since}: {self.reason} (e.g. run {steps.run_id})"

    @property
    def reason(self) -> str:
        """Why they wait."""
        if self.has_name:
            return self.steps.snoozed
        whose = f" of application {self.steps.app!r}" if self.steps.app else ""
        return f"no live worker{whose} has it" if self.workers else f"no worker{whose} is at work"


async def read_unmet(world: World) -> list[Unmet]:
    """Return what waits in a world for a worker that does not live, longest waiting first."""
    waiting = await world.waiting_steps()
    return find_unmet(waiting, await read_deployments(world)) if waiting else []


async def unmet_steps(world: World, rows: Entities) -> list[Unmet]:
    """Return what of a run waits for a worker that does not live."""
    waiting = [
        WaitingSteps(
            rows.run.app,
            step.name,
            step.signature,
            count=1,
            since=step.created_at if step.snoozed else step.queued_at,
            run_id=step.run_id,
            snoozed=step.snoozed,
        )
        for step in rows.steps.values()
        if step.task and step.ready_at is not None and (step.snoozed or step.ready_at <= world.clock.now())
    ]
    return find_unmet(waiting, await read_deployments(world)) if waiting else []


def find_unmet(waiting: Iterable[WaitingSteps], deployments: Sequence[LiveDeployment]) -> list[Unmet]:
    """Return those of the *waiting* that no live deployment meets."""
    found = []
    for steps in waiting:
        # Runs without an application, which version 0.1.0 made, are everybody's.
        theirs = [each for each in deployments if each.workers and steps.app in ("", each.deployment.app)]
        signatures = [each.deployment.steps[steps.name] for each in theirs if steps.name in each.deployment.steps]
        # Without a reason it only waits for room. A reason may be another's who lacks the step, and who has it is busy.
        fits = any(covers(signature, steps.signature) for signature in signatures) and steps.signature != ""
        if not signatures or (steps.snoozed and not fits):
            found.append(Unmet(steps, sum(len(each.workers) for each in theirs), bool(signatures)))
    return found
