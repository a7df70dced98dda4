"""Serializers of values that contain no others."""

from __future__ import annotations

import datetime as dt
import operator
import uuid
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .building import Config, Schema
from .errors import PydanticSerializationError, PydanticSerializationUnexpectedValue, SchemaError
from .formats import bytes_json, complex_text, date_json, duration_json, key_text, moment_json, time_json, uuid_text
from .inferring import infer, infer_key, special_text
from .serializing import STRICT, UNCHECKED, Formats, Making, Serialization, Serializer, serializes


class Any_(Serializer):  # noqa: N801  # Any is another
    __slots__ = ()
    name = "any"

    def output(self, value: Any, state: Serialization) -> Any:
        return infer(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return infer_key(value, state)


ANY = Any_()


@serializes("any", "is-instance", "is-subclass", "callable", "function-plain")
def _any(_schema: Schema, _config: Config, _making: Making) -> Serializer:
    return ANY


def foreign_key(serializer: Serializer, kind: str, value: Any, state: Serialization) -> str:
    """
    Return what becomes of a key where the schema has a kind that is none in JSON.

    Raises:
        TypeError: it is not even another one.
    """
    if value is None:
        raise TypeError(f"`{kind}` not valid as object key")
    state.warn(serializer.name, value)
    return infer_key(value, state)


class Plain(Serializer):
    """
    Of a class whose objects JSON has too, or which are written by a function.

    Attributes:
        cls: the class.
        plain: object of a subclass → object of the class.
    """

    __slots__ = ("cls", "plain")

    def __init__(self, name: str, cls: type[Any], plain: Callable[[Any], Any]) -> None:
        self.name, self.cls, self.plain = name, cls, plain

    def output(self, value: Any, state: Serialization) -> Any:
        if type(value) is self.cls:
            return value
        if not isinstance(value, self.cls):
            state.warn(self.name, value)
            return infer(value, state)
        if state.check == STRICT and self.cls is not str:
            raise PydanticSerializationUnexpectedValue
        if state.is_json:
            return self.plain(value)
        return value if self.cls is str else infer(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        if isinstance(value, self.cls):
            if type(value) is bool:
                return infer_key(value, state) if self.cls is bool else str(value)
            return str(self.plain(value))
        state.warn(self.name, value)
        return infer_key(value, state)

    @property
    def retries(self) -> bool:
        return self.cls is int


class None_(Serializer):  # noqa: N801  # None is another
    __slots__ = ()
    name = "none"

    def output(self, value: Any, state: Serialization) -> Any:
        if value is not None:
            state.warn(self.name, value)
        return infer(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        if value is not None:
            state.warn(self.name, value)
        return infer_key(value, state)


class Float(Serializer):
    __slots__ = ("inf_nan",)
    name = "float"

    def __init__(self, inf_nan: str) -> None:
        self.inf_nan = inf_nan

    def output(self, value: Any, state: Serialization) -> Any:
        if state.is_text and (hasattr(type(value), "__float__") or hasattr(type(value), "__index__")):
            number = float(value)
            if number - number == 0 or self.inf_nan == "constants":
                return number
            return None if self.inf_nan == "null" else special_text(number)
        if type(value) is float:
            return value
        if not isinstance(value, int | float):
            state.warn(self.name, value)
            return infer(value, state)
        if state.check == STRICT:
            raise PydanticSerializationUnexpectedValue
        return float(value) if state.is_json else infer(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        if isinstance(value, int | float):
            return str(value)
        state.warn(self.name, value)
        return infer_key(value, state)


class Written(Serializer):
    """
    Of a class whose objects JSON has not.

    Attributes:
        write: object → what stands for it in JSON.
    """

    __slots__ = ("cls", "other", "write", "write_key")

    def __init__(
        self,
        name: str,
        cls: type[Any],
        write: Callable[[Any], Any],
        other: type | None = None,
        write_key: Callable[[Any], str] | None = None,
    ) -> None:
        self.name, self.cls, self.write, self.other = name, cls, write, other
        self.write_key = write_key or (lambda value: key_text(write(value)))

    def _fits(self, value: Any, state: Serialization) -> bool:
        if isinstance(value, self.cls) and not (self.other is not None and isinstance(value, self.other)):
            return True
        state.warn(self.name, value)
        return False

    def output(self, value: Any, state: Serialization) -> Any:
        if not self._fits(value, state):
            return infer(value, state)
        return self.write(value) if state.is_json else value

    def key(self, value: Any, state: Serialization) -> str:
        return self.write_key(value) if self._fits(value, state) else infer_key(value, state)


class ComplexSerializer(Written):
    """Writes complex numbers, which are no keys."""

    __slots__ = ()

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, "complex", value, state)


class FractionSerializer(Written):
    """Writes fractions as texts, in Python too."""

    __slots__ = ()

    def output(self, value: Any, state: Serialization) -> Any:
        return str(value) if self._fits(value, state) else infer(value, state)


@serializes("none", "int", "bool", "str", "float")
def _plain(schema: Schema, config: Config, _making: Making) -> Serializer:
    kind = schema["type"]
    if kind == "none":
        return None_()
    if kind == "float":
        return Float(Formats(config).inf_nan)
    classes: dict[str, tuple[type[Any], Callable[[Any], Any]]]
    classes = {"int": (int, int), "bool": (bool, bool), "str": (str, "".join)}
    cls, plain = classes[kind]
    return Plain(kind, cls, plain)


@serializes("decimal", "fraction", "bytes", "datetime", "date", "time", "timedelta", "uuid", "complex")
def _written(schema: Schema, config: Config, _making: Making) -> Serializer:
    kind, formats = schema["type"], Formats(config)
    if kind == "complex":
        return ComplexSerializer("complex", complex, complex_text)
    if kind == "fraction":
        return FractionSerializer("fraction", Fraction, str)
    classes: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
        "decimal": (Decimal, str),
        "bytes": (bytes, lambda value: bytes_json(value, formats.bytes_mode)),
        "datetime": (dt.datetime, lambda value: moment_json(value, formats.temporal)),
        "date": (dt.date, lambda value: date_json(value, formats.temporal)),
        "time": (dt.time, lambda value: time_json(value, formats.temporal)),
        "timedelta": (dt.timedelta, lambda value: duration_json(value, formats.timedelta)),
        "uuid": (uuid.UUID, uuid_text),
    }
    cls, write = classes[kind]
    return Written(kind, cls, write, dt.datetime if kind == "date" else None)


class Literal(Serializer):
    """
    Of some values, which only the member of a union looks at.

    Attributes:
        numbers, texts, others: which.
    """

    __slots__ = ("numbers", "others", "texts")

    def __init__(self, expected: list[Any]) -> None:
        if not expected:
            raise SchemaError("`expected` should have length > 0")
        self.name = f"literal[{','.join(map(repr, expected))}]"
        self.numbers = {int(each) for each in expected if _is_number(each)}
        self.texts = {str.__str__(each) for each in expected if isinstance(each, str) and not _is_number(each)}
        self.others = [each for each in expected if not _is_number(each) and not isinstance(each, str)]

    def _check(self, value: Any, state: Serialization) -> None:
        if state.check == UNCHECKED or (_is_number(value) and operator.index(value) in self.numbers):
            return
        if not (isinstance(value, str) and str.__str__(value) in self.texts) and value not in self.others:
            state.warn(self.name, value)

    def output(self, value: Any, state: Serialization) -> Any:
        self._check(value, state)
        return infer(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        self._check(value, state)
        return infer_key(value, state)


def _is_number(value: Any) -> bool:
    return hasattr(type(value), "__index__") and not isinstance(value, bool)


@serializes("literal")
def _literal(schema: Schema, _config: Config, _making: Making) -> Serializer:
    return Literal(schema["expected"])


class EnumSerializer(Serializer):
    """Writes members of an enumeration as their values."""

    __slots__ = ("cls", "value")
    name = "enum"

    def __init__(self, cls: type[Any], value: Serializer) -> None:
        self.cls, self.value = cls, value

    def output(self, value: Any, state: Serialization) -> Any:
        if type(value) is not self.cls:
            state.warn(self.name, value)
            return infer(value, state)
        return self.value.output(value.value, state) if state.is_json else value

    def key(self, value: Any, state: Serialization) -> str:
        if type(value) is not self.cls:
            state.warn(self.name, value)
            return infer_key(value, state)
        return self.value.key(value.value, state)

    @property
    def retries(self) -> bool:
        return self.value.retries


@serializes("enum")
def _enum(schema: Schema, config: Config, making: Making) -> Serializer:
    kind = schema.get("sub_type")
    return EnumSerializer(schema["cls"], ANY if kind is None else making.make({"type": kind}, config))


class Format(Serializer):
    """Writes values by ``format(value, text)``, or as texts."""

    __slots__ = ("text", "when")

    def __init__(self, text: str | None, when: str) -> None:
        self.text, self.when, self.name = text, when, "to-string" if text is None else "format"

    def _written(self, value: Any) -> str:
        if self.text is None:
            return str(value)
        try:
            return format(value, self.text)
        except Exception as error:  # noqa: BLE001  # whatever the class of the author's raises
            words = f"Error calling `format(value, {self.text!r})`: {type(error).__name__}: {error}"
        raise PydanticSerializationError(words)

    def output(self, value: Any, state: Serialization) -> Any:
        return self._written(value) if is_used(self.when, value, state) else value

    def key(self, value: Any, state: Serialization) -> str:
        return self._written(value) if is_used(self.when, value, state, is_key=True) else "None"


def is_used(when: str, value: Any, state: Serialization, *, is_key: bool = False) -> bool:
    """Tell whether a serializer is used for a value."""
    if when in ("json", "json-unless-none") and not (state.is_json or is_key):
        return False
    return when in ("always", "json") or value is not None


@serializes("format", "to-string")
def _format(schema: Schema, _config: Config, _making: Making) -> Serializer:
    text = schema.get("formatting_string") or None
    return Format(text, schema.get("when_used", "json-unless-none"))


class Sentinel(Serializer):
    """
    Of a value that is always the same, which JSON lacks.

    Attributes:
        what: what it is called.
        is_it: tells whether a value is that.
        inner: of any other value; None if there is none.
    """

    __slots__ = ("inner", "is_it", "what")

    def __init__(self, name: str, what: str, is_it: Callable[[Any], bool], inner: Serializer | None) -> None:
        self.name, self.what, self.is_it, self.inner = name, what, is_it, inner

    def output(self, value: Any, state: Serialization) -> Any:
        is_it = self.is_it(value)
        if self.inner is not None and not is_it:
            return self.inner.output(value, state)
        name = self.what.partition(" ")[0]
        if state.is_text:
            error = PydanticSerializationError(f"Error serializing to JSON: {name} can't be serialized to JSON")
            error.is_of_value = True
            raise error
        if not is_it:
            raise PydanticSerializationUnexpectedValue(f"Expected {self.what}")
        return value

    def key(self, value: Any, state: Serialization) -> str:
        return (ANY if self.inner is None else self.inner).key(value, state)


@serializes("missing-sentinel", "ellipsis")
def _sentinel(schema: Schema, config: Config, making: Making) -> Serializer:
    from .others import missing  # noqa: PLC0415  # of the other half of this package

    if schema["type"] == "ellipsis":
        return Sentinel("ellipsis", "'Ellipsis' object", lambda value: value is ..., None)
    inner = making.make(schema["schema"], config) if schema.get("schema") else None
    return Sentinel("missing-sentinel", "'MISSING' sentinel", lambda value: value is missing(), inner)


def run(serializer: Serializer, value: Any, state: Serialization) -> Any:
    """Return what becomes of a part of a value; the caller may want all parts to be taken for what they are."""
    return infer(value, state) if state.as_any else serializer.output(value, state)


def run_key(serializer: Serializer, value: Any, state: Serialization) -> str:
    """Return the same of a key."""
    return infer_key(value, state) if state.as_any else serializer.key(value, state)
