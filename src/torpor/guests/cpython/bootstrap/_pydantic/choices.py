"""Validators of literals, enumerations, classes and callables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .building import Building, Config, Schema, builds, is_strict
from .errors import Invalid, SchemaError, invalid
from .numbers import INT64
from .scalars import Float, int_of
from .state import LAX, State, Validator
from .strings import text_value


class Lookup:
    """What values stand for: bools are no integers, and equal numbers are the same only if nothing is closer."""

    __slots__ = ("_bools", "_hashable", "_integers", "_others", "_primitive", "_texts")

    def __init__(self, expected: Iterable[tuple[Any, Any]]) -> None:
        self._bools: dict[Any, tuple[Any]] = {}
        self._integers: dict[Any, tuple[Any]] = {}
        self._texts: dict[Any, tuple[Any]] = {}
        self._hashable: dict[Any, tuple[Any]] = {}
        self._primitive: dict[Any, tuple[Any]] = {}
        self._others: list[tuple[Any, tuple[Any]]] = []
        for key, meaning in expected:
            if isinstance(key, bool):
                self._bools[key] = self._primitive[key] = (meaning,)
            if type(key) is int and -INT64 <= key < INT64:
                self._integers[key] = self._primitive[key] = (meaning,)
            elif type(key) is str:
                self._texts[key] = self._primitive[key] = (meaning,)
            else:
                try:
                    self._hashable[key] = (meaning,)
                except TypeError:
                    self._others.append((key, (meaning,)))

    def find(self, value: Any) -> tuple[Any] | None:
        """Return what a value stands for, in a tuple; None if it is unknown."""
        kinds: tuple[tuple[bool, dict[Any, tuple[Any]]], ...] = (
            (isinstance(value, bool), self._bools),
            (type(value) is int, self._integers),
            (type(value) is str, self._texts),
        )
        for is_kind, table in kinds:
            if is_kind and table is self._integers and table:
                _check_size(value)
            if is_kind and (found := _get(table, value)) is not None:
                return found
        if (found := _get(self._hashable, value)) is not None:
            return found
        for key, meaning in self._others:
            try:
                if key == value:
                    return meaning
            except Exception:  # noqa: BLE001, S112  # what cannot be compared is something else
                continue
        return _get(self._primitive, value)

    def find_int(self, value: Any, strict: bool) -> tuple[Any] | None:
        """Return what a value stands for as an integer."""
        if not self._integers:
            return None
        try:
            number = int_of(value, strict)[0]
        except Invalid:
            return None
        _check_size(number)
        return self._integers.get(number)

    def find_text(self, value: Any, state: State, strict: bool) -> tuple[Any] | None:
        """Return what a value stands for as a text."""
        try:
            return self._texts.get(text_value(value, State(state.source), strict)) if self._texts else None
        except Invalid:
            return None

    def find_float(self, value: Any, strict: bool) -> tuple[Any] | None:
        """Return what a value stands for as a float."""
        try:
            return _get(self._hashable, Float(strict, finite=False).validate(value, State("python")))
        except Invalid:
            return None


def _check_size(number: Any) -> None:
    """Raise the error of an integer with which pydantic does not look; of an enumeration it may be no integer."""
    if not isinstance(number, int) or not -INT64 <= number < INT64:
        raise invalid("int_parsing_size", number)


def _get(table: dict[Any, tuple[Any]], value: Any) -> tuple[Any] | None:
    try:
        return table.get(value)
    except TypeError:  # it has no hash
        return None


def listed(values: list[Any]) -> str:
    """Return values as a text that enumerates them."""
    *first, last = map(repr, values)
    return f"{', '.join(first)} or {last}" if first else last


class Literal(Validator):
    __slots__ = ("expected", "lookup")

    def __init__(self, expected: list[Any]) -> None:
        self.lookup, self.expected = Lookup((each, each) for each in expected), listed(expected)
        self.name = f"literal[{','.join(map(repr, expected))}]"

    def validate(self, value: Any, _state: State) -> Any:
        if (found := self.lookup.find(value)) is None:
            raise invalid("literal_error", value, expected=self.expected)
        return found[0]


@builds("literal")
def _literal(schema: Schema, _config: Config, _building: Building) -> Validator:
    if not schema["expected"]:
        raise SchemaError("`expected` should have length > 0")
    return Literal(schema["expected"])


class EnumValidator(Validator):
    """Makes members of an enumeration of their values."""

    __slots__ = ("class_name", "cls", "expected", "kind", "lookup", "strict")

    def __init__(self, schema: Schema, strict: bool) -> None:
        self.cls, self.kind, self.strict = schema["cls"], schema.get("sub_type"), strict
        values = [member.value for member in schema["members"]]
        self.lookup, self.expected = Lookup(zip(values, schema["members"], strict=True)), listed(values)
        self.class_name = class_name(schema)
        self.name = f"{f'{self.kind}-' if self.kind else ''}enum[{self.class_name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.source == "python" and type(value) is self.cls:
            return value
        strict = state.is_strict(self.strict)
        if strict and state.mode == "python":
            raise invalid("is_instance_of", value, **{"class": self.class_name})
        state.floor(LAX)
        if (found := self._found(value, state, strict)) is not None:
            return found[0]
        try:
            return self.cls(value)
        except ValueError:
            pass
        raise invalid("enum", value, expected=self.expected)

    def _found(self, value: Any, state: State, strict: bool) -> tuple[Any] | None:
        if self.kind == "int":
            return self.lookup.find_int(value, strict)
        if self.kind == "str":
            return self.lookup.find_text(value, state, strict)
        if self.kind == "float":
            return self.lookup.find_float(value, strict)
        found = self.lookup.find(value)
        if found is None and not strict and state.source == "python":
            if isinstance(value, str):
                return self.lookup.find_text(value, state, strict=False)
            if isinstance(value, int | float):
                return self.lookup.find_int(value, strict=False)
        return found


def class_name(schema: Schema) -> str:
    """Return what the class of a schema is called in errors."""
    said, cls = schema.get("cls_repr"), schema["cls"]
    name: str = said or (cls.__qualname__ if isinstance(cls, type) else repr(cls))
    return name


@builds("enum")
def _enum(schema: Schema, config: Config, _building: Building) -> Validator:
    if not schema["members"]:
        raise SchemaError("`members` should have length > 0")
    return EnumValidator(schema, is_strict(schema, config))


class IsInstance(Validator):
    __slots__ = ("class_name", "cls")

    def __init__(self, schema: Schema) -> None:
        self.cls, self.class_name = schema["cls"], class_name(schema)
        self.name = f"is-instance[{self.class_name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.source != "python":
            raise invalid("needs_python_object", value, method_name="isinstance")
        if not isinstance(value, self.cls):
            raise invalid("is_instance_of", value, **{"class": self.class_name})
        return value


@builds("is-instance")
def _is_instance(schema: Schema, _config: Config, _building: Building) -> Validator:
    return IsInstance(schema)


class IsSubclass(Validator):
    __slots__ = ("class_name", "cls")

    def __init__(self, schema: Schema) -> None:
        self.cls, self.class_name = schema["cls"], class_name(schema)
        self.name = f"is-subclass[{self.class_name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.source != "python":
            raise invalid("needs_python_object", value, method_name="issubclass")
        if not isinstance(value, type) or not issubclass(value, self.cls):
            raise invalid("is_subclass_of", value, **{"class": self.class_name})
        return value


@builds("is-subclass")
def _is_subclass(schema: Schema, _config: Config, _building: Building) -> Validator:
    return IsSubclass(schema)


class Callable_(Validator):  # noqa: N801  # Callable is another
    __slots__ = ()
    name = "callable"

    def validate(self, value: Any, state: State) -> Any:
        state.floor(LAX)
        if state.source != "python" or not callable(value):
            raise invalid("callable_type", value)
        return value


@builds("callable")
def _callable(_schema: Schema, _config: Config, _building: Building) -> Validator:
    return Callable_()


class Ellipsis_(Validator):  # noqa: N801  # Ellipsis is another
    __slots__ = ()
    name = "ellipsis"

    def validate(self, value: Any, _state: State) -> Any:
        if value is not ...:
            raise invalid("ellipsis_error", value)
        return value


@builds("ellipsis")
def _ellipsis(_schema: Schema, _config: Config, _building: Building) -> Validator:
    return Ellipsis_()
