"""The catalogue of an application's programs: made from the workflow files that it names, found by workflow name."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from torpor.codec.types.classes import importable_name
from torpor.errors import ConfigurationError, WorkflowNotRegisteredError
from torpor.programs.languages import LANGUAGES, Built, Functions, Sources, known_suffixes
from torpor.programs.left_out import LeftOut
from torpor.signatures import signature_text
from torpor.vm.guest import Guest, MakeGuest, Program, program_id
from torpor.vm.manifest import StoredBuild

MakeProgram = Callable[[Functions, Callable[[str], str]], Program]
"""Makes a program, given the functions of all steps by full name, and what tells the hash of the build of a guest."""


class Registered(msgspec.Struct, frozen=True):
    """
    A workflow as this application knows it.

    Attributes:
        name: its full name.
        program_id: content address of the program that has it.
        program: that program.
    """

    name: str
    program_id: str
    program: Program


class Programs:
    """
    Programs made from the files that patterns name; read once, when first needed.

    Args:
        root: folder that patterns and module names are relative to.
        step_names: tells the full names of the steps that are registered now.
        workflows, steps: return the functions that are registered now, by full name.
        bundle: third-party packages that workflow code needs.
        allows: tells whether programs may call a step that they do not import, by its full name.
        full: guests that are to be the full ones of their languages, by name.
    """

    def __init__(
        self,
        root: Path,
        step_names: Callable[[], list[str]],
        *,
        workflows: Callable[[], Functions] = dict,
        steps: Callable[[], Functions] = dict,
        bundle: Sequence[str] = (),
        allows: Callable[[str], bool] = lambda _: False,
        full: Collection[str] = (),
    ) -> None:
        self._root = root
        self._step_names = step_names
        self._workflows = workflows
        self._steps = steps
        self._bundle = tuple(bundle)
        self._allows = allows
        self._full = frozenset(full)
        self._patterns: list[str] = []
        self._projects: list[MakeProgram] = []
        self._generation = 0  # grows with every pattern and every workflow function
        self._guests: dict[str, Guest] = {}
        self._programs: list[Program] | None = None
        self._left_out: dict[str, list[LeftOut]] = {}  # by program id
        self._names: dict[str, Registered] = {}
        self._lock = threading.RLock()

    def add(self, patterns: Iterable[str]) -> None:
        """Add glob patterns; the files are read when they are needed."""
        with self._lock:
            self._patterns += patterns
            self.renew()

    def add_project(self, make: MakeProgram) -> None:
        """Add what makes a program of its own, given the functions of all steps and the hash of its guest's build."""
        with self._lock:
            self._projects.append(make)
            self.renew()

    def guest(self, name: str, stored: StoredBuild | None = None) -> Guest:
        """
        Return the guest of that name that is installed, made once; or make one of a stored build.

        Raises:
            ConfigurationError: this installation has no such guest, or cannot drive the build.
        """
        language = LANGUAGES.get(name)
        if language is None:
            raise ConfigurationError(f"guest {name!r} is unknown; this installation has {', '.join(sorted(LANGUAGES))}")
        if stored is not None:
            return language.guest(stored)
        with self._lock:
            if name not in self._guests:
                full = language.full if name in self._full else None
                self._guests[name] = language.guest(None) if full is None else full()
            return self._guests[name]

    def all(self) -> list[Program]:
        """
        Return the programs, one for each guest that has files here.

        Raises:
            ConfigurationError: a pattern finds nothing, or a file cannot become part of a program.
        """
        with self._lock:
            while self._programs is None:
                generation = self._generation
                built = self._build()
                if generation != self._generation:
                    continue  # a module that was imported meanwhile has added patterns or workflows
                self._programs = [each.program for each in built]
                identities = [program_id(program) for program in self._programs]
                self._names = {
                    name: Registered(name, identity, program)
                    for program, identity in zip(self._programs, identities, strict=True)
                    for name in program.workflows
                }
                self._left_out = {identity: each.left_out for identity, each in zip(identities, built, strict=True)}
            return self._programs

    def registered(self) -> list[Registered]:
        """
        Return all workflows.

        Raises:
            ConfigurationError: as :meth:`all`.
        """
        self.all()
        return list(self._names.values())

    def program(self, address: str) -> Program | None:
        """Return the program of a content address, if it is one that was made here last."""
        return next((each.program for each in self._names.values() if each.program_id == address), None)

    def left_out(self, program: str) -> list[LeftOut]:
        """Return what stayed outside of a program, and why, by the program's content address."""
        self.all()
        return self._left_out.get(program, [])

    def renew(self) -> None:
        """Make programs anew when they are next needed, because a function was registered."""
        with self._lock:
            self._generation += 1
            self._programs = None

    @property
    def generation(self) -> int:
        """A number that changes when programs may have changed."""
        return self._generation

    def files(self) -> list[Path]:
        """
        Return the files that the patterns name, sorted.

        Raises:
            ConfigurationError: a pattern finds nothing, or a file of a language that is not known.
        """
        found: set[Path] = set()
        for pattern in self._patterns:
            matches = [path for part in _alternatives(pattern) for path in self._root.glob(part) if path.is_file()]
            if not matches:
                raise ConfigurationError(f"workflows({pattern!r}) finds no file below {self._root}; mend the pattern")
            found.update(matches)
        return sorted(found)

    def resolve(self, workflow: str) -> Registered:
        """
        Return what is known of a workflow.

        Args:
            workflow: the full name, or the part after the last ``//`` when only one workflow has it.

        Raises:
            WorkflowNotRegisteredError: none or several have that name; the message lists them.
        """
        self.all()
        if workflow in self._names:
            return self._names[workflow]
        matches = [name for name in self._names if short_name(name) == workflow]
        if len(matches) == 1:
            return self._names[matches[0]]
        if matches:
            raise WorkflowNotRegisteredError(
                f"several workflows are called {workflow!r}; use the full name of one: {', '.join(sorted(matches))}"
            )
        known = ", ".join(sorted(short_name(name) for name in self._names)) or "none"
        raise WorkflowNotRegisteredError(
            f"no workflow is called {workflow!r}; known here: {known}. "
            f"In Python decorate it with @app.workflow and import its module; in JavaScript add its file with "
            f'app.workflows(...), and begin the exported function with "use workflow"'
        )

    def _build(self) -> list[Built]:
        files = self.files()
        unknown = [path for path in files if not any(path.suffix in each.suffixes for each in LANGUAGES.values())]
        if unknown:
            raise ConfigurationError(f"{unknown[0]} is no workflow file; files may end in {known_suffixes()}")
        built = []
        for name, language in LANGUAGES.items():
            own = [path for path in files if path.suffix in language.suffixes]
            sources = Sources(
                self._root,
                own,
                self._steps_of,
                self._load_workflows,
                self._workflows,
                self._steps,
                self._bundle,
                name in self._full,
            )
            made = language.build(sources, partial(self._build_hash, name))
            if made is not None:
                built.append(made)
        built += [Built(make(self._steps(), self._build_hash)) for make in self._projects]
        return [msgspec.structs.replace(made, program=self._with_allowed(made.program)) for made in built]

    def _with_allowed(self, program: Program) -> Program:
        """Return a program that names what is allowed, so that it is on workers of other versions, too."""
        allowed = {name: signature_text(step) for name, step in self._steps().items() if self._allows(name)}
        return msgspec.structs.replace(program, steps={**(program.steps or {}), **allowed})

    def _build_hash(self, guest: str) -> str:
        return self.guest(guest).build

    def _load_workflows(self, path: Path) -> None:
        """Import a ``.py`` file that a pattern names, if nobody has yet."""
        prefix = f"workflow//{module_name(path, self._root)}//"
        if not any(name.startswith(prefix) for name in self._workflows()):
            self._import(path)
        if not any(name.startswith(prefix) for name in self._workflows()):
            raise ConfigurationError(
                f"{path} defines no workflow; decorate an `async def` in it with @app.workflow, or leave it out of "
                f"app.workflows(...); if it has a registry of its own, include that: app.include(registry)"
            )

    def _steps_of(self, path: Path) -> list[str]:
        """Return the names of the steps that a ``.py`` file defines, importing it if nobody has yet."""
        prefix = f"step//{module_name(path, self._root)}//"
        if not (found := self._registered(prefix)):
            self._import(path)
            found = self._registered(prefix)
        if not found:
            raise ConfigurationError(
                f"{path} defines no step; decorate its functions with @app.step; if it has a registry of its own, "
                f"include that: app.include(registry)"
            )
        return found

    def _registered(self, prefix: str) -> list[str]:
        return [name.removeprefix(prefix) for name in self._step_names() if name.startswith(prefix)]

    def _import(self, path: Path) -> None:
        if not path.is_file():
            raise ConfigurationError(f"{path} does not exist, but a workflow imports steps from it")
        alias_main()
        folder = str(self._root)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        if not path.is_relative_to(self._root):
            raise ConfigurationError(
                f"{path} is not below {self._root}; import it before the workflows are read, or set root= of the "
                f"application to a folder that holds both"
            )
        name = ".".join(path.relative_to(self._root).with_suffix("").parts)
        taken = getattr(sys.modules.get(name), "__file__", None)
        if taken is not None and Path(taken).resolve() != path.resolve():
            raise ConfigurationError(
                f"{path} cannot be imported as {name!r}: {taken} has that name in this process; rename one of them"
            )
        try:
            importlib.import_module(name)
        except Exception as error:
            raise ConfigurationError(
                f"{path}, which has workflows or their steps, cannot be imported: {type(error).__name__}: {error}"
            ) from error


