"""
A Python program from a text. The text is not even parsed here: only the guest compiles it, and tells what is wrong.

Which functions are workflows is told by lines that begin with ``async def``; that of a name that is none after all, as
in a string of several lines, is dropped by the lines that are added behind the text.
"""

from __future__ import annotations

import json
import re
from typing import Final

from torpor.errors import ConfigurationError
from torpor.programs.given import FOLDER, STEPS, Text, checked_source, importable, known
from torpor.programs.python.pydantic import pydantic_package
from torpor.vm.guest import Program

FILE: Final = f"{FOLDER}/main.py"
_WORKFLOWS: Final = re.compile(r"^async[ \t]+def[ \t]+([A-Za-z]\w*)[ \t]*\(", re.MULTILINE | re.ASCII)
_PYDANTIC: Final = re.compile(r"^[ \t]*(?:from|import)[ \t]+pydantic\b", re.MULTILINE)
_MARK: Final = """
for _name in {names}:
    if callable(globals().get(_name)):
        globals()[_name] = __torpor_workflow__(f"workflow//{file}//{{_name}}")(globals()[_name])
    else:
        globals()[_name] = lambda *_args, **_kwargs: None
"""

_UNKNOWN: Final = """
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise ImportError(f"steps has no step {{name!r}} (steps: {known})", name=__name__)
"""


def program_from(text: Text) -> Program:
    """
    Return the program of a text.

    Raises:
        ConfigurationError: it is none, or defines no workflow of the name that is asked for.
    """
    source = checked_source(text.source)
    names = sorted(set(_WORKFLOWS.findall(source)))
    if text.workflow not in names:
        have = ", ".join(names) or "none"
        raise ConfigurationError(
            f"the program has no workflow {text.workflow!r} (it has: {have}); write `async def {text.workflow}(…):` at "
            f"the beginning of a line"
        )
    steps = f"{FOLDER}/{STEPS}.py"
    marks = _MARK.format(names=json.dumps(names), file=FILE)
    files = {FILE: f"{source}\n{marks}", steps: _proxies(importable(text.steps))}
    modules = {"main": FILE, STEPS: steps}
    if _PYDANTIC.search(source):
        ported = pydantic_package()
        files |= ported.files
        modules |= ported.modules
    return Program(
        guest="cpython",
        build=text.build,
        files=files,
        entries=["main"],
        workflows={f"workflow//{FILE}//{name}": ("main", name) for name in names},
        modules=modules,
        steps=dict(text.steps),
    )


def _proxies(steps: dict[str, str]) -> str:
    marked = [
        f"@__torpor_step__({json.dumps(full)})\nasync def {name}(*args, **kwargs): ...\n"
        for name, full in steps.items()
    ]
    return "".join([*marked, _UNKNOWN.format(known=known(steps))])
