"""What a module of the program says: kept statements on their lines, and nothing else."""

from __future__ import annotations

import ast
import copy
import io
import json
import tokenize
from collections.abc import Iterable

from torpor.programs.python.module import (
    FunctionNode,
    Module,
    Statement,
    definitions,
    is_application_call,
    registering_decorator,
    scheduling_decorators,
)

_COMPOUND = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With,
    ast.AsyncWith, ast.Try, ast.Match,
)  # fmt: skip
_KEPT_DECORATORS = {"staticmethod", "classmethod"}


def program_text(module: Module) -> str:
    """Return the text of a module: with proxies for steps, without comments and what was not reached."""
    if module.source.whole:
        return module.text
    page = _Page(module)
    imports: dict[ast.stmt, list[ast.alias]] = {}
    for statement in module.statements:
        if statement.kept and statement.alias is not None:
            imports.setdefault(statement.node, []).append(statement.alias)
    for statement in module.statements:
        if statement.kept:
            _put(page, module, statement, imports)
    for name, node in _kept_functions(module):
        if name in module.steps:
            page.put_step(node, module.steps[name])
        elif name in module.workflows:
            page.put_workflow(node, module.workflows[name])
    return page.text()


def steps_in(module: Module) -> list[str]:
    """Return the full names of the steps whose proxies are in the text of a module."""
    return [module.steps[name] for name, _ in _kept_functions(module) if name in module.steps]


def _kept_functions(module: Module) -> list[tuple[str, FunctionNode]]:
    """Return the functions and methods that go in, by qualified name; what goes in whole has no steps."""
    kept = [] if module.source.whole else [statement.node for statement in module.statements if statement.kept]
    return list(definitions(kept))


def _put(page: _Page, module: Module, statement: Statement, imports: dict[ast.stmt, list[ast.alias]]) -> None:
    node = statement.node
    if isinstance(node, ast.Import | ast.ImportFrom):
        if statement.alias is imports[node][0]:
            page.put_line(node, _with_names(node, imports[node]))
    elif is_application_call(module, node):
        page.put_line(node, _without_arguments(node))
    else:
        page.put(node)


def _with_names(node: ast.Import | ast.ImportFrom, names: list[ast.alias]) -> str:
    if isinstance(node, ast.Import):
        return ast.unparse(ast.Import(names))
    return ast.unparse(ast.ImportFrom(node.module, names, node.level))


def _without_arguments(node: ast.stmt) -> str:
    """Return ``app = Torpor()`` for ``app = Torpor("sqlite:///…")``: settings are the host's."""
    bare = copy.deepcopy(node)
    assert isinstance(bare, ast.Assign | ast.AnnAssign)
    assert isinstance(bare.value, ast.Call)
    bare.value.args, bare.value.keywords = [], []
    return ast.unparse(bare)


