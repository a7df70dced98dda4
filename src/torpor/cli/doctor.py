"""``torpor doctor``: is everything there that Torpor needs?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from rich.text import Text

from torpor import Torpor
from torpor.app import WORLD_DEFAULT
from torpor.cli import checks
from torpor.cli.checks import Finding
from torpor.cli.loading import NoAppError, default_target, load_app, parse_target
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, show, table
from torpor.cli.reporting import FAILED, command
from torpor.clock import SystemClock
from torpor.errors import TorporError
from torpor.world import World
from torpor.worlds import open_world

_STYLES = {"ok": "green", "note": "yellow", "failed": "bold red"}


@command
async def doctor(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    Check the installation, the application and its world.

    The exit code is 1 when something that is needed is missing.

    Example: torpor doctor --world sqlite:///torpor.db
    """
    findings = {
        "versions": await _finding(checks.versions),
        "platform": await _finding(checks.system),
        "wasm": await _finding(checks.wasm_files),
        "memory": await _finding(checks.memory_backend),
        "boot": await _finding(checks.boot),
    }
    findings |= await _surroundings(app, world)
    healthy = all(finding.status != "failed" for finding in findings.values())
    if json:
        data = {name: {"status": found.status, "text": found.text, **found.facts} for name, found in findings.items()}
        print_json({"ok": healthy, "checks": data})
    else:
        rows = ((name, Text(found.status, _STYLES[found.status]), found.text) for name, found in findings.items())
        show(table("check", "", "", rows=rows))
    if not healthy:
        raise typer.Exit(FAILED)


async def _surroundings(app: str | None, world: str | None) -> dict[str, Finding]:
    """Look at the application, if there is one, at its world, and at the workers in it."""
    findings: dict[str, Finding] = {}
    loaded: list[Torpor] = []

    def application() -> Finding:
        target = default_target() if app is None else parse_target(app)
        if target is None:
            return Finding("note", "there is no app.py in this folder; name one with --app")
        loaded.append(load_app(target))
        return checks.application(loaded[0])

    try:
        findings["application"] = await _finding(application)
    except NoAppError as error:
        findings["application"] = Finding("note", str(error))
    try:
        opened = _world(loaded[0] if loaded else None, world)
    except TorporError as error:
        return findings | {"world": checks.failure(error)}
    try:
        findings["world"] = await _finding(checks.reachable_world, opened)
        if findings["world"].status == "ok":
            findings["workers"] = await _finding(checks.living_workers, opened, SystemClock())
    finally:
        await opened.close()
    return findings


def _world(app: Torpor | None, world: str | None) -> World:
    if world is None and app is not None:
        return app.world
    return open_world(world or WORLD_DEFAULT)


async def _finding(check: Callable[..., Any], *arguments: Any) -> Finding:
    """Carry a check out; what it raises is what it found."""
    try:
        found = check(*arguments)
        finding: Finding = await found if inspect.isawaitable(found) else found
    except NoAppError:
        raise
    except (TorporError, OSError) as error:
        return checks.failure(error)
    return finding
