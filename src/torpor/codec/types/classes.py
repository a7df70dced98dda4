"""
Python classes by path, ``module:qualified.name``, or by the name under which the application has registered them.

Data never imports a module and never runs module code: a path is followed through the dictionaries of modules that are
already loaded, and every part of it must be a class. Whoever wants a class must check what kind it is.

What a script defines has the path that it would have if the script had been imported: ``python app.py`` and a worker
that imports ``app`` read each other's values.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from types import ModuleType
from typing import Any

from torpor.codec.values import ClassReference
from torpor.codec.wire.reducers import forget_classes
from torpor.errors import ConfigurationError, SerializationError

Migrate = Callable[[Any, int], Any]

_NAME = re.compile(r"[\w.:/+-]+")
_ITSELF = "class//python//class//"  # begins the id of a class that is meant itself


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


def reference_to(cls: type) -> ClassReference:
    """Return what stands for a class itself, where a step is called on it."""
    return ClassReference(f"{_ITSELF}{class_path(cls)}")


def class_meant(reference: ClassReference, base: type) -> type | None:
    """
    Return the loaded class that a reference stands for, if it is *base* or derived from it, or None.

    JavaScript knows a class by its file, ``class//./shop.py//Till``.
    """
    if reference.class_id.startswith(_ITSELF):
        found = find_class(reference.class_id.removeprefix(_ITSELF))
        return found if found is not None and issubclass(found, base) else None
    _, _, place = reference.class_id.partition("//")
    file, _, name = place.rpartition("//")
    return next((each for each in _with_derived(base) if each.__qualname__ == name and _stands_in(each, file)), None)


def _with_derived(base: type) -> Iterator[type]:
    yield base
    derived: type
    for derived in base.__subclasses__():
        yield from _with_derived(derived)


def _stands_in(cls: type, file: str) -> bool:
    """Tell whether a class was defined in a file of the project, such as ``./shop.py``."""
    source = getattr(sys.modules.get(cls.__module__), "__file__", None)
    parts = PurePosixPath(file).parts
    return isinstance(source, str) and bool(parts) and PurePath(source).parts[-len(parts) :] == parts


def slots_of(cls: type) -> list[str]:
    """Return the names of the slots of a class and its bases, as the interpreter mangles them."""
    names = []
    for base in reversed(cls.__mro__):
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if is_private else name)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def class_at(path: str) -> type | None:
    """Return the loaded class that stands at a path, under whatever name it was defined elsewhere; None without one."""
    return next(_standing_at(path), None)


def _classes(path: str) -> Iterator[type]:
    """Yield the loaded class of a path; a script that something has imported too has it twice, its own first."""
    return (found for found in _standing_at(path) if class_path(found) == path)


def _standing_at(path: str) -> Iterator[type]:
    module_name, _, qualified_name = path.partition(":")
    for loaded in ("__main__", module_name):
        if importable_name(loaded) != module_name:
            continue
        found: object = sys.modules.get(loaded)
        for name in qualified_name.split("."):
            found = vars(found).get(name) if isinstance(found, ModuleType | type) else None
        if isinstance(found, type):
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


@dataclass(frozen=True, slots=True)
class Registration:
    """
    How a class is written and read.

    Attributes:
        cls: the class.
        name: what it is called in stored data.
        version: the version that is written, 1 or more.
        migrate: data, version that stored it → data of this version; None when there has been no other.
        encode: value → data; None when the data are the attributes.
        decode: data of this version → value; None when the data are the attributes.
    """

    cls: type
    name: str
    version: int = 1
    migrate: Migrate | None = None
    encode: Callable[[Any], object] | None = None
    decode: Callable[[Any], object] | None = None

    def current(self, data: Any, version: int) -> Any:
        """
        Return the data that a version has stored in the form of the present one.

        Raises:
            SerializationError: the version is newer, or older and there is no way from it to this one.
        """
        if version == self.version:
            return data
        told = f"a stored {self.name} has version {version}, but the class here has {self.version}"
        if version > self.version:
            raise SerializationError(f"{told}: newer code has written it; run that code here too")
        if self.migrate is None:
            raise SerializationError(f"{told}; give @serializable a migrate=… that turns old data into new")
        try:
            return self.migrate(data, version)
        except Exception as error:
            raise SerializationError(f"{told}, and its migrate failed: {error!r}") from error


_by_class: dict[type, Registration] = {}
_by_name: dict[str, Registration] = {}


def add(registration: Registration) -> None:
    """
    Have a class written and read like this from now on.

    Raises:
        ConfigurationError: the name is taken or malformed, or the version is.
    """
    name, version, path = registration.name, registration.version, class_path(registration.cls)
    if "<locals>" in name:
        raise ConfigurationError(f"{name} is inside a function, where no other process finds it; give it a name=…")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"the name {name!r} of a serializable class; use letters, digits and . : / + - _")
    if type(version) is not int or version < 1:
        raise ConfigurationError(f"version={version!r} of the serializable class {name}; give 1 or more")
    known = _by_name.get(name)
    # A module may be loaded twice: as a script and imported, or once more in a test.
    if known is not None and class_path(known.cls) != path:
        raise ConfigurationError(
            f"{class_path(known.cls)} and {path} are both registered as {name}; give one of them another name"
        )
    _by_class[registration.cls] = _by_name[name] = registration
    forget_classes()


def registration_of(cls: type) -> Registration | None:
    """Return how a class is written and read, if it is registered itself; that of a base does not count."""
    return _by_class.get(cls)


def registration_named(name: str) -> Registration:
    """
    Return how the class of a name is written and read.

    Raises:
        SerializationError: no class here has it.
    """
    if name not in _by_name:
        raise SerializationError(
            f"a value of the registered class {name} cannot be read here, because no class is registered under this "
            "name; import the module that does it before reading"
        )
    return _by_name[name]


def data_of_today(cls: type, data: Any) -> Any:
    """Return data that were stored before their class was registered, which is version 1, as it wants them now."""
    registration = registration_of(cls)
    return data if registration is None else registration.current(data, 1)
