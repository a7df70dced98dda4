"""Which statements of which modules workflow code reaches."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from torpor.errors import ConfigurationError
from torpor.programs.left_out import LeftOut
from torpor.programs.python.carried import SLIM
from torpor.programs.python.finding import Absent, Finder, Namespace, Ported, Source
from torpor.programs.python.module import Module, Statement, absolute, definitions, read_module
from torpor.programs.python.pydantic import Package, pydantic_package
from torpor.programs.python.report import Missed, in_order, statement_left_out
from torpor.programs.python.scopes import Chain, Import, bound_names
from torpor.programs.python.text import program_text, steps_in
from torpor.programs.python.versions import distributions_asked_for, version_attribute
from torpor.programs.python.whole import imports_in, versions_in
from torpor.vm.guest import Program, Version

_SEES_ALL: Final = {"globals", "eval", "exec"}
"""Built-in functions whose callers may reach any name of their module."""


_TESTS: Final = {"_test", "_tests", "conftest", "test", "tests"}
"""Parts of bundled packages that go in only if something imports them."""

_ALL_MODULES: Final = ("sys", "modules")
"""Code takes its own module from there, to reach names in it that only a run would tell."""


class Definition(msgspec.Struct, frozen=True):
    """
    A function that is registered as a workflow or as a step.

    Attributes:
        name: full name, ``workflow//./flows/app.py//checkout``.
        module: the name under which its module is imported.
        qualname: its qualified name there.
        path: the file that defines it.
        signature: text of what it takes, see :mod:`torpor.signatures`.
    """

    name: str
    module: str
    qualname: str
    path: Path
    signature: str = ""


class Bundle(msgspec.Struct, frozen=True):
    """
    A program, and what stayed outside of it.

    Attributes:
        program: the program.
        left_out: what the modules in it have or import that did not go in, by file and line.
    """

    program: Program
    left_out: list[LeftOut]


def build_bundle(
    root: Path,
    workflows: Sequence[Definition],
    steps: Sequence[Definition],
    *,
    bundle: Sequence[str] = (),
    carried: Collection[str] = SLIM,
    build: str,
) -> Bundle:
    """
    Return the program of all workflows of an application.

    Args:
        root: the application's root folder.
        workflows: its workflows.
        steps: its steps; those in reach become proxies, the others stay outside.
        bundle: third-party packages whose whole source goes in.
        carried: third-party packages that the guest has, by the names that are imported.
        build: hash of the guest build.

    Raises:
        ConfigurationError: a file that cannot be read or parsed, a workflow that its file does not define, a package
            that cannot be bundled; the message names the file.
    """
    finder = Finder(root.resolve(), bundle, carried, {each.module: each.path for each in workflows})
    for package in bundle:
        finder.bundled(package)  # a name that is wrong is told even if nothing imports it
    builder = _Builder(finder, bundle)
    builder.register(workflows, steps)
    for workflow in workflows:
        builder.reach_workflow(workflow)
    return builder.bundle(workflows, {each.name: each.signature for each in steps}, build)


class _Builder:
    def __init__(self, finder: Finder, bundled: Sequence[str]) -> None:
        self._finder = finder
        self._bundled = frozenset(bundled)
        self._whole: set[str] = set()  # bundled packages that are in reach
        self._modules: dict[str, Module] = {}  # by label
        self._names: dict[str, str] = {}  # dotted name → label
        self._steps: dict[str, dict[str, str]] = {}  # label → qualified name → full name
        self._workflows: dict[str, dict[str, str]] = {}
        self._looked_at: dict[str, Module] = {}  # by label, whether they go in or not
        self._reached: set[tuple[str, str]] = set()  # labels and names
        self._waiting: dict[tuple[str, str], list[tuple[Module, Statement]]] = {}  # for names of other modules
        self._todo: deque[tuple[Module, Statement]] = deque()  # kept, and not yet followed
        self._whole_todo: deque[Module] = deque()  # modules of bundled packages that are not yet followed
        self._followed: set[tuple[str, Chain]] = set()
        self._absent: dict[str, Missed] = {}
        self._versions: dict[str, Version] = {}
        self._distributions: dict[str, str] = {}
        self._ported = Package({}, {})
        self._unreadable: list[LeftOut] = []

    def register(self, workflows: Sequence[Definition], steps: Sequence[Definition]) -> None:
        for registered, table in ((workflows, self._workflows), (steps, self._steps)):
            for each in registered:
                table.setdefault(self._finder.label(each.path), {})[each.qualname] = each.name

    def reach_workflow(self, workflow: Definition) -> None:
        module = self._need(workflow.module)
        if module is None or workflow.qualname not in dict(definitions(module.tree.body)):
            raise ConfigurationError(
                f"{self._finder.label(workflow.path)} does not define {workflow.qualname}, which is registered as "
                f"{workflow.name}; define workflows with `async def` at module level"
            )
        self._reach_chain(module, (workflow.qualname,))
        while self._todo or self._whole_todo:
            if self._todo:
                self._follow_statement(*self._todo.popleft())
            else:
                self._follow_whole(self._whole_todo.popleft())

    # Modules

    def _need(self, name: str) -> Module | None:
        """Put a module into the program, with the packages around it; nothing of it is reached yet."""
        above = name.rpartition(".")[0]
        if above:
            self._need(above)
        origin = self._finder.find(name)
        if isinstance(origin, Ported):
            self._ported = pydantic_package()
        if not isinstance(origin, Source):
            return None
        if origin.label not in self._modules:
            self._add(origin)
        self._names[name] = origin.label
        return self._modules[origin.label]

    def _add(self, source: Source) -> None:
        label = source.label
        module = read_module(source, self._steps.get(label, {}), self._workflows.get(label, {}))
        self._modules[label] = module
        self._distributions |= distributions_asked_for(module.text, module.tree, source.name.partition(".")[0])
        if source.whole:
            self._whole_todo.append(module)
            package = self._finder.bundle_of(source.name)
            if package not in self._whole:
                self._whole.add(package)
                self._add_rest(package)

    def _add_rest(self, package: str) -> None:
        """Take the modules of a bundled package that nothing may import by a name that can be read."""
        for source in self._finder.bundled(package):
            if not _TESTS.isdisjoint(source.name.split(".")):  # they are large, and nothing imports them
                continue
            try:
                self._need(source.name)
            except ConfigurationError as error:  # templates, and tests of newer Pythons, are no use to anybody here
                self._unreadable.append(LeftOut(source.name, source.label, str(error)))

    def _load(self, module: Module, found: Import) -> None:
        """Put in what an import statement needs in order to run."""
        name = absolute(module, found.module)
        if name is None:
            return
        target = self._need(name)
        if found.name == "*" and target is not None:
            self._reach_whole(target)
        elif found.name is not None:
            self._reach_attribute(name, found.name, None)
        for each in (name, f"{name}.{found.name}" if found.name else name):
            origin = self._finder.find(each)
            if isinstance(origin, Absent):
                missed = self._absent.setdefault(origin.name, Missed(origin.reason))
                missed.places.append(f"{module.source.label}:{found.line}")
                missed.needed |= not found.optional
                break

    def _look_at(self, source: Source) -> Module:
        """Return a module to learn from, which stays outside if nothing else takes it."""
        if source.label not in self._looked_at:
            self._looked_at[source.label] = read_module(source, {}, {})
        return self._looked_at[source.label]

    # Names

    def _reach_chain(self, module: Module, chain: Chain) -> None:
        """Take what a chain means in a module."""
        if (module.source.label, chain) in self._followed:
            return
        self._followed.add((module.source.label, chain))
        name = chain[0]
        self._reach_name(module, name)
        for found in module.bindings.get(name, ()):
            self._follow(module, found, chain[1:])
        if (name in _SEES_ALL and name not in module.definers) or chain[:2] == _ALL_MODULES:
            self._reach_whole(module)

    def _reach_name(self, module: Module, name: str) -> None:
        """Take the statements that define a name or act on it."""
        self._touch(module)
        for statement in module.definers.get(name, ()):
            if name in bound_names([statement.node]) or not self._names_application(module, name, frozenset()):
                self._keep(module, statement)
        self._reached.add((module.source.label, name))
        for waiting in self._waiting.pop((module.source.label, name), ()):
            self._keep(*waiting)

    def _touch(self, module: Module) -> None:
        """Take what goes in as soon as anything of a module does."""
        if module.touched or module.source.whole:
            return
        module.touched = True
        for statement in module.statements:
            if isinstance(statement.node, ast.ClassDef):  # instances may arrive as values
                self._reach_chain(module, (statement.node.name,))
            elif statement.always:
                self._keep(module, statement)
            elif module.is_for_effect(statement):
                self._run(module, statement)
            for place in self._changed_elsewhere(module, statement):
                if place in self._reached:
                    self._keep(module, statement)
                else:
                    self._waiting.setdefault(place, []).append((module, statement))

    def _run(self, module: Module, statement: Statement) -> None:
        """Take an import that stands there for what the module does when it is loaded: nothing else can mean it."""
        for found in statement.reads.imports:
            name = absolute(module, found.module)
            if name is None:
                continue
            full = f"{name}.{found.name}" if found.name else name
            if isinstance(self._finder.find(full), Source) and (target := self._need(full)) is not None:
                self._keep(module, statement)
                self._touch(target)

    def _changed_elsewhere(self, module: Module, statement: Statement) -> Iterator[tuple[str, str]]:
        """Yield the names of other modules that a statement changes when it is run, each with its module's label."""
        for chain in sorted(statement.calls):
            for found in module.bindings.get(chain[0], ()):
                origin, names = self._defining(module, found, chain[1:])
                if origin is None or origin.whole or origin.label == module.source.label:
                    continue
                there = self._look_at(origin)
                changed = {names[0]} if len(names) > 1 else there.effects.get(names[0], frozenset())
                for each in sorted(changed):
                    if not self._names_application(there, each, frozenset()):
                        yield origin.label, each

    def _keep(self, module: Module, statement: Statement) -> None:
        if statement.kept or self._why_never(module, statement):
            return
        statement.kept = True
        self._todo.append((module, statement))

    def _follow_whole(self, module: Module) -> None:
        """Take what a module of a bundled package imports."""
        imports = imports_in(module.text, module.tree)
        for found in imports:
            self._load(module, found)
            self._follow(module, found, ())
        for chain in sorted(versions_in(module.text, module.tree)):
            for found in imports:
                if found.bound == chain[0]:
                    self._follow(module, found, chain[1:])

    def _follow_statement(self, module: Module, statement: Statement) -> None:
        for found in statement.reads.imports:
            self._load(module, found)
        for chain in sorted(statement.reads.chains):
            self._reach_chain(module, chain)
        for found, rest in sorted(statement.reads.inner, key=repr):
            self._follow(module, found, rest)

    def _why_never(self, module: Module, statement: Statement) -> str:
        if statement.never:
            return statement.never
        if isinstance(statement.node, ast.Expr) and any(
            self._names_application(module, name, frozenset()) for name in statement.defines
        ):
            return "it sets up the application, which is outside"
        return ""

    def _names_application(self, module: Module, name: str, seen: frozenset[tuple[str, str]]) -> bool:
        """Tell whether a name is an application or a registry, here or in the module that it is imported from."""
        if name in module.applications:
            return True
        for found in module.bindings.get(name, ()):
            target = absolute(module, found.module)
            origin = self._finder.find(target) if target is not None else None
            if not isinstance(origin, Source) or found.name is None or (origin.label, found.name) in seen:
                continue
            there = self._look_at(origin)
            if self._names_application(there, found.name, seen | {(origin.label, found.name)}):
                return True
        return False

    def _follow(self, module: Module, found: Import, rest: Chain) -> None:
        """Take what an imported name leads to, and the names that are taken from it."""
        if found.name is None:
            name = absolute(module, found.means)
            if name is not None:
                self._reach_module(name, rest)
        elif found.name != "*":
            name = absolute(module, found.module)
            if name is not None:
                self._reach_attribute(name, found.name, rest)

    def _reach_module(self, name: str, rest: Chain | None) -> None:
        """Take a module of which *rest* is used: None for nothing yet, empty for the module itself as a value."""
        module = self._need(name)
        if rest:
            self._reach_attribute(name, rest[0], rest[1:])
        elif module is not None and rest is not None:
            self._reach_whole(module)

    def _reach_attribute(self, name: str, attribute: str, rest: Chain | None) -> None:
        """Take an attribute of a module, which may be a module inside a package."""
        module = self._need(name)
        if module is not None and attribute in module.definers:
            if rest is None:
                self._reach_name(module, attribute)
            else:
                self._reach_chain(module, (attribute, *rest))
            own = [found for found in module.bindings.get(attribute, ()) if found.name == attribute]
            if not any(absolute(module, found.module) == name for found in own):
                return
        elif module is not None and "__getattr__" in module.definers:
            self._reach_chain(module, ("__getattr__",))
        origin = self._finder.find(f"{name}.{attribute}")
        if isinstance(origin, Source | Namespace):
            self._reach_module(f"{name}.{attribute}", rest)
        elif isinstance(origin, Absent) and (told := version_attribute(name, (attribute, *(rest or ())))):
            self._versions |= (told,)
        elif module is not None and any(found.name == "*" for found in module.bindings.get("", ())):
            self._touch(module)  # `from x import *` may bring it, and goes in with the module

    def _reach_whole(self, module: Module) -> None:
        if (module.source.label, ()) in self._followed or module.source.whole:
            return
        self._followed.add((module.source.label, ()))
        self._touch(module)
        for name in list(module.definers):
            self._reach_chain(module, (name,))
        for statement in module.statements:
            if not statement.defines:
                self._keep(module, statement)

    def _defining(self, module: Module, found: Import, rest: Chain) -> tuple[Source | None, Chain]:
        """Return the module that what is taken from an import is defined in, and the names in it."""
        above = absolute(module, found.means)
        if above is None:
            return None, ()
        chain = (*above.split("."), *([found.name] if found.name else ()), *rest)
        for end in range(len(chain) - 1, 0, -1):
            origin = self._finder.find(".".join(chain[:end]))
            if isinstance(origin, Source):
                return origin, chain[end:]
        return None, ()

    # Outcome

    def bundle(self, workflows: Sequence[Definition], signatures: Mapping[str, str], build: str) -> Bundle:
        entries = sorted({workflow.module for workflow in workflows})
        firsts = {label: name for name, label in sorted(self._names.items(), reverse=True)}
        entries += sorted(
            firsts[label]
            for label, module in self._modules.items()
            if module.has_classes and not module.source.whole and firsts[label] not in entries
        )
        program = Program(
            guest="cpython",
            build=build,
            files={label: program_text(module) for label, module in sorted(self._modules.items())} | self._ported.files,
            entries=entries,
            workflows={each.name: (each.module, each.qualname) for each in sorted(workflows, key=lambda one: one.name)},
            modules=self._ported.modules | dict(sorted(self._names.items())),
            absent={name: missed.reason for name, missed in sorted(self._absent.items()) if missed.needed},
            steps={name: signatures[name] for module in self._modules.values() for name in steps_in(module)},
            versions=dict(sorted(self._versions.items())),
            distributions=dict(sorted(self._distributions.items())),
        )
        return Bundle(program, self._left_out())

    def _left_out(self) -> list[LeftOut]:
        inside = set(self._names)
        left = self._unreadable + [missed.left_out(name) for name, missed in self._absent.items()]
        for module in self._modules.values():
            for statement in module.statements:
                if not statement.kept:
                    left += statement_left_out(module, statement, self._why_never(module, statement), inside)
        for name in self._bundled - self._whole:
            left.append(LeftOut(name, "Torpor(bundle=[…])", "no workflow code imports it"))
        return sorted(left, key=in_order)
