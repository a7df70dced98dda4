"""
Makes a :class:`~torpor.vm.guest.Program` from a bundle of the TypeScript Workflow SDK.

The bundle is a script that registers workflows in a map of ``globalThis``. Around it stand two modules: one makes,
before it, the globals that it expects (``torpor:sdk``), the other exports, behind it, what it has registered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from torpor.guests.quickjs.modules import SDK, SDK_BEGIN
from torpor.programs.javascript.cleanup import cleanup_blocks
from torpor.vm.guest import Program

_BUNDLE = "./.workflow/bundle.js"
_ENTRY = "./.workflow/workflows.js"


class Bundle(msgspec.Struct, frozen=True):
    """
    What the SDK's compiler has made of a project.

    Attributes:
        version: of the SDK.
        code: the script.
        sources: the files that it was made of, as authors know them.
        lines: for each line of the script the number of its file and the line there, both from 0; None for nobody's.
        workflows, steps: their ids.
        outside: files beside the project that were read, each with what tells whether it has changed.
    """

    version: str
    code: str
    sources: list[str]
    lines: list[tuple[int, int] | None]
    workflows: list[str]
    steps: list[str]
    outside: dict[str, str] = {}


def bundle_program(bundle: Bundle, *, env: Mapping[str, str], steps: Mapping[str, str], build: str) -> Program:
    """
    Return the program of a bundle.

    Args:
        bundle: what was compiled.
        env: all that ``process.env`` has in workflow code.
        steps: signatures of the application's own steps by full name; those whose names stand in the bundle may be
            called.
        build: hash of the guest build.
    """
    # On one line, so that the lines of the bundle keep their numbers.
    code = f'import "{SDK_BEGIN.replace("/.workflow", "")}"; {bundle.code}'
    blocks = cleanup_blocks(code)
    own = {name: signature for name, signature in steps.items() if json.dumps(name) in bundle.code}
    about = {"env": dict(env), "file": _BUNDLE, "places": {"sources": bundle.sources, "lines": bundle.lines}}
    text = json.dumps(json.dumps(about, separators=(",", ":"), sort_keys=True))
    exports = [
        f"export const w{number} = globalThis.__private_workflows.get({json.dumps(name)});\n"
        for number, name in enumerate(bundle.workflows)
    ]
    return Program(
        guest="quickjs",
        build=build,
        files={
            SDK_BEGIN: f'import {{ install }} from "{SDK}";\ninstall(JSON.parse({text}));\n',
            _BUNDLE: code,
            _ENTRY: f'import "{_BUNDLE.replace("/.workflow", "")}";\n{"".join(exports)}',
        },
        entries=[_ENTRY],
        workflows={name: (_ENTRY, f"w{number}") for number, name in enumerate(bundle.workflows)},
        steps={**dict.fromkeys(bundle.steps, ""), **own},
        cleanup={_BUNDLE: blocks} if blocks else {},
    )
