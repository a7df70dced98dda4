"""``torpor doctor``: is everything there that Torpor needs?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import typer
from rich.text import Text

from torpor import Torpor
from torpor.cli import checks
from torpor.cli.checks import Finding
from torpor.cli.loading import NoAppError, default_target, load_app, parse_target
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, show_table
from torpor.cli.reporting import FAILED, command
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring
from torpor.errors import TorporError
from torpor.inspection.reading import Reader
from torpor.worlds import WORLD_DEFAULT, open_world

_STYLES = {"ok": "green", "note": "yellow", "failed": "bold red"}


@command
def doctor(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    Check the installation, the application and its world.

    The exit code is 1 when something that is needed is missing.

    Example: torpor doctor --world sqlite:///torpor.db
    """
    findings = {
        "versions": _finding(checks.versions),
        "platform": _finding(checks.system),
        "wasm": _finding(checks.wasm_files),
        "memory": _finding(checks.memory_backend),
        "descriptors": _finding(checks.descriptors),
        "cache": _finding(checks.compiled_code),
        "boot": _finding(checks.boot),
        "python": _finding(checks.python_guest),
    }
    findings["application"], loaded = _application(app)
    if loaded is not None and findings["application"].status != "failed":
        findings["images"] = _finding(partial(checks.shared_images, loaded))
    findings["encryption"], keyring = _encryption(loaded)
    findings |= _world_findings(loaded, world, keyring)
    healthy = all(finding.status != "failed" for finding in findings.values())
    if json:
        data = {name: {"status": found.status, "text": found.text, **found.facts} for name, found in findings.items()}
        print_json({"ok": healthy, "checks": data})
    else:
        rows = ((name, Text(found.status, _STYLES[found.status]), found.text) for name, found in findings.items())
        show_table("check", "", "", rows=rows)
    if not healthy:
        raise typer.Exit(FAILED)


def _application(app: str | None) -> tuple[Finding, Torpor | None]:
    """Look at the application, if there is one."""
    try:
        target = default_target() if app is None else parse_target(app)
        if target is None:
            return Finding("note", "there is no app.py in this folder; name one with --app or TORPOR_APP"), None
        loaded = load_app(target)
    except NoAppError as error:
        return (Finding("note", str(error)) if target is not None and target.is_guess else checks.failure(error)), None
    except TorporError as error:
        return checks.failure(error), None
    return _finding(lambda: checks.application(loaded)), loaded


def _encryption(app: Torpor | None) -> tuple[Finding, Keyring]:
    """Look at the keys of the application, else of the environment."""
    try:
        keyring = app.keyring if app is not None else Keyring.from_environment()
    except TorporError as error:
        return checks.failure(error), Keyring()
    return checks.encryption(keyring), keyring


def _world_findings(app: Torpor | None, url: str | None, keyring: Keyring) -> dict[str, Finding]:
    """Look at the world that commands would work on, and at the workers in it."""
    try:
        world = app.world if url is None and app is not None else open_world(url or WORLD_DEFAULT)
    except TorporError as error:
        return {"world": checks.failure(error)}
    found: dict[str, Finding] = {}

    async def look() -> None:
        try:
            found["world"] = await checks.reachable_world(world)
            if found["world"].status == "ok":
                found.update(await checks.place_of(world))
                found["keys"] = await checks.readable_runs(world, keyring)
                found["builds"] = await checks.kept_builds(world)
                found["rows"] = await checks.sound_rows(world, keyring)
                reader = Reader(Client(world, keyring))
                found["workers"] = await checks.working(reader)
                found["applications"] = await checks.served_runs(reader)
                found["steps"] = await checks.met_steps(reader)
        finally:
            await world.close()

    try:
        asyncio.run(look())
    except (TorporError, OSError) as error:
        found["world" if "world" not in found else "workers"] = checks.failure(error)
    return found


def _finding(check: Callable[[], Finding]) -> Finding:
    """Carry a check out; what it raises is what it found."""
    try:
        return check()
    except (TorporError, OSError) as error:
        return checks.failure(error)
