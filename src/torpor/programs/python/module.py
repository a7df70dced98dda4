"""A module of the program: its statements, and what each of them defines, acts on and reads."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torpor.errors import ConfigurationError
from torpor.programs.python.effects import Effects, acted_on, calls_of, effects_of
from torpor.programs.python.finding import Source
from torpor.programs.python.nesting import refuse_deep_comprehensions
from torpor.programs.python.scopes import Chain, Import, Reads, bound_names, chain_of, imports_of, own_nodes, reads

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_APPLICATIONS = {("torpor", "Torpor"), ("torpor", "Registry")}
_RUNNERS = {"asyncio", "anyio", "trio", "uvloop"}


@dataclass(slots=True)
class Statement:
    """
    A statement at module level, or one name of an import there.

    Attributes:
        node: the statement.
        alias: of an import: the name in it that is meant.
        defines: names that it defines or acts on; it goes in when one of them is reached.
        reads: what it reads.
        always: it goes in as soon as anything of its module does.
        calls: what it calls when it is run.
        never: why it does not go in whatever is reached, ``""`` when it may.
        kept: it goes in.
    """

    node: ast.stmt
    defines: frozenset[str]
    reads: Reads
    alias: ast.alias | None = None
    always: bool = False
    calls: frozenset[Chain] = frozenset()
    never: str = ""
    kept: bool = False


@dataclass(slots=True)
class Module:
    """
    A source file, statement by statement.

    Attributes:
        source: where it is.
        text: what the file says.
        tree: its syntax.
        steps, workflows: full names of its steps and workflows by qualified name.
        statements: in order.
        definers: name → statements that define or act on it.
        bindings: name → imports that define it.
        effects: what calls of its functions change.
        mentioned: names that occur anywhere in it.
        touched: something in it is reached.
        applications: names that are ``Torpor(…)`` or ``Registry()``.
    """

    source: Source
    text: str
    tree: ast.Module
    steps: Mapping[str, str]
    workflows: Mapping[str, str]
    statements: list[Statement] = field(default_factory=list)
    definers: dict[str, list[Statement]] = field(default_factory=dict)
    bindings: dict[str, list[Import]] = field(default_factory=dict)
    effects: Effects = field(default_factory=dict)
    mentioned: set[str] = field(default_factory=set)
    touched: bool = False
    applications: set[str] = field(default_factory=set)

    def is_for_effect(self, statement: Statement) -> bool:
        """Tell whether a statement is an import of a name that nothing mentions; in ``__init__.py`` others may."""
        alias = statement.alias is not None and not self.source.is_package
        return alias and statement.defines.isdisjoint(self.mentioned) and "" not in statement.defines

    @property
    def has_classes(self) -> bool:
        """Whether a class of it goes in, so that the guest must have loaded it to read an instance."""
        return any(isinstance(each.node, ast.ClassDef) and each.kept for each in self.statements)


def read_module(source: Source, steps: Mapping[str, str], workflows: Mapping[str, str]) -> Module:
    """
    Read a file; one that goes in whole has no statements here, as nothing in it has to be told apart.

    Raises:
        ConfigurationError: it cannot be read, or is not Python, or not such as compiles.
    """
    try:
        with tokenize.open(source.path) as file:
            text = file.read()
        tree = ast.parse(text, source.label)
    except SyntaxError as error:
        place = f"{source.label}:{error.lineno}" if error.lineno else source.label
        raise ConfigurationError(f"{place}: {error.msg}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise ConfigurationError(f"{source.label} is not Python source: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"cannot read {source.label}: {error.strerror or error}") from error
    if source.whole:
        return Module(source, text, tree, {}, {})
    refuse_deep_comprehensions(tree, source.label)
    module = Module(source, text, tree, steps, workflows, effects=effects_of(tree))
    for node in own_nodes(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for found in imports_of(node):
                module.bindings.setdefault(found.bound, []).append(found)
    module.mentioned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for statement in tree.body:
        module.statements += _statements(module, statement)
    for each in module.statements:
        for name in each.defines:
            module.definers.setdefault(name, []).append(each)
    return module


def definitions(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, FunctionNode]]:
    """Yield the functions and methods of a module with their qualified names."""
    for node in body:
        if isinstance(node, FunctionNode):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from definitions(node.body, f"{prefix}{node.name}.")
        else:
            yield from definitions(_children(node), prefix)


def registering_decorator(node: FunctionNode) -> ast.expr | None:
    """Return the decorator that registers a workflow."""
    return next((each for each in node.decorator_list if _called(each)[-1:] == ("workflow",)), None)


def scheduling_decorators(node: FunctionNode) -> list[ast.Call]:
    """Return the decorators of a workflow that declare schedules, ``@app.schedule(…)``."""
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    return [each for each in calls if len(_called(each)) > 1 and _called(each)[-1] == "schedule"]


def is_query(node: ast.stmt) -> bool:
    """Tell whether a statement defines a query, ``@app.query``, which nothing in the program calls."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else ()
    return any(len(chain := _called(each)) > 1 and chain[-1] == "query" for each in decorators)


def _called(decorator: ast.expr) -> Chain:
    return chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator) or ()


