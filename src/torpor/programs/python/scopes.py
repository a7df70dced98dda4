"""
Which global names a statement reads, and what it imports, by Python's scoping rules.

A name is read as a *chain*: ``billing.client.charge`` is one chain of three names, so that of an imported module only
what is used of it need be taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Chain = tuple[str, ...]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Import:
    """
    One name of an import statement.

    Attributes:
        module: what it names, ``..models`` if it is relative.
        name: what is taken from the module; None for ``import module``, ``*`` for everything.
        bound: the name that it defines, ``""`` for ``*``.
        means: the module that the name stands for, unless one is taken from it: ``a`` for ``import a.b``.
        line: where it stands.
        optional: it may fail: an ``except ImportError`` stands ready to do without it.
    """

    module: str
    name: str | None
    bound: str
    means: str
    line: int
    optional: bool = False


@dataclass(slots=True)
class Reads:
    """
    What a statement reads.

    Attributes:
        chains: read from the module's own names.
        imports: all imports in it, at any depth.
        bindings: those of them that define names of the module.
        inner: read from names that functions in it import for themselves, with these imports.
    """

    chains: set[Chain] = field(default_factory=set)
    imports: list[Import] = field(default_factory=list)
    bindings: list[Import] = field(default_factory=list)
    inner: set[tuple[Import, Chain]] = field(default_factory=set)


def reads(node: ast.AST, *, skipped: frozenset[ast.AST] = frozenset()) -> Reads:
    """
    Return what code at module level reads.

    Args:
        node: a statement, or an expression.
        skipped: nodes in it that are not looked into.
    """
    reader = _Reader(skipped)
    reader.visit(node)
    return reader.found


def chain_of(node: ast.expr) -> Chain | None:
    """Return the chain that an expression is, ``("app", "step")`` for ``app.step``, or None."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def imports_of(node: ast.Import | ast.ImportFrom, *, optional: bool = False) -> list[Import]:
    """Return what an import statement imports, name by name."""
    if isinstance(node, ast.Import):
        tops = [alias.name.partition(".")[0] for alias in node.names]
        return [
            Import(alias.name, None, alias.asname or top, alias.name if alias.asname else top, node.lineno, optional)
            for alias, top in zip(node.names, tops, strict=True)
        ]
    module = "." * node.level + (node.module or "")
    bound = ["" if alias.name == "*" else alias.asname or alias.name for alias in node.names]
    return [
        Import(module, alias.name, name, module, node.lineno, optional)
        for alias, name in zip(node.names, bound, strict=True)
    ]


def import_by_call(node: ast.Call, *, optional: bool = False) -> Import | None:
    """Return what ``importlib.import_module("x")`` imports, None for another call."""
    match node.args:
        case [ast.Constant(value=str(module))] if (chain_of(node.func) or ("",))[-1] in {"import_module", "__import__"}:
            return Import(module, None, "", module, node.lineno, optional)
        case _:
            return None


def bound_names(statements: list[ast.stmt]) -> set[str]:
    """Return the names that statements define in the scope that they stand in."""
    return {name for statement in statements for name in _bound(statement)}


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (found.bound for found in imports_of(node) if found.bound)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            for outer in _evaluated_outside(node):
                yield from _bound(outer)
            return
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from (inner.target.id for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))
            return
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


