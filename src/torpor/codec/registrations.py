"""Classes that the application has registered, with names and versions; see :mod:`~torpor.codec.custom_types`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torpor.codec.classes import class_path
from torpor.codec.reducers import forget_classes
from torpor.errors import ConfigurationError, SerializationError

Migrate = Callable[[Any, int], Any]

_NAME = re.compile(r"[\w.:/+-]+")


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