def absolute(module: Module, name: str) -> str | None:
    """Return the full name of a module that is imported, None for one above the outermost package."""
    try:
        return importlib.util.resolve_name(name, module.source.package) if name.startswith(".") else name
    except ImportError:
        return None


def is_application_call(module: Module, node: ast.stmt) -> bool:
    """Tell whether a statement is ``app = Torpor(…)`` or ``registry = Registry()``."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
        return False
    return _meaning(module, chain_of(node.value.func)) in _APPLICATIONS


def _children(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements directly in a compound statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif not isinstance(child, ast.expr):  # a handler or a case
            yield from _children(child)


def _statements(module: Module, node: ast.stmt) -> Iterator[Statement]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias, found in zip(node.names, imports_of(node), strict=True):
            always = found.name == "*" or found.module == "__future__"
            yield Statement(node, frozenset((found.bound,)), Reads(imports=[found], bindings=[found]), alias, always)
        return
    if is_application_call(module, node):
        assert isinstance(node, ast.Assign | ast.AnnAssign)
        assert isinstance(node.value, ast.Call)
        names = frozenset(bound_names([node]))
        module.applications |= names
        yield Statement(node, names, reads(node.value.func))
        return
    read = _reads(module, node)
    outer = _declared_global(node)
    if isinstance(node, FunctionNode) and outer:
        read.chains.add((node.name,))  # whoever needs what it sets needs the call that sets it
    registered = frozenset((*module.steps, *module.workflows))
    yield Statement(
        node,
        frozenset(bound_names([node]) | acted_on(node, module.effects, registered, _pythons_own(module)) | outer),
        read,
        always=is_query(node) or _acts_unseen(module, node, read),
        calls=frozenset(calls_of(node, registered)),
        never=_never(module, node),
    )


def _reads(module: Module, node: ast.stmt) -> Reads:
    """Return what is read by what goes in of a statement: neither by bodies of steps nor by registering decorators."""
    skipped: set[ast.AST] = set()
    annotations: list[ast.stmt] = []
    for name, found in definitions([node]):
        if name in module.steps:
            skipped.add(found)
            annotations.append(_signature(found))
        elif name in module.workflows:
            skipped.update(scheduling_decorators(found))
            if (decorator := registering_decorator(found)) is not None:
                skipped.add(decorator)
    result = reads(node, skipped=frozenset(skipped))
    for signature in annotations:
        result.chains |= reads(signature).chains  # a step's results are of these types
    return result


def _signature(node: FunctionNode) -> ast.stmt:
    """Return a function with the same annotations and nothing else."""
    arguments = ast.arguments(
        posonlyargs=node.args.posonlyargs,
        args=node.args.args,
        vararg=node.args.vararg,
        kwonlyargs=node.args.kwonlyargs,
        kw_defaults=[None] * len(node.args.kwonlyargs),
        kwarg=node.args.kwarg,
        defaults=[],
    )
    return ast.FunctionDef(name=node.name, args=arguments, body=[ast.Pass()], decorator_list=[], returns=node.returns)


def _pythons_own(module: Module) -> frozenset[str]:
    """Return the names that are imported from the standard library."""
    return frozenset(
        name
        for name, imports in module.bindings.items()
        if all(found.module.partition(".")[0] in sys.stdlib_module_names for found in imports)
    )


def _never(module: Module, node: ast.stmt) -> str:
    match node:
        case ast.If(test=test, orelse=[]) if _compares_to_main(test):
            return "it runs only as a script"
        case ast.If(test=test, orelse=[]) if (chain_of(test) or ("",))[-1] == "TYPE_CHECKING":
            return "it is for type checkers"
        case ast.Expr(value=ast.Call(func=function)) | ast.Expr(value=ast.Await(value=ast.Call(func=function))):
            meaning = _meaning(module, chain_of(function))
            return "it runs the program" if meaning in {(runner, "run") for runner in _RUNNERS} else ""
        case _:
            return ""


def _declared_global(node: ast.stmt) -> set[str]:
    """Return the names of the module that functions in a statement set."""
    return {name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names}


def _acts_unseen(module: Module, node: ast.stmt, read: Reads) -> bool:
    """
    Tell whether a statement matters to what it does not name.

    ``torpor.register(…)`` declares values as a class statement does; ``globals().update(…)`` and ``from x import *``
    define names that only a run of them would tell.
    """
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    match node:
        case ast.Expr(value=ast.Call(func=function)) if _meaning(module, chain_of(function)) == ("torpor", "register"):
            return True
        case _:
            called = {chain[0] for chain in read.chains}
            return "globals" in called or any(found.name == "*" for found in read.bindings)


def _compares_to_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=one, ops=[ast.Eq()], comparators=[other]):
            sides = {ast.dump(one), ast.dump(other)}
            return sides == {ast.dump(ast.Name("__name__", ast.Load())), ast.dump(ast.Constant("__main__"))}
        case _:
            return False


def _meaning(module: Module, chain: Chain | None) -> Chain | None:
    """Return what a chain means outside the module: ``("torpor", "Torpor")`` for ``Torpor``."""
    if chain is None:
        return None
    for found in module.bindings.get(chain[0], ()):
        return (*found.means.split("."), *((found.name,) if found.name else ()), *chain[1:])
    return chain
