"""
Versions of packages that stay outside: a program that asks for one is told what it would be told outside.

Module scope decides by versions what to define (``if pydantic.VERSION >= "2"``), and must decide as it does in the
process of the application, or classes of values differ. Only versions that are asked for are a part of the program,
which is the same on machines that have the same ones.
"""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

from torpor.programs.python.scopes import Chain, chain_of
from torpor.vm.guest import Version

_ASKED_BY_NAME = {"version", "distribution", "metadata"}
"""Functions of ``importlib.metadata`` whose argument is the name of a distribution."""


def version_attribute(module: str, names: Chain) -> tuple[str, Version] | None:
    """
    Return the full name and the value of an attribute that tells a version, None if it does not.

    Args:
        module: a module that stays outside, such as ``requests``.
        names: what is taken from it, and from that: ``("__version__",)``.
    """
    for end, name in enumerate(names, 1):
        if "version" in name.lower():
            value = _loaded(module, names[:end])
            if value is None and (name == "__version__" and end == 1 and "." not in module):
                value = _of_module(module)
            if value is not None:
                return ".".join((module, *names[:end])), value
    return None


def distributions_asked_for(text: str, tree: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """
    Yield the distributions whose metadata a module seems to ask for, each with its version.

    Args:
        text, tree: the module.
        package: its outermost package, which ``__name__`` and ``__package__`` mean.
    """
    if "metadata" not in text:  # most modules need no second look
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function, args=[asked, *_]) if (chain_of(function) or ("",))[-1] in _ASKED_BY_NAME:
                match asked:
                    case ast.Constant(value=str(name)):
                        pass
                    case ast.Name(id="__name__" | "__package__"):
                        name = package
                    case _:
                        continue
                try:
                    yield name, importlib.metadata.version(name)
                except (PackageNotFoundError, ValueError):  # another function of this name, or nothing is installed
                    continue
            case _:
                pass


def _loaded(module: str, names: Chain) -> Version | None:
    """Return what the module has here, if it is loaded and the value is a text, a number or a tuple of them."""
    found = sys.modules.get(module)
    for name in names:
        found = getattr(found, name, None)
    if isinstance(found, tuple) and type(found) is tuple and all(type(part) in (str, int) for part in found):
        return found
    return found if isinstance(found, str) else None


def _of_module(top: str) -> str | None:
    """Return the version of the distribution that a module comes from."""
    names = importlib.metadata.packages_distributions().get(top, ())
    return importlib.metadata.version(names[0]) if len(names) == 1 else None
