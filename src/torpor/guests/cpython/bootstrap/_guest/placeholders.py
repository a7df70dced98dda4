"""
Modules that the guest lacks: placeholders which are harmless while modules load and refuse to be used afterwards.

Module scope does all sorts of things with what it imports: it derives classes, decorates, calls and subscripts. While
the program loads a placeholder takes part in all of it. Names that begin with a capital letter are classes, derived
from Exception so that they may stand in ``except`` clauses, where they never match; other names are objects. Comparing
one with a value would decide by what is not known, and is refused; but versions are known. Once a run has begun, any
other use raises NotInWorkflowError too, unless a module is being imported late.
"""

from __future__ import annotations

import builtins
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NoReturn, Protocol

from torpor.errors import NotInWorkflowError

from .finder import author_place, is_importing
from .run import run


class Origin:
    """
    Where a placeholder comes from.

    Attributes:
        name: what it stands for, such as ``requests.get``.
        why: why it is absent.
        place: ``file:line`` of the import.
        advice: what to do instead.
        versions: attributes that are known, by their full names.
    """

    __slots__ = ("advice", "name", "place", "versions", "why")

    def __init__(self, name: str, why: str, place: str, advice: str, versions: Mapping[str, Any]) -> None:
        self.name, self.why, self.place, self.advice, self.versions = name, why, place, advice, versions

    def named(self, name: str) -> Origin:
        """Return the origin of an attribute."""
        return Origin(f"{self.name}.{name}", self.why, self.place, self.advice, self.versions)

    def part(self, name: str) -> Any:
        """Return an attribute: a version that is known, or a placeholder."""
        origin = self.named(name)
        if origin.name in self.versions:
            return self.versions[origin.name]
        return _class(origin, name) if name[:1].isupper() else Placeholder(origin)

    def compared(self) -> NoReturn:
        """
        Refuse to be compared.

        Raises:
            NotInWorkflowError: always.
        """
        self.refuse("compared", "decide in a step, or where workflow code does not reach it")

    def used(self) -> None:
        """
        Take note of a use.

        Raises:
            NotInWorkflowError: a run has begun, and this is no module that it imports late.
        """
        if run.phase != "loading" and not is_importing():
            self.refuse()

    def refuse(self, done: str = "used", advice: str = "") -> NoReturn:
        at = author_place(sys._getframe(1)) or "an unknown place"  # noqa: SLF001  # there is no other way to ask
        imported = f", imported at {self.place}" if self.place else ""
        why = "; ".join(filter(None, (self.why, advice or self.advice)))
        raise NotInWorkflowError(f"{self.name} cannot be {done} in a workflow ({at}{imported}): {why}")


def _is_internal(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name != "__version__"


class Placeholder:
    """An object that the guest lacks."""

    def __init__(self, origin: Origin) -> None:
        object.__setattr__(self, "_torpor_origin", origin)

    def __getattr__(self, name: str) -> Any:
        if _is_internal(name):
            raise AttributeError(name)
        origin: Origin = object.__getattribute__(self, "_torpor_origin")
        origin.named(name).used()
        return origin.part(name)

    def __setattr__(self, name: str, value: object) -> None:
        self._torpor_origin.used()

    def __delattr__(self, name: str) -> None:
        self._torpor_origin.used()

    def __call__(self, *args: Any, **_kwargs: Any) -> Any:
        self._torpor_origin.used()
        return _called(args) or Placeholder(self._torpor_origin)

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_class(self._torpor_origin, "Absent"),)

    def __iter__(self) -> Iterator[Any]:
        self._torpor_origin.used()
        return iter(())

    def __enter__(self) -> Any:
        self._torpor_origin.used()
        return self

    def __exit__(self, *_: object) -> None:
        self._torpor_origin.used()

    def __setitem__(self, _key: object, _value: object) -> None:
        self._torpor_origin.used()

    def __len__(self) -> int:
        self._torpor_origin.used()
        return 0

    def __index__(self) -> int:
        self._torpor_origin.used()
        return 0

    def __bool__(self) -> bool:
        self._torpor_origin.used()
        return True

    def __contains__(self, _item: object) -> bool:
        self._torpor_origin.used()
        return False

    def __instancecheck__(self, _instance: object) -> bool:
        return False

    def __subclasscheck__(self, _subclass: type) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._torpor_origin.name}, which the workflow does not have>"

    __hash__ = object.__hash__


def _operator(self: Any, *_operands: object) -> Any:
    self._torpor_origin.used()
    return self


def _ordered(self: Any, _other: object) -> bool:
    origin: Origin = self._torpor_origin
    origin.compared()


def _equal(self: Any, other: object) -> bool:
    if isinstance(other, _VALUES):
        self._torpor_origin.compared()
    return self is other


def _unequal(self: Any, other: object) -> bool:
    return not _equal(self, other)


