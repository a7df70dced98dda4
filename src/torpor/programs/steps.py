"""Which steps a program may call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from torpor.vm.guest import Program

# Programs of version 0.1.0 have no list of them; what asks for a step stands in their texts.
_JAVASCRIPT: Final = re.compile(r'\bstepsOf\(("[^"\n]*"), (\[[^\]\n]*\])\);')
_PYTHON: Final = re.compile(r'__torpor_step__\(("[^"\n]*")\)')


def steps_of(program: Program) -> Mapping[str, str]:
    """Return the full names of the steps that a program may call, each with the signature that it knows, or none."""
    return dict.fromkeys(_found(program), "") if program.steps is None else program.steps


def _found(program: Program) -> Iterator[str]:
    for text in program.files.values():
        for path, names in _JAVASCRIPT.findall(text):
            yield from (f"step//{json.loads(path)}//{name}" for name in json.loads(names))
        for name in _PYTHON.findall(text):
            yield json.loads(name)
