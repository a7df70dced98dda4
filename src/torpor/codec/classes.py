"""
Python classes by path, ``module:qualified.name``.

Data never imports a module and never runs module code: a path is followed through the dictionaries of modules that are
already loaded, and every part of it must be a class. Whoever wants a class must check what kind it is.

What a script defines has the path that it would have if the script had been imported: ``python app.py`` and a worker
that imports ``app`` read each other's values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePath
from types import ModuleType

from torpor.errors import SerializationError


def importable_name(module_name: str) -> str:
    """Return the name under which another process imports a module that is loaded here under this name."""
    if module_name != "__main__":
        return module_name
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)  # there is one after ``python -m``
    file = getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return PurePath(file).stem if isinstance(file, str) else module_name


def class_path(cls: type) -> str:
    """Return the path of a class."""
    return f"{importable_name(cls.__module__)}:{cls.__qualname__}"


def find_class(path: str) -> type | None:
    """Return the loaded class of a path, or None."""
    return next(_classes(path), None)


def is_findable(cls: type) -> bool:
    """Tell whether another process that has loaded the same modules can find the class."""
    return any(found is cls for found in _classes(class_path(cls)))


def slots_of(cls: type) -> list[str]:
    """Return the names of the slots of a class and its bases, as the interpreter mangles them."""
    names = []
    for base in reversed(cls.__mro__):
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if is_private else name)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _classes(path: str) -> Iterator[type]:
    """Yield the loaded class of a path; a script that something has imported too has it twice, its own first."""
    module_name, _, qualified_name = path.partition(":")
    for loaded in ("__main__", module_name):
        if importable_name(loaded) != module_name:
            continue
        found: object = sys.modules.get(loaded)
        for name in qualified_name.split("."):
            found = vars(found).get(name) if isinstance(found, ModuleType | type) else None
        if isinstance(found, type) and class_path(found) == path:
            yield found


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
