"""
What running a statement changes, beside the names that it defines.

``table[key] = …`` and ``handlers.append(…)`` say whom they change. ``fill(table)`` changes what it is given,
``@handlers.register`` what it begins with, and ``@command`` above a function what the body of ``command`` changes.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from typing import Final

from torpor.programs.python.scopes import Chain, bound_names, chain_of, own_nodes

_CHANGE_ARGUMENTS: Final = {"setattr", "delattr"}

Effects = Mapping[str, frozenset[str]]
"""Function or class of a module → names of the module that a call of it may change."""


def effects_of(tree: ast.Module) -> Effects:
    """Return what calls of a module's own functions may change, through one another too."""
    found: dict[str, frozenset[str]] = {}
    callees: dict[str, frozenset[str]] = {}
    for node in own_nodes(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            changed, read = _inside(node)
            found[node.name] = found.get(node.name, frozenset()) | changed
            callees[node.name] = callees.get(node.name, frozenset()) | read
    grows = True
    while grows:
        grows = False
        for name, called in callees.items():
            more = found[name].union(*(found[each] for each in called if each in found))
            grows |= more != found[name]
            found[name] = more
    return found


def acted_on(node: ast.AST, effects: Effects, skipped: frozenset[str], inert: frozenset[str]) -> set[str]:
    """
    Return the names that a statement changes things of without defining them.

    Args:
        node: the statement.
        effects: of the module's functions.
        skipped: functions whose decorators do not count.
        inert: names whose decorators, such as ``functools.cache``, change nothing.
    """
    names = _changed(node, skipped, inert)
    for chain in calls_of(node, skipped):
        names |= effects.get(chain[0], frozenset())
    return names


def calls_of(node: ast.AST, skipped: frozenset[str]) -> Iterator[Chain]:
    """Yield what a statement calls when it is run: functions, classes and decorators by name."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            for decorator in () if name in skipped else node.decorator_list:
                yield from _chains_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
            return
        case ast.Lambda():
            return
        case ast.ClassDef(decorator_list=decorators):
            for decorator in decorators:
                yield from _chains_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
        case ast.Call(func=function):
            yield from _chains_of(function)
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from calls_of(child, skipped)


def _chains_of(function: ast.expr) -> Iterator[Chain]:
    chain = chain_of(function)
    if chain is not None:
        yield chain


def _changed(node: ast.AST, skipped: frozenset[str], inert: frozenset[str]) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            decorators = [] if node.name in skipped else node.decorator_list
            return set().union(*map(_root, decorators)) - inert
        case ast.Lambda():
            return set()
        case ast.Expr(value=ast.Call() as call):
            return _root(call) | _handed_over(call) - skipped
        case ast.Expr(value=value):
            return _root(value)
        case (
            ast.Attribute(value=value, ctx=ast.Store() | ast.Del())
            | ast.Subscript(value=value, ctx=ast.Store() | ast.Del())
        ):
            return _root(value)
        case _:
            return set().union(*(_changed(child, skipped, inert) for child in ast.iter_child_nodes(node)))


def _handed_over(call: ast.Call) -> set[str]:
    """Return the names that a call is given, unless it is one of Python's own functions that change nothing."""
    function = call.func
    if isinstance(function, ast.Name) and hasattr(builtins, function.id) and function.id not in _CHANGE_ARGUMENTS:
        return set()
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return set().union(*(_root(each) for each in given if isinstance(each, ast.Name | ast.Attribute)))


def _root(node: ast.expr) -> set[str]:
    """Return the name that an expression begins with."""
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.Call(func=inner) | ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Await(value=inner):
            return _root(inner)
        case _:
            return set()


def _inside(definition: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names outside that a body may change, and those that it reads."""
    changed: set[str] = set()
    read: set[str] = set()
    own: set[str] = set()
    for node in ast.walk(definition):
        match node:
            case ast.Global(names=names):
                changed.update(names)
            case ast.arg(arg=name):
                own.add(name)
            case ast.Call(func=ast.Attribute(value=value)):
                changed |= _root(value)
            case (
                ast.Attribute(value=value, ctx=ast.Store() | ast.Del())
                | ast.Subscript(value=value, ctx=ast.Store() | ast.Del())
            ):
                changed |= _root(value)
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case _:
                pass
    declared = {name for node in ast.walk(definition) if isinstance(node, ast.Global) for name in node.names}
    if not isinstance(definition, ast.ClassDef):
        own |= bound_names(definition.body)
    return frozenset(changed - (own - declared)), frozenset(read)