def _evaluated_outside(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[ast.AST]:
    """Yield the parts of a definition that are evaluated where it stands, not inside."""
    yield from node.decorator_list
    if isinstance(node, ast.ClassDef):
        yield from (*node.bases, *node.keywords)
    else:
        yield from _outside_of_arguments(node.args)


def _outside_of_arguments(arguments: ast.arguments) -> Iterator[ast.AST]:
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    several = (arguments.vararg, arguments.kwarg)
    return [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        *(one for one in several if one is not None),
    ]


@dataclass(slots=True)
class _Scope:
    """A function's own names; those that it imports for itself lead to the imports."""

    names: set[str]
    imports: dict[str, list[Import]] = field(default_factory=dict)


class _Reader(ast.NodeVisitor):
    def __init__(self, skipped: frozenset[ast.AST]) -> None:
        self.found = Reads()
        self._skipped = skipped
        self._scopes: list[_Scope] = []
        self._optional = 0  # how many `try … except ImportError` we are in

    def visit(self, node: ast.AST) -> None:
        if node not in self._skipped:
            super().visit(node)

    # Names

    def visit_Name(self, node: ast.Name) -> None:
        self._read((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        chain = chain_of(node)
        if chain is None:
            self.generic_visit(node)
        else:
            self._read(chain)

    def _read(self, chain: Chain) -> None:
        for scope in reversed(self._scopes):
            if chain[0] in scope.imports:
                self.found.inner |= {(found, chain[1:]) for found in scope.imports[chain[0]]}
                return
            if chain[0] in scope.names:
                return
        self.found.chains.add(chain)

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        imports = imports_of(node, optional=self._optional > 0)
        self.found.imports += imports
        if not self._scopes:
            self.found.bindings += imports

    def visit_Try(self, node: ast.Try) -> None:
        optional = any(does_without(handler) for handler in node.handlers)
        self._optional += optional
        for statement in node.body:
            self.visit(statement)
        self._optional -= optional
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_Call(self, node: ast.Call) -> None:
        """Take ``importlib.import_module("x")`` for the import that it is."""
        if found := import_by_call(node, optional=self._optional > 0):
            self.found.imports.append(found)
            self.found.inner.add((found, ()))
        self.generic_visit(node)

    # Scopes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for part in _evaluated_outside(node):
            self.visit(part)
        type_parameters = {parameter.name for parameter in getattr(node, "type_params", ())}
        self._scopes.append(_Scope(type_parameters))
        for annotation in (*(one.annotation for one in _parameters(node.args)), node.returns):
            self._annotation(annotation)
        self._inside(node.args, list(node.body))
        self._scopes.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in _outside_of_arguments(node.args):
            self.visit(part)
        self._inside(node.args, [ast.Expr(node.body)])

    def _inside(self, arguments: ast.arguments, body: list[ast.stmt]) -> None:
        names = {parameter.arg for parameter in _parameters(arguments)} | bound_names(body)
        outer: set[str] = set()
        imports: dict[str, list[Import]] = {}
        for node in own_nodes(body):
            if isinstance(node, ast.Global | ast.Nonlocal):
                outer |= set(node.names)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for found in imports_of(node):
                    imports.setdefault(found.bound, []).append(found)
        self._scopes.append(_Scope(names - outer, imports))
        for statement in body:
            self.visit(statement)
        self._scopes.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in _evaluated_outside(node):
            self.visit(part)
        # Names of the class itself may be the module's at the same time, so they hide nothing.
        self._scopes.append(_Scope({parameter.name for parameter in getattr(node, "type_params", ())}))
        for statement in node.body:
            self.visit(statement)
        self._scopes.pop()

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _COMPREHENSIONS):
            self.visit(node.generators[0].iter)  # evaluated outside
            self._scopes.append(_Scope({name for each in node.generators for name in _bound(each.target)}))
            super().generic_visit(node)
            self._scopes.pop()
        else:
            super().generic_visit(node)

    # Annotations

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        self._annotation(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def _annotation(self, node: ast.expr | None) -> None:
        """Read the types that an annotation names, in quotes too."""
        if node is None:
            return
        self.visit(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    self.visit(ast.parse(part.value, mode="eval").body)
                except SyntaxError:
                    continue  # a word inside Literal[…] or Annotated[…]


def own_nodes(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a scope that are not another function's or class's, in order."""
    ahead: list[ast.AST] = list(reversed(body))
    while ahead:
        node = ahead.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            ahead += reversed(list(ast.iter_child_nodes(node)))


def does_without(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches a failed import and goes on."""
    if any(isinstance(node, ast.Raise) for part in handler.body for node in ast.walk(part)):
        return False
    if handler.type is None:
        return True
    caught = {part.id for part in ast.walk(handler.type) if isinstance(part, ast.Name)}
    return bool(caught & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