class _Page:
    """The lines of a module, blank until something is put there."""

    def __init__(self, module: Module) -> None:
        self._original = _without_comments(module.text, module.tree)
        self._lines = [""] * len(self._original)
        self._behind: list[str] = []  # what a step or workflow without a line of its own needs

    def text(self) -> str:
        lines = [*self._lines, *self._behind]
        while lines and not lines[-1]:
            lines.pop()
        return "".join(f"{line}\n" for line in lines)

    def put(self, node: ast.stmt) -> None:
        """Put a statement as it is."""
        first, last = _span(node)
        lines = self._original[first - 1 : last]
        if not isinstance(node, _COMPOUND):  # others may stand on its lines
            assert node.end_col_offset is not None
            lines[-1] = _columns(lines[-1], 0, node.end_col_offset)
            lines[0] = _columns(lines[0], node.col_offset, None)
        self._begin(first, lines[0])
        self._lines[first : first + len(lines) - 1] = lines[1:]

    def put_line(self, node: ast.stmt, text: str) -> None:
        """Put a text of one line for a statement."""
        self._begin(node.lineno, text)

    def _begin(self, line: int, text: str) -> None:
        before = self._lines[line - 1]
        self._lines[line - 1] = f"{before}; {text}" if before else text

    def put_step(self, node: FunctionNode, name: str) -> None:
        """Put a proxy in place of a step that stands here."""
        # A class method gets the class that it is called on, which goes along with the arguments.
        marker = "__torpor_class_step__" if "classmethod" in _plain_decorators(node) else "__torpor_step__"
        mark = f"{marker}({json.dumps(name)})"
        if _is_cancellable(node):
            mark = f"__torpor_cancellable__({mark})"
        indent = _columns(self._lines[node.lineno - 1], 0, node.col_offset)
        kept = {
            line
            for decorator in node.decorator_list
            if isinstance(decorator, ast.Name) and decorator.id in _KEPT_DECORATORS
            for line in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1)
        }
        first, last = _span(node)
        for line in range(first, last + 1):
            if line not in kept:
                self._lines[line - 1] = ""
        kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        place, line = self._place_above(node, kept)
        self._lines[line - 1] = f"{indent}{kind} {node.name}(*args, **kwargs): ..."
        if place:
            self._lines[place - 1] = f"{indent}@{mark}"
        else:
            self._lines[line - 1] = f"{indent}{node.name} = {mark}(lambda *args, **kwargs: ...)"

    def _place_above(self, node: FunctionNode, taken: set[int]) -> tuple[int, int]:
        """Return the line for the mark of a step, 0 if there is none, and the line for its definition."""
        dropped = [decorator.lineno for decorator in node.decorator_list if decorator.lineno not in taken]
        if dropped:
            return dropped[-1], node.lineno
        if not taken and node.lineno > 1 and not self._lines[node.lineno - 2]:
            return node.lineno - 1, node.lineno
        if (node.end_lineno or 0) > node.lineno:
            return node.lineno, node.lineno + 1
        return 0, node.lineno

    def put_workflow(self, node: FunctionNode, name: str) -> None:
        """Mark a workflow that stands here."""
        mark = f"__torpor_workflow__({json.dumps(name)})"
        for schedule in scheduling_decorators(node):
            self._blank(schedule)
        decorator = registering_decorator(node)
        if decorator is None:
            self._behind.append(f"{node.name} = {mark}({node.name})")
            return
        self._blank(decorator)
        indent = _columns(self._original[node.lineno - 1], 0, node.col_offset)
        self._lines[decorator.lineno - 1] = f"{indent}@{mark}"

    def _blank(self, decorator: ast.expr) -> None:
        for line in range(decorator.lineno, (decorator.end_lineno or decorator.lineno) + 1):
            self._lines[line - 1] = ""


def _is_cancellable(node: FunctionNode) -> bool:
    """Tell whether who calls a step may give it up, as ``@wf.step(cancellable=True)`` says."""
    keywords = [word for each in node.decorator_list if isinstance(each, ast.Call) for word in each.keywords]
    return any(
        word.arg == "cancellable" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in keywords
    )


def _plain_decorators(node: FunctionNode) -> set[str]:
    """Return the names of decorators that are names."""
    return {decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)}


def _span(node: ast.stmt) -> tuple[int, int]:
    """Return the first and the last line of a statement, with its decorators."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return first, node.end_lineno or node.lineno


def _columns(line: str, start: int, end: int | None) -> str:
    """Return a part of a line; ast counts the bytes of its UTF-8."""
    return line.encode()[start:end].decode()


def _without_comments(text: str, tree: ast.Module) -> list[str]:
    """Return the lines without comments and without blanks at their ends, except inside strings."""
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    inside = set(_lines_inside_strings(tree))
    return [line if number in inside else line.rstrip() for number, line in enumerate(lines, 1)]


def _lines_inside_strings(tree: ast.Module) -> Iterable[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            yield from range(node.lineno, node.end_lineno or node.lineno)
