"""
Python classes by path, ``module:qualified.name``.

Data never imports a module and never runs module code: a path is followed through the dictionaries of modules that are
already loaded, and every part of it must be a class. Whoever wants a class must check what kind it is.
"""

from __future__ import annotations

import sys
from types import ModuleType

from torpor.errors import SerializationError


def class_path(cls: type) -> str:
    """Return the path of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(path: str) -> type | None:
    """Return the loaded class of a path, or None."""
    module_name, _, qualified_name = path.partition(":")
    found: object = sys.modules.get(module_name)
    for name in qualified_name.split("."):
        found = vars(found).get(name) if isinstance(found, ModuleType | type) else None
    return found if isinstance(found, type) and class_path(found) == path else None


def is_findable(cls: type) -> bool:
    """Tell whether another process that has loaded the same modules can find the class."""
    return find_class(class_path(cls)) is cls


def wanted_class(path: str, base: type) -> type:
    """
    Return the loaded class of a path, which must be a subclass of *base*.

    Raises:
        SerializationError: no loaded module has it, or it is something else.
    """
    found = find_class(path)
    if found is None:
        module = path.partition(":")[0]
        state = "has no such class" if module in sys.modules else "is not loaded"
        raise SerializationError(
            f"a value of class {path} cannot be read here: module {module!r} {state}; import the module that defines "
            "the class before reading, and keep classes of stored values where they were"
        )
    if not issubclass(found, base):
        raise SerializationError(f"{path} is no {base.__name__}, but the stored value says that it is")
    return found
