"""A JavaScript or TypeScript program from a text: read as workflow files are, but no file is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from torpor.errors import ConfigurationError
from torpor.programs.given import FOLDER, STEPS, Text, checked_source, importable, known
from torpor.programs.javascript.builder import rewritten_alone
from torpor.programs.javascript.cleanup import cleanup_blocks
from torpor.programs.javascript.resolution import BUILTIN
from torpor.programs.javascript.syntax import ModuleSyntax, read_module
from torpor.programs.javascript.typescript import strip_types
from torpor.vm.guest import Program

FILE: Final = f"{FOLDER}/main.js"
_STEPS_FILE: Final = f"{FOLDER}/{STEPS}.py"  # as the guest lets only files of steps have proxies


def program_from(text: Text, *, typescript: bool = False) -> Program:
    """
    Return the program of a text.

    Args:
        text: the text.
        typescript: whether it has types.

    Raises:
        ConfigurationError: it is none, imports what it may not, or exports no workflow of the name that is asked for.
    """
    source, steps = checked_source(text.source), importable(text.steps)
    try:
        plain = strip_types("main.ts", source) if typescript else source
        syntax = read_module(plain)
        cleanup = cleanup_blocks(plain)
    except RecursionError:
        raise ConfigurationError("the program is nested too deeply to be read") from None
    for misuse in syntax.misuses:
        raise ConfigurationError(f"main.js:{misuse.line}: {misuse.message}")
    _check_imports(syntax, steps)
    if text.workflow not in syntax.workflows:
        have = ", ".join(sorted(syntax.workflows)) or "none"
        raise ConfigurationError(
            f"the program has no workflow {text.workflow!r} (it has: {have}); write "
            f'`export async function {text.workflow}(…) {{ "use workflow"; … }}`'
        )
    return Program(
        guest="quickjs",
        build=text.build,
        files={FILE: rewritten_alone(FILE, plain, syntax, {STEPS: _STEPS_FILE}), _STEPS_FILE: _proxies(steps)},
        entries=[FILE],
        workflows={f"workflow//{FILE}//{name}": (FILE, name) for name in syntax.workflows},
        steps=dict(text.steps),
        cleanup={FILE: cleanup} if cleanup else {},
    )


def _check_imports(syntax: ModuleSyntax, steps: Mapping[str, str]) -> None:
    for found in syntax.imports:
        place = f"main.js:{found.line}"
        if found.specifier not in (BUILTIN, STEPS):
            raise ConfigurationError(
                f"{place}: cannot import {found.specifier!r}: a program that comes as text may import {BUILTIN!r} and "
                f"{STEPS!r}"
            )
        unknown = [name for name in found.names if found.specifier == STEPS and name not in steps]
        if unknown:
            raise ConfigurationError(f"{place}: {STEPS!r} has no step {unknown[0]!r} (steps: {known(steps)})")


def _proxies(steps: Mapping[str, str]) -> str:
    lines = ['import { stepsOf } from "torpor:steps";\n']
    for n, full in enumerate(steps.values()):
        path, _, name = full.removeprefix("step//").rpartition("//")
        lines.append(f"const [step{n}] = stepsOf({json.dumps(path)}, [{json.dumps(name)}]);\n")
    exported = ", ".join(f"step{n} as {json.dumps(name)}" for n, name in enumerate(steps))
    return "".join([*lines, f"export {{ {exported} }};\n"])
