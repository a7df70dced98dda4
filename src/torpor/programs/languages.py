"""
The guest languages: how each makes its guest, and a program from an application's sources.

A language is one entry of :data:`LANGUAGES`: nothing else asks which guest a file or a run belongs to.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from torpor.codec.types.classes import importable_name
from torpor.programs.given import Text
from torpor.programs.left_out import LeftOut
from torpor.signatures import signature_text
from torpor.vm.guest import Guest, Program
from torpor.vm.manifest import StoredBuild

if TYPE_CHECKING:  # needed by applications with Python workflows only
    from torpor.programs.python import Definition

Functions = Mapping[str, Callable[..., Any]]


class Sources(msgspec.Struct, frozen=True):
    """
    What the programs of an application are made from.

    Attributes:
        root: folder that names of files are relative to.
        files: workflow files of the language.
        steps_of: returns the names of the steps that a ``.py`` file defines.
        load: imports a ``.py`` file, so that it registers its workflows.
        workflows, steps: return the functions that are registered now, by full name.
        bundle: third-party packages that workflow code needs.
        full: whether the guest is the full one of its language.
    """

    root: Path
    files: Sequence[Path]
    steps_of: Callable[[Path], Sequence[str]]
    load: Callable[[Path], None]
    workflows: Callable[[], Functions]
    steps: Callable[[], Functions]
    bundle: Sequence[str]
    full: bool = False


class Built(msgspec.Struct, frozen=True):
    """A program, and what its builder left out of it."""

    program: Program
    left_out: list[LeftOut] = []


class Language(msgspec.Struct, frozen=True):
    """
    A guest language.

    Attributes:
        suffixes: endings of its workflow files.
        guest: makes the guest that is installed, or one of a stored build.
        full: makes the guest with all that there is for it, where that is another one.
        build: makes a program from the sources, None if they have nothing for it; given what makes the guest and tells
            the hash of its build.
        signature: returns the text of what a workflow of a program takes, by its full name; ``""`` where only the
            application's own function tells.
        passes_by_name: whether its workflows can pass arguments to steps by name.
    """

    suffixes: tuple[str, ...]
    guest: Callable[[StoredBuild | None], Guest]
    build: Callable[[Sources, Callable[[], str]], Built | None]
    signature: Callable[[Program, str], str] = lambda _program, _workflow: ""
    full: Callable[[], Guest] | None = None
    passes_by_name: bool = True


def _quickjs(stored: StoredBuild | None) -> Guest:
    # Imported late, because a client that only asks about runs needs no WebAssembly.
    from torpor.guests.quickjs import QuickJS  # noqa: PLC0415  # as said

    return QuickJS(stored=stored)


def _javascript(sources: Sources, build: Callable[[], str]) -> Built | None:
    if not sources.files:
        return None
    from torpor.programs.javascript.builder import build_program  # noqa: PLC0415  # as above

    made = build_program(
        sources.root,
        sources.files,
        steps_of=sources.steps_of,
        signature_of=lambda name: signature_text(sources.steps()[name]),
        build=build(),
    )
    return Built(made)


def _javascript_signature(program: Program, workflow: str) -> str:
    from torpor.programs.javascript import workflow_signature  # noqa: PLC0415  # as above

    return workflow_signature(program, workflow)


def _javascript_given(text: Text) -> Program:
    from torpor.programs.javascript.given import program_from  # noqa: PLC0415  # as above

    return program_from(text)


def _typescript_given(text: Text) -> Program:
    from torpor.programs.javascript.given import program_from  # noqa: PLC0415  # as above

    return program_from(text, typescript=True)


def _python_given(text: Text) -> Program:
    from torpor.programs.python.given import program_from  # noqa: PLC0415  # as above

    return program_from(text)


def _cpython(stored: StoredBuild | None) -> Guest:
    from torpor.guests.cpython import CPython  # noqa: PLC0415  # as above

    return CPython(stored=stored)


def _full_cpython() -> Guest:
    from torpor.guests.cpython import CPython  # noqa: PLC0415  # as above, and its package is an extra

    return CPython(full=True)


def _python(sources: Sources, build: Callable[[], str]) -> Built | None:
    for file in sources.files:
        sources.load(file)
    functions = sources.workflows()
    if not functions:
        return None
    from torpor.programs.python import build_bundle, carried_packages  # noqa: PLC0415  # as above

    made = build_bundle(
        sources.root,
        _definitions(functions),
        _definitions(sources.steps()),
        bundle=sources.bundle,
        carried=carried_packages(full=sources.full),
        build=build(),
    )
    return Built(made.program, made.left_out)


def _definitions(functions: Functions) -> list[Definition]:
    """Return where functions are defined, of those that are functions in files."""
    from torpor.programs.python import Definition  # noqa: PLC0415  # as above

    found = []
    for name, function in functions.items():
        plain = inspect.unwrap(function)
        file = inspect.getsourcefile(plain) if inspect.isfunction(plain) else None
        if file is not None:
            module = importable_name(plain.__module__)
            path = Path(file).resolve()
            found.append(Definition(name, module, plain.__qualname__, path, signature_text(function)))
    return found


LANGUAGES: dict[str, Language] = {
    "quickjs": Language(
        (".js", ".mjs", ".ts", ".mts"), _quickjs, _javascript, _javascript_signature, passes_by_name=False
    ),
    "cpython": Language((".py",), _cpython, _python, full=_full_cpython),
}


GIVEN: dict[str, tuple[str, Callable[[Text], Program]]] = {
    "python": ("cpython", _python_given),
    "javascript": ("quickjs", _javascript_given),
    "typescript": ("quickjs", _typescript_given),
}
"""What people call the languages of programs that come as text: the guest, and what makes a program of one."""


def known_suffixes() -> str:
    """Return the endings of workflow files, for messages."""
    return ", ".join(suffix for language in LANGUAGES.values() for suffix in language.suffixes)
