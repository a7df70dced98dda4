"""``torpor program``: what the application's workflows became."""

from __future__ import annotations

from typing import Any

import msgspec

from torpor import Torpor
from torpor.cli.opening import app_on
from torpor.cli.options import AppArgument, JsonOption
from torpor.cli.output import line, print_json, say, show_table
from torpor.cli.reporting import command
from torpor.inspection.timestamps import bytes_text
from torpor.programs.catalogue import short_name
from torpor.vm.guest import Program, program_id


@command
def show_programs(app: AppArgument = None, json: JsonOption = False) -> None:
    """
    Show what is in each program of an application.

    Workflows, files, steps, content address, what was left out and why, and whether runs share an image or which line
    prevents it.

    Example: torpor program show app.py
    """
    application = app_on(app, None)
    programs = [_program_data(application, each) for each in application.programs.all()]
    if json:
        print_json({"programs": programs})
        return
    if not programs:
        say("the application has no workflows; decorate them, or add their files with app.workflows(...)", err=True)
    for data in programs:
        _show(data)


def _program_data(app: Torpor, made: Program) -> dict[str, Any]:
    image = app.programs.guest(made.guest).load(made)
    identity = program_id(made)
    entries = {made.modules.get(name, name) for name in made.entries}
    return {
        "id": identity,
        "guest": made.guest,
        "build": made.build,
        "image": image.hash,
        "per_run": image.per_run,
        "workflows": [
            {"name": short_name(name), "workflow": name, "file": made.modules.get(module, module), "export": export}
            for name, (module, export) in sorted(made.workflows.items())
        ],
        "files": [
            {"name": name, "bytes": len(text.encode()), "entry": name in entries, "steps": _steps(app, name)}
            for name, text in sorted(made.files.items())
        ],
        "left_out": [msgspec.structs.asdict(each) for each in app.programs.left_out(identity)],
    }


def _steps(app: Torpor, file: str) -> list[str]:
    prefix = f"step//{file}//"
    return sorted(name.removeprefix(prefix) for name in app.step_names() if name.startswith(prefix))


def _show(data: dict[str, Any]) -> None:
    say(("program ", "bold"), data["id"])
    say(("  guest      ", "dim"), f"{data['guest']}, build {data['build']}")
    image = f"shared by all runs, {data['image']}"
    if data["per_run"] is not None:
        image = (
            f"none is shared: module scope reads the clock or draws entropy at {data['per_run']}, "
            f"so every run evaluates the program anew"
        )
    say(("  image      ", "dim"), (image, "yellow" if data["per_run"] else ""))
    for workflow in data["workflows"]:
        say(("  workflow   ", "dim"), (workflow["name"], "bold"), f"  {workflow['workflow']}")
    rows = [
        (line("  ", file["name"]), bytes_text(file["bytes"]), ", ".join(f"step {step}" for step in file["steps"]))
        for file in data["files"]
    ]
    show_table("  file", "size", "", rows=rows, right=frozenset({"size"}))
    if data["left_out"]:
        say()
        rows = [(line("  ", each["where"]), each["what"], each["why"]) for each in data["left_out"]]
        show_table("  left out at", "what", "why", rows=rows)
    say()
