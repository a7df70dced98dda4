"""What is deployed in a world, and what a deploy would leave waiting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from torpor.codec.crypto.keys import Keyring
from torpor.engine.deployments import LiveDeployment, read_deployments
from torpor.engine.images import read_program
from torpor.errors import KeyMissingError
from torpor.model import Deployment, ProgramUse, WaitingSteps, WorkerRow
from torpor.programs.languages import LANGUAGES
from torpor.programs.steps import steps_of
from torpor.signatures import covers
from torpor.world import World


class DeploymentView(msgspec.Struct, frozen=True):
    """
    A deployment, as it is shown.

    Attributes:
        app: name of the application, ``""`` when it has none.
        id: content address.
        since: when it was stored first, epoch milliseconds.
        workflows: full name → text of what it takes, ``""`` when that is not known.
        steps: full name → text of what it takes, without those that every application has; old names are among them.
        workers: the living workers whose it is; none when it is not live any more.
        runs: how many runs have not ended whose program no newer deployment has.
    """

    app: str
    id: str
    since: int
    workflows: dict[str, str]
    steps: dict[str, str]
    workers: tuple[WorkerRow, ...]
    runs: int


class Wanting(msgspec.Struct, frozen=True):
    """
    A step that runs ask for, or may ask for, and that an application lacks or has otherwise.

    Attributes:
        name: its full name.
        expected: text of the signature that the programs of the runs know, ``""`` when they do not say.
        found: text of the application's signature, None when it has no step of the name.
        waiting: how many calls of it wait for a worker now.
        runs: how many runs that have not ended keep a program that may call it.
        run_id: one of them.
    """

    name: str
    expected: str
    found: str | None
    waiting: int
    runs: int
    run_id: str


class Unread(msgspec.Struct, frozen=True):
    """
    Programs of runs that could not be looked at.

    Attributes:
        use: which, and of how many runs.
        why: why not.
        needs_key: a key is missing here, so that nobody can tell; else it is lost or damaged, whatever is deployed.
    """

    use: ProgramUse
    why: str
    needs_key: bool


class DeployCheck(msgspec.Struct, frozen=True):
    """
    What a deploy would leave waiting.

    Attributes:
        wanting: steps that no worker would have then.
        unread: programs that could not be looked at.
        runs: how many runs have not ended that the application's workers take.
    """

    wanting: tuple[Wanting, ...]
    unread: tuple[Unread, ...]
    runs: int


async def read_uses(world: World) -> list[ProgramUse]:
    """Return which programs runs need that have not ended; health runs have none."""
    return [use for use in await world.programs_in_use() if use.program]


async def deployment_views(world: World) -> tuple[list[DeploymentView], list[ProgramUse]]:
    """
    Return what is live in a world, and what is not any more but has runs; by application, live ones first. And what
    runs have programs that none of all deployments has: no worker has brought them, or that was long ago.
    """
    uses = await read_uses(world)
    seen: set[tuple[str, str]] = set()  # applications and programs that a newer deployment has
    found = []
    for each in await _newest_first(world):
        programs = {(each.deployment.app, workflow.program) for workflow in each.deployment.workflows.values()} - seen
        seen |= programs
        view = _view(each, sum(use.count for use in uses if (use.app, use.program) in programs))
        if view.workers or view.runs:
            found.append(view)
    others = [use for use in uses if (use.app, use.program) not in seen]
    return sorted(found, key=lambda view: (view.app, not view.workers)), others


async def _newest_first(world: World) -> list[LiveDeployment]:
    found = {each.deployment.id: each for each in await read_deployments(world)}
    return [found[stored.id] for stored in await world.deployments() if stored.id in found]


def _view(live: LiveDeployment, runs: int) -> DeploymentView:
    deployment = live.deployment
    return DeploymentView(
        app=deployment.app,
        id=deployment.id,
        since=deployment.created_at,
        workflows={name: each.signature for name, each in sorted(deployment.workflows.items())},
        steps={name: text for name, text in sorted(deployment.steps.items()) if not name.startswith("step//torpor//")},
        workers=live.workers,
        runs=runs,
    )


async def check_deploy(world: World, keyring: Keyring, deployment: Deployment) -> DeployCheck:
    """
    Return what would wait if all workers of an application brought this deployment and no other.

    Args:
        world: an open world.
        keyring: keys of the programs.
        deployment: what is to be deployed.
    """
    theirs = ("", deployment.app)  # runs without an application are everybody's
    uses = [use for use in await read_uses(world) if use.app in theirs]
    waiting = [steps for steps in await world.waiting_steps() if steps.app in theirs]
    calls = _Calls()
    unread = []
    for use in uses:
        try:
            program = await read_program(world, keyring, use.program, use.key_id)
        except KeyMissingError as error:
            unread.append(Unread(use, str(error), needs_key=True))
            continue
        if program is None:
            unread.append(Unread(use, f"world {world.url} has no whole program {use.program}", needs_key=False))
        else:
            calls.add_program(steps_of(program), use)
    calls.add_waiting(waiting)
    return DeployCheck(calls.wanting(deployment.steps), tuple(unread), sum(use.count for use in uses))


class _Calls:
    """What runs ask for, by the name of the step and the signature that their programs know."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], list[ProgramUse]] = {}
        self._waiting: dict[tuple[str, str], list[WaitingSteps]] = {}

    def add_program(self, steps: Mapping[str, str], use: ProgramUse) -> None:
        for about in steps.items():
            self._runs.setdefault(about, []).append(use)

    def add_waiting(self, waiting: Iterable[WaitingSteps]) -> None:
        for steps in waiting:
            self._waiting.setdefault((steps.name, steps.signature), []).append(steps)

    def wanting(self, have: Mapping[str, str]) -> tuple[Wanting, ...]:
        found = []
        for about in sorted(self._runs.keys() | self._waiting.keys()):
            name, expected = about
            uses, waiting = self._runs.get(about, []), self._waiting.get(about, [])
            if name in have and covers(have[name], expected, by_name=_by_name(uses)):
                continue
            example = waiting[0].run_id if waiting else uses[0].run_id
            counts = sum(steps.count for steps in waiting), sum(use.count for use in uses)
            found.append(Wanting(name, expected, have.get(name), *counts, example))
        return tuple(found)


def _by_name(uses: list[ProgramUse]) -> bool:
    """Return whether one of these programs may pass arguments by name; when there is none, it is not known."""
    return not uses or any(use.guest not in LANGUAGES or LANGUAGES[use.guest].passes_by_name for use in uses)
