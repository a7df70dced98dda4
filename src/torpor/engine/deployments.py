"""
Deployments: what workers bring to a world, and what whoever has only the world finds by it.

A deployment is *live* while the row of a living worker names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from torpor.codec.values import Kwargs
from torpor.engine.liveness import living
from torpor.errors import ArgumentError, WorkflowNotRegisteredError
from torpor.model import DeployedWorkflow, Deployment, Run, WorkerRow
from torpor.programs.catalogue import short_name
from torpor.signatures import bind
from torpor.world import World


class LiveDeployment(msgspec.Struct, frozen=True):
    """
    A deployment, and who brings it.

    Attributes:
        deployment: what was stored.
        workers: the living workers whose it is; none when it is not live any more.
    """

    deployment: Deployment
    workers: tuple[WorkerRow, ...]


class Startable(msgspec.Struct, frozen=True):
    """
    A workflow of which runs can be started.

    Attributes:
        name: its full name.
        app: name of the application that it is of.
        workflow: the program that has it, and what it takes.
        key: of whom a run is in the workflow's queue, as far as that is known where it is started.
    """

    name: str
    app: str
    workflow: DeployedWorkflow
    key: str = ""

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """
        Return what a run is started with; nothing becomes what annotations say, which are not known here.

        Raises:
            ArgumentError: the workflow does not take these arguments.
        """
        try:
            return positional(*bind(self.workflow.signature, args, kwargs))
        except TypeError as error:
            known = f"{short_name(self.name)}{self.workflow.signature}"
            raise ArgumentError(f"cannot start {self.name} so: {error}; it is {known}") from None


def startable_again(run: Run) -> Startable:
    """Return the workflow of a run with the program that the run has, which nobody need deploy."""
    return Startable(run.workflow, run.app, DeployedWorkflow(run.program, run.guest, run.build, "", run.queue))


def positional(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return arguments as a run has them: those by name last, together."""
    return [*args, Kwargs(kwargs)] if kwargs else list(args)


def as_called(arguments: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return arguments that a run has as they were passed: by position, and by name."""
    if arguments and isinstance(arguments[-1], Kwargs):
        return arguments[:-1], arguments[-1]
    return arguments, {}


def make_deployment(app: str, workflows: Mapping[str, DeployedWorkflow], steps: Mapping[str, str]) -> Deployment:
    """Return the deployment of an application; equal ones have one id, whoever makes them."""
    content = {"app": app, "workflows": msgspec.to_builtins(dict(workflows)), "steps": dict(steps)}
    identity = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
    return Deployment(identity, app, dict(workflows), dict(steps))


async def read_deployments(world: World, app: str | None = None) -> list[LiveDeployment]:
    """Return the deployments of an application, or of all: those that are live, then the others, newest first."""
    stored = await world.deployments(app)
    workers = living(await world.workers())
    found = [LiveDeployment(each, tuple(row for row in workers if row.deployment == each.id)) for each in stored]
    return sorted(found, key=lambda each: not each.workers)


async def find_workflow(world: World, name: str, app: str | None = None) -> Startable:
    """
    Return the workflow that the newest live deployment has under a name.

    What the workers of an application do not bring any more cannot be started; only while none of them is at work, what
    was brought last counts.

    Args:
        world: an open world.
        name: the full name, or its last part.
        app: name of the application; that of any by default.

    Raises:
        WorkflowNotRegisteredError: none has it, several of one application do, or those of several applications; the
            message lists them.
    """
    stored = await read_deployments(world, app)
    # Who carries out steps alone says nothing of workflows.
    at_work = {each.deployment.app for each in stored if each.workers and each.deployment.workflows}
    brought = [each for each in stored if each.workers or each.deployment.app not in at_work]
    for are_live in (True, False):
        found: dict[str, list[Startable]] = {}
        for each in brought:
            if bool(each.workers) == are_live and (matches := _matches(each.deployment, name)):
                found.setdefault(each.deployment.app, matches)
        if len(found) > 1:
            names = ", ".join(repr(each) for each in sorted(found))
            raise WorkflowNotRegisteredError(
                f"several applications have a workflow {name!r}: {names}; say which one is meant: "
                f"Client(world, app=…), or torpor start --app-name"
            )
        for matches in found.values():
            return _only(matches, name)
    raise WorkflowNotRegisteredError(_unknown(world.url, name, app, brought))


async def read_versions(world: World, name: str, app: str) -> list[Startable]:
    """Return a workflow as each deployment of an application has it: live ones, then the others, newest first."""
    found = [_matches(each.deployment, name) for each in await read_deployments(world, app)]
    return [matches[0] for matches in found if len(matches) == 1]


def _matches(deployment: Deployment, name: str) -> list[Startable]:
    known = deployment.workflows
    names = [name] if name in known else [each for each in known if short_name(each) == name]
    return [Startable(each, deployment.app, known[each]) for each in names]


def _only(matches: list[Startable], name: str) -> Startable:
    if len(matches) > 1:
        names = ", ".join(sorted(each.name for each in matches))
        raise WorkflowNotRegisteredError(f"several workflows are called {name!r}; use the full name of one: {names}")
    return matches[0]


def _unknown(url: str, name: str, app: str | None, deployments: Iterable[LiveDeployment]) -> str:
    known = sorted({short_name(workflow) for each in deployments for workflow in each.deployment.workflows})
    whose = f" of application {app!r}" if app is not None else ""
    if not known:
        return f"world {url} knows no workflow{whose} yet, so {name!r} cannot be started; a worker says what it brings"
    return f"no deployment{whose} in world {url} has a workflow {name!r}; known: {', '.join(known)}"