def guests() -> MakeGuest:
    """Return what makes the guest of a name, for whoever has a world but no application; see :meth:`Programs.guest`."""
    return Programs(Path.cwd(), list).guest


def module_name(path: Path, root: Path) -> str:
    """Return the name of a file inside programs and full names, such as ``./flows/checkout.js``, from the root."""
    text = Path(os.path.relpath(path.resolve(), root)).as_posix()
    return text if text.startswith("../") else f"./{text}"


def short_name(workflow: str) -> str:
    """Return the last part of a full workflow or step name: ``checkout`` of ``workflow//./flows/c.js//checkout``."""
    return workflow.rpartition("//")[2]


def alias_main() -> None:
    """
    Let ``import app`` mean the running script when that script is ``app.py``, or ``python -m app``.

    Without it, a step file that says ``from app import app`` would run the script a second time and register its
    steps with another application.
    """
    name = importable_name("__main__")
    if name != "__main__":
        sys.modules.setdefault(name, sys.modules["__main__"])


def _alternatives(pattern: str) -> list[str]:
    """Return the patterns that ``{a,b}`` in one stands for, which pathlib does not know."""
    group = re.search(r"\{([^{}]*)\}", pattern)
    if group is None:
        return [pattern]
    before, after = pattern[: group.start()], pattern[group.end() :]
    return [found for choice in group[1].split(",") for found in _alternatives(before + choice + after)]