_OPERATORS = (
    "getitem add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow or ror and rand xor rxor"
    " lshift rshift matmul neg pos abs invert await aiter aenter aexit"
)
for _name in _OPERATORS.split():
    setattr(Placeholder, f"__{_name}__", _operator)
_VALUES = (str, bytes, int, float, tuple)
"""To be equal to one is a decision; asyncio and dataclasses ask other objects all the time, and mean identity."""

_COMPARISONS: dict[str, Any] = dict.fromkeys(("lt", "le", "gt", "ge"), _ordered) | {"eq": _equal, "ne": _unequal}
for _name, _comparison in _COMPARISONS.items():
    setattr(Placeholder, f"__{_name}__", _comparison)


class _AbsentType(ABCMeta):
    """The class of classes that the guest lacks."""

    _torpor_origin: Origin

    def __getattr__(cls, name: str) -> Any:
        if _is_internal(name) or name.startswith("_abc_"):
            raise AttributeError(name)
        cls._torpor_origin.named(name).used()
        return cls._torpor_origin.part(name)

    def __call__(cls, *args: Any, **_kwargs: Any) -> Any:
        cls._torpor_origin.used()
        return _called(args) or Placeholder(cls._torpor_origin)

    def __lt__(cls, _other: object) -> bool:
        return cls._torpor_origin.compared()

    __le__ = __gt__ = __ge__ = __lt__

    def __getitem__(cls, _item: object) -> Any:
        cls._torpor_origin.used()
        return cls

    def __instancecheck__(cls, _instance: object) -> bool:
        return False

    def __subclasscheck__(cls, subclass: type) -> bool:
        return cls in subclass.__mro__


def _class(origin: Origin, name: str) -> type:
    return _AbsentType(name, (Exception,), _body(origin))


def _body(origin: Origin) -> dict[str, Any]:
    def __init_subclass__(cls: type, **_keywords: Any) -> None:  # noqa: N807  # that is its name
        """Take what the class outside takes: ``class Hero(SQLModel, table=True)``."""

    module = origin.name.rpartition(".")[0] or origin.name
    return {"_torpor_origin": origin, "__module__": module, "__init_subclass__": __init_subclass__}


class _Plain:
    """What stands for an absent class where it would not go together with others: those have their own metaclass."""

    _torpor_origin: Origin

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self._torpor_origin.used()

    def __getattr__(self, name: str) -> Any:
        if _is_internal(name) or name.startswith("_"):
            raise AttributeError(name)
        self._torpor_origin.named(name).used()
        return self._torpor_origin.part(name)


def install() -> None:
    """Let classes have absent bases beside any others, and absent metaclasses."""
    build = builtins.__build_class__

    def build_class(body: Callable[[], Any], name: str, /, *bases: Any, metaclass: Any = None, **keywords: Any) -> Any:
        bases = tuple(base.__mro_entries__(bases)[0] if isinstance(base, Placeholder) else base for base in bases)
        if isinstance(metaclass, _AbsentType):
            metaclass, keywords = None, {}  # which are the metaclass's
        if any(isinstance(base, _AbsentType) for base in bases):
            bases = _agreeing(bases, metaclass)
        if metaclass is not None:
            keywords["metaclass"] = metaclass
        return build(body, name, *bases, **keywords)

    builtins.__build_class__ = build_class


def _agreeing(bases: tuple[Any, ...], metaclass: Any) -> tuple[Any, ...]:
    """Return bases that go together."""
    if any(getattr(base, "__origin__", base) is Protocol for base in bases):  # which takes protocols only
        return tuple(base for base in bases if not isinstance(base, _AbsentType))
    if metaclass is None and all(map(_is_easy, bases)):
        return bases
    return tuple(map(_plain, bases))


def _is_easy(base: Any) -> bool:
    """Tell whether this goes together with an absent class, which is an exception with a metaclass of its own."""
    if not isinstance(base, type) or isinstance(base, _AbsentType):
        return True
    return type(base) in (type, ABCMeta) and base.__basicsize__ <= _Plain.__basicsize__


def _plain(base: Any) -> Any:
    origin = base._torpor_origin if isinstance(base, _AbsentType) else None  # noqa: SLF001  # its own module
    return base if origin is None else type(base.__name__, (_Plain,), _body(origin))


def _called(args: tuple[Any, ...]) -> Any:
    """Return what a call at module scope gives when it looks like a decorator's: what is decorated."""
    is_decorated = len(args) == 1 and (isinstance(args[0], type) or hasattr(args[0], "__code__"))
    return args[0] if is_decorated else None


class AbsentModule(ModuleType):
    """A module that the guest lacks."""

    def __getattr__(self, name: str) -> Any:
        if _is_internal(name):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        origin: Origin = vars(self)["__torpor_origin__"]
        origin.named(name).used()
        found = origin.part(name)
        vars(self)[name] = found
        return found
