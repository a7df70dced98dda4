"""
Builds a :class:`~torpor.vm.guest.Program` from an author's files.

The builder follows imports from the given files, strips TypeScript, puts step proxies in place of Python files and
finds the workflows. Every specifier in the program is the exact name of a module of the program, so that the guest's
loader has nothing to guess.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files as resources
from pathlib import Path
from urllib.parse import quote

from torpor.errors import ConfigurationError
from torpor.programs.javascript.aliases import read_aliases
from torpor.programs.javascript.cleanup import cleanup_blocks
from torpor.programs.javascript.resolution import BUILTIN, SCRIPT_SUFFIXES, Resolver, kind_advice, module_name
from torpor.programs.javascript.syntax import Import, ModuleSyntax, read_module
from torpor.programs.javascript.typescript import SUFFIXES as TYPESCRIPT_SUFFIXES
from torpor.programs.javascript.typescript import strip_types
from torpor.vm.guest import Program

_BUILTIN_SOURCE = resources("torpor") / "guests" / "quickjs" / "bootstrap" / f"{BUILTIN}.js"


def build_program(
    root: Path,
    files: Sequence[Path],
    *,
    steps_of: Callable[[Path], Sequence[str]],
    signature_of: Callable[[str], str],
    build: str,
) -> Program:
    """
    Return the program that *files* and all that they import make.

    Args:
        root: the project root; module names and step names are relative to it.
        files: JavaScript or TypeScript files, absolute or relative to *root*; those that neither define workflows
            nor are imported stay out of the program.
        steps_of: returns the names of the steps that a Python file (an absolute path) defines.
        signature_of: returns the text of a step's signature, by its full name.
        build: hash of the guest build.

    Raises:
        ConfigurationError: an import that cannot be, a misplaced directive, a file that is missing or unreadable, a
            TypeScript syntax error, or no workflow at all; the message names file and line.
    """
    root = root.resolve()
    builder = _Builder(root, steps_of, Resolver(root, read_aliases(root)))
    given = [builder.add_file((root / file).resolve()) for file in files]
    builder.check_names()
    with_workflows = [name for name, module in builder.modules.items() if module.syntax.workflows]
    if not with_workflows:
        raise ConfigurationError(
            f"no workflow in {', '.join(given) or 'an empty list of files'}; "
            'write "use workflow" as the first statement of an exported async function'
        )
    reached = builder.reach(with_workflows)
    entries = [name for name, module in builder.modules.items() if name in reached and module.is_entry]
    return Program(
        guest="quickjs",
        build=build,
        files={name: builder.texts[name] for name in sorted(reached)},
        entries=entries,
        workflows={
            f"workflow//{name}//{export}": (name, export)
            for name in with_workflows
            for export in builder.modules[name].syntax.workflows
        },
        steps={name: signature_of(name) for name in builder.imported_steps(reached)},
        cleanup={name: blocks for name in sorted(reached) if (blocks := cleanup_blocks(builder.texts[name]))},
    )


@dataclass(frozen=True, slots=True)
class _Module:
    """A script: what it says, and which module each of its specifiers means."""

    syntax: ModuleSyntax
    targets: dict[str, str]

    @property
    def is_entry(self) -> bool:
        """Whether the guest must know its exports: workflows, and classes whose instances are stored."""
        return bool(self.syntax.workflows) or self.syntax.has_classes


@dataclass(slots=True)
class _Builder:
    root: Path
    steps_of: Callable[[Path], Sequence[str]]
    resolver: Resolver
    texts: dict[str, str] = field(default_factory=dict)
    modules: dict[str, _Module] = field(default_factory=dict)
    steps: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # Python file → export → names of its steps

    def add_file(self, file: Path) -> str:
        """Take a file and everything that it imports; return its module name."""
        name = module_name(self.root, file)
        if name in self.texts:
            return name
        if file.suffix == ".py":
            self._add_steps(name, file)
        elif file.suffix == ".json":
            self._add_json(name, file)
        elif file.suffix in SCRIPT_SUFFIXES:
            self._add_script(name, file)
        else:
            raise ConfigurationError(f"{name} is not a script: {kind_advice(name)}")
        return name

    def _add_steps(self, name: str, file: Path) -> None:
        names = sorted(self.steps_of(file))
        self.steps[name] = _exported_steps(name, names)
        self.texts[name] = _proxy_module(name, names)

    def _add_json(self, name: str, file: Path) -> None:
        text = _read(file, name)
        try:
            json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"{name} is not valid JSON: {error}") from error
        self.texts[name] = f"export default JSON.parse({json.dumps(text)});\n"

    def _add_script(self, name: str, file: Path) -> None:
        text = _read(file, name)
        if file.suffix in TYPESCRIPT_SUFFIXES:
            text = strip_types(name, text)
        syntax = read_module(text)
        for misuse in syntax.misuses:
            raise ConfigurationError(f"{name}:{misuse.line}: {misuse.message}")
        self.texts[name] = text  # before its imports, which may lead back here
        targets = {found.specifier: self._target(name, found) for found in syntax.imports}
        self.modules[name] = _Module(syntax, targets)
        self.texts[name] = _rewritten(name, text, self.modules[name])

    def _target(self, importer: str, found: Import) -> str:
        if found.specifier == BUILTIN:
            return BUILTIN
        line = found.line
        file = self.resolver.resolve(importer, line, found.specifier).resolve()
        if file.suffix != ".py":
            return self.add_file(file)
        try:
            return self.add_file(file)
        except ConfigurationError as error:  # about the steps, which know nothing of who imports them
            raise ConfigurationError(f"{importer}:{line}: cannot import {found.specifier!r}: {error}") from error

    def check_names(self) -> None:
        """Refuse an import of a name that the other module does not export."""
        for name, module in self.modules.items():
            for found in module.syntax.imports:
                target = module.targets[found.specifier]
                exported = self.exports(target, frozenset())
                for wanted in found.names:
                    if exported is not None and wanted not in exported:
                        raise ConfigurationError(f"{name}:{found.line}: {self._missing(target, wanted, exported)}")

    def _missing(self, target: str, wanted: str, exported: frozenset[str]) -> str:
        known = ", ".join(sorted(exported)) or "none"
        if target in self.steps:
            known = ", ".join(sorted(step for steps in self.steps[target].values() for step in steps)) or "none"
            return f"{target} has no step {wanted!r} (steps: {known}); is the function decorated as a step?"
        return f"{target!r} does not export {wanted!r} (exports: {known})"

    def exports(self, name: str, seen: frozenset[str]) -> frozenset[str] | None:
        """Return what a module exports, or None when the parser cannot tell."""
        if name == BUILTIN:
            return read_module(_BUILTIN_SOURCE.read_text("utf-8")).exports
        if name in self.steps:
            return frozenset(self.steps[name])
        module = self.modules.get(name)
        if module is None:
            return frozenset(("default",))  # JSON
        if not module.syntax.is_whole:
            return None
        names = set(module.syntax.exports)
        for found in module.syntax.imports:
            target = module.targets[found.specifier]
            if found.everything and target not in seen:
                passed_on = self.exports(target, seen | {name})
                if passed_on is None:
                    return None
                names |= passed_on - {"default"}
        return frozenset(names)

    def reach(self, names: Sequence[str]) -> set[str]:
        """Return these modules and all that they import, by name."""
        reached: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in reached and name != BUILTIN:
                reached.add(name)
                left += self.modules[name].targets.values() if name in self.modules else ()
        return reached

    def imported_steps(self, reached: Collection[str]) -> list[str]:
        """Return the full names of the steps that these modules import; of a namespace, all that are in it."""
        found: set[str] = set()
        for module in (self.modules[name] for name in reached if name in self.modules):
            for each in module.syntax.imports:
                target = module.targets[each.specifier]
                exported = self.steps.get(target, {})
                for export in each.names or exported:
                    found |= {f"step//{target}//{name}" for name in exported.get(export, ())}
        return sorted(found)


def workflow_signature(program: Program, workflow: str) -> str:
    """Return the text of what a workflow of a program takes, by its full name; ``""`` if it has none of that name."""
    module, export = program.workflows.get(workflow, ("", ""))
    return _workflows_in(program.files.get(module, "")).get(export, "")


@lru_cache(maxsize=64)
def _workflows_in(text: str) -> Mapping[str, str]:
    return read_module(text).workflows


def _exported_steps(path: str, names: Sequence[str]) -> dict[str, list[str]]:
    """
    Return what the module of a Python file exports, each with the names of its steps.

    A function is exported by its name, a method by its class: ``Shop`` for ``Shop.charge``.

    Raises:
        ConfigurationError: a step and a class with steps have one name.
    """
    exported: dict[str, list[str]] = {}
    for name in names:
        exported.setdefault(name.partition(".")[0], []).append(name)
    for export, steps in exported.items():
        if export in steps and len(steps) > 1:
            raise ConfigurationError(
                f"{path}: {export!r} is the name of a step and of what has the step {max(steps)!r}; give one of them "
                f"another name: @app.step(name=…)"
            )
    return exported


def _proxy_module(path: str, names: Sequence[str]) -> str:
    """
    Return the module that exports one proxy for each step of a Python file.

    Names stand in its text as string literals only; data never becomes code.

    Args:
        path: the file relative to the project root, such as ``./orders.py``.
        names: names of its steps, those of methods with their class: ``Shop.charge``.

    Raises:
        ConfigurationError: a step and a class with steps have one name.
    """
    proxies = {name: f"step{n}" for n, name in enumerate(names)}
    classes: list[str] = []
    exports: list[str] = []
    for export, steps in _exported_steps(path, names).items():
        local = proxies.get(export)
        if local is None:
            local = f"class{len(classes)}"
            members = {name.split(".", 1)[1]: proxies[name] for name in steps}
            classes.append(f"const {local} = {_class_of(path, export, members)};\n")
        exports.append(f"{local} as {json.dumps(export)}")
    return (
        f'import {{ {"classOf, " * bool(classes)}stepsOf }} from "torpor:steps";\n'
        f"const [{', '.join(proxies.values())}] = stepsOf({json.dumps(path)}, {json.dumps(list(names))});\n"
        f"{''.join(classes)}export {{ {', '.join(exports)} }};\n"
    )


def _class_of(path: str, class_name: str, members: Mapping[str, str]) -> str:
    """Return what makes a class, given the proxies of its methods by name; ``Inner.name`` is nested."""
    inner: dict[str, dict[str, str]] = {}
    parts: list[str] = []
    for name, proxy in members.items():
        first, _, rest = name.partition(".")
        if rest:
            inner.setdefault(first, {})[rest] = proxy
        else:
            parts.append(f"[{json.dumps(first)}]: {proxy}")  # in brackets, because __proto__ would mean something else
    parts += [f"[{json.dumps(name)}]: {_class_of(path, f'{class_name}.{name}', each)}" for name, each in inner.items()]
    return f"classOf({json.dumps(path)}, {json.dumps(class_name)}, {{ {', '.join(parts)} }})"


def _rewritten(name: str, text: str, module: _Module) -> str:
    """
    Make every specifier lead to its module by a plain path join, and drop source maps; no line moves.

    The guest's ``import.meta`` is empty; a module that asks for it gives it its address, which has no folder of this
    machine in it: the project root is the root.
    """
    data = text.encode()
    edits = [(start, end, "\n" * data[start:end].count(b"\n")) for start, end in module.syntax.source_maps]
    for found in module.syntax.imports:
        target = module.targets[found.specifier]
        if target != BUILTIN:
            edits.append((found.start, found.end, json.dumps(_relative(name, target))))
    if module.syntax.meta_at is not None:
        address = json.dumps(f"file:///{quote(name.removeprefix('./'))}")
        edits.append((module.syntax.meta_at, module.syntax.meta_at, f";import.meta.url = {address};"))
    for start, end, replacement in sorted(edits, reverse=True):
        data = data[:start] + replacement.encode() + data[end:]
    return data.decode()


def rewritten_alone(name: str, text: str, syntax: ModuleSyntax, targets: dict[str, str]) -> str:
    """Return the text of a module whose imports lead to these modules, and to the built-in one."""
    return _rewritten(name, text, _Module(syntax, {BUILTIN: BUILTIN, **targets}))


def _relative(importer: str, target: str) -> str:
    path = posixpath.relpath(target, posixpath.dirname(importer))
    return path if path.startswith("../") else f"./{path}"


def _read(file: Path, name: str) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{name} is not UTF-8: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot read {name}: {error.strerror or error}") from error
