"""A project in a folder, and the program that is made of it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torpor.programs.python import Bundle, Definition, build_bundle
from torpor.signatures import signature_text

Function = ast.FunctionDef | ast.AsyncFunctionDef

HEAD = "from torpor import Torpor\n\napp = Torpor()\n\n"
"""How the module of most projects here begins: four lines."""


@dataclass
class Project:
    """
    A folder of modules; what is decorated with ``@app.workflow`` or ``@app.step`` is registered.

    Attributes:
        folder: first on the import path while the test runs.
        bundle: third-party packages that go in.
    """

    folder: Path
    bundle: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        """Write a file and return its path."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def made(self) -> Bundle:
        """Return what the project becomes."""
        found = list(self._definitions())
        workflows = [each for each in found if each.name.startswith("workflow//")]
        steps = [each for each in found if each.name.startswith("step//")]
        return build_bundle(self.folder, workflows, steps, bundle=self.bundle, build="build")

    def text(self, label: str = "./app.py") -> str:
        """Return the text of a file in the program."""
        return self.made().program.files[label]

    def names(self, label: str = "./app.py") -> set[str]:
        """Return the names that a file in the program defines."""
        return defined(self.text(label))

    def _definitions(self) -> Iterator[Definition]:
        for file in sorted(self.folder.rglob("*.py")):
            if "site-packages" in file.parts:
                continue
            inside = file.relative_to(self.folder)
            module = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
            for qualname, node in _functions(ast.parse(file.read_text("utf-8")).body):
                called = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
                for kind in {each.attr for each in called if isinstance(each, ast.Attribute)} & {"step", "workflow"}:
                    name = f"{kind}//./{inside.as_posix()}//{qualname}"
                    yield Definition(name, module, qualname, file, _signature(node))


def defined(text: str) -> set[str]:
    """Return the names that a text defines at module level."""
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        else:
            names |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return names


def _functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Function]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.If):
            yield from _functions([*node.body, *node.orelse], prefix)
        elif isinstance(node, Function):
            yield prefix + node.name, node


def _signature(node: Function) -> str:
    """Return what :func:`torpor.signatures.signature_text` would say of a function, which is never made here."""
    scope: dict[str, Any] = {}
    exec(f"def f({ast.unparse(_bare(node.args))}): ...", scope)  # noqa: S102  # annotations and defaults are gone
    return signature_text(scope["f"])


def _bare(args: ast.arguments) -> ast.arguments:
    made = copy.deepcopy(args)
    made.defaults = [ast.Constant(...) for _ in made.defaults]
    made.kw_defaults = [each and ast.Constant(...) for each in made.kw_defaults]
    for each in ast.walk(made):
        if isinstance(each, ast.arg):
            each.annotation = None
    return made
