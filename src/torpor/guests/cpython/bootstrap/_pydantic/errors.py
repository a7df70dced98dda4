"""
Errors of validation.

Inside this package a failure is :class:`Invalid` with a :class:`Line` for each thing that is wrong; what callers get
is a :class:`ValidationError` made of these lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Self

from .messages import TEMPLATES, rendered, required
from .rendering import shortened, shown

MODULE: Final = "pydantic_core._pydantic_core"
"""Where the classes of this package are found by their users."""

URL: Final = "https://errors.pydantic.dev/{}/v/"


class SchemaError(Exception):
    """A schema is none that a validator or serializer can be made of."""

    __module__ = MODULE

    def error_count(self) -> int:
        """Return how many errors the schema has."""
        return 0

    def errors(self) -> list[Any]:
        """Return the details of each."""
        return []


class PydanticOmit(Exception):  # noqa: N818  # pydantic's name
    """Raised by a function that wants its value to be left out."""

    __module__ = MODULE

    def __repr__(self) -> str:
        return "PydanticOmit()"

    __str__ = __repr__


class PydanticUseDefault(Exception):  # noqa: N818  # pydantic's name
    """Raised by a validator that wants the default of its field."""

    __module__ = MODULE

    def __repr__(self) -> str:
        return "PydanticUseDefault()"

    __str__ = __repr__


class PydanticCustomError(ValueError):
    """Raised by a validator for an error of a type of its own."""

    __module__ = MODULE
    __slots__ = ("_context", "_template", "_type")

    def __init__(self, error_type: str, message_template: str, context: dict[str, Any] | None = None, /) -> None:
        super().__init__(
            *((error_type, message_template) if context is None else (error_type, message_template, context))
        )
        self._type, self._template, self._context = error_type, message_template, context

    @property
    def type(self) -> str:
        """The error's type."""
        return self._type

    @property
    def message_template(self) -> str:
        """Its text, with names in braces."""
        return self._template

    @property
    def context(self) -> dict[str, Any] | None:
        """The values of the names."""
        return self._context

    def message(self) -> str:
        """Return the text with its values."""
        message = self._template
        for name, value in (self._context or {}).items():
            message = message.replace("{" + name + "}", str(value))
        return message

    def __str__(self) -> str:
        return self.message()

    def __repr__(self) -> str:
        return f"{self.message()} [type={self._type}, context={self._context}]"


class PydanticKnownError(ValueError):
    """Raised by a validator for an error of a type that is known."""

    __module__ = MODULE
    __slots__ = ("_context", "_type")

    def __init__(self, error_type: str, context: dict[str, Any] | None = None, /) -> None:
        super().__init__(*((error_type,) if context is None else (error_type, context)))
        _check_known(error_type, context)
        self._type, self._context = error_type, context

    @property
    def type(self) -> str:
        """The error's type."""
        return self._type

    @property
    def message_template(self) -> str:
        """Its text, with names in braces."""
        return TEMPLATES[self._type]

    @property
    def context(self) -> dict[str, Any] | None:
        """The values of the names."""
        return None if self._context is None else dict(self._context)

    def message(self) -> str:
        """Return the text with its values."""
        return rendered(self._type, self._context or {}, of_json=False)

    def __str__(self) -> str:
        return self.message()

    def __repr__(self) -> str:
        return f"{self.message()} [type={self._type}, context={self._context}]"


def _check_known(error_type: str, context: dict[str, Any] | None) -> None:
    if error_type not in TEMPLATES:
        raise KeyError(f"Invalid error type: '{error_type}'")
    for name in required(error_type):
        if name not in (context or {}):
            raise TypeError(f"{error_type}: '{name}' required in context")


class Line:
    """
    One thing that is wrong.

    Attributes:
        type: its type; that of ``custom`` if there is one.
        context: values of its text.
        loc: where it is, the innermost part first.
        input: what was there.
        custom: the error of the author's that it is, None for a type that is known.
    """

    __slots__ = ("context", "custom", "input", "loc", "type")

    def __init__(
        self,
        error_type: str,
        value: Any,
        context: dict[str, Any] | None = None,
        loc: Iterable[int | str] = (),
        custom: PydanticCustomError | None = None,
    ) -> None:
        self.type, self.input, self.context, self.loc, self.custom = error_type, value, context, list(loc), custom

    def message(self, *, of_json: bool) -> str:
        """Return its text."""
        if self.custom is not None:
            return self.custom.message()
        return rendered(self.type, self.context or {}, of_json=of_json)

    def at(self, item: Any) -> Self:
        """Say that it is inside of something."""
        self.loc.append(location_item(item))
        return self


class Invalid(Exception):  # noqa: N818  # internal: no error that anybody sees
    """Validation failed."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def at(self, item: Any) -> list[Line]:
        """Return the lines, inside of something."""
        place = location_item(item)
        for line in self.lines:
            line.loc.append(place)
        return self.lines


def location_item(item: Any) -> int | str:
    """Return what stands in a location for a key."""
    if isinstance(item, str):
        return str(item)
    if isinstance(item, int) and -(2**63) <= item < 2**63:
        return int(item)
    return shown(item)


def invalid(error_type: str, value: Any, **context: Any) -> Invalid:
    """Return a failure with one line."""
    return Invalid([Line(error_type, value, context or None)])


def failure_of(error: BaseException, value: Any) -> Invalid | None:
    """Return the failure that an exception of an author's function is; None for one that is none."""
    if isinstance(error, PydanticCustomError):
        return Invalid([custom_line(error, value)])
    if isinstance(error, PydanticKnownError):
        return Invalid([Line(error.type, value, error.context)])
    if isinstance(error, ValidationError):
        return Invalid([Line(one.type, one.input, one.context, one.loc, one.custom) for one in error.lines])
    if isinstance(error, ValueError):
        return Invalid([Line("value_error", value, {"error": error})])
    if isinstance(error, AssertionError):
        return Invalid([Line("assertion_error", value, {"error": error})])
    return None


def custom_line(error: PydanticCustomError, value: Any) -> Line:
    """Return the line of an error of the author's."""
    return Line(error.type, value, error.context, custom=error)


_version = ["latest"]


def set_version(version: str) -> None:
    """Say which pydantic the addresses of errors are for."""
    _version[0] = ".".join(version.split(".")[:2])


class ValidationError(ValueError):
    """A value is not what a schema says; see :meth:`errors`."""

    __module__ = MODULE
    __slots__ = ("_hide_input", "_input_type", "_title", "lines")

    lines: list[Line]
    _title: str
    _input_type: str
    _hide_input: bool

    def __new__(
        cls, title: str, line_errors: list[Line], input_type: str = "python", hide_input: bool = False
    ) -> Self:  # pydantic's signature
        """Make one of lines."""
        if input_type not in ("python", "json", "string"):
            raise ValueError(f"Invalid input type: {input_type}")
        error = super().__new__(cls)
        error._title, error.lines = title, list(line_errors)
        error._input_type, error._hide_input = input_type, hide_input
        return error

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        super().__init__()

    @classmethod
    def from_exception_data(
        cls, title: str, line_errors: list[dict[str, Any]], input_type: str = "python", hide_input: bool = False
    ) -> Self:
        """Make one of what :meth:`errors` returns."""
        return cls(title, [_line_of(each) for each in line_errors], input_type, hide_input)

    @property
    def title(self) -> str:
        """What was validated."""
        return self._title

    def error_count(self) -> int:
        """Return how many things are wrong."""
        return len(self.lines)

    def errors(
        self, *, include_url: bool = True, include_context: bool = True, include_input: bool = True
    ) -> list[dict[str, Any]]:
        """Return what is wrong, each with type, place and text."""
        return [self._described(line, include_url, include_context, include_input) for line in self.lines]

    def json(
        self,
        *,
        indent: int | None = None,
        include_url: bool = True,
        include_context: bool = True,
        include_input: bool = True,
    ) -> str:
        """Return :meth:`errors` as JSON."""
        from .inferring import to_json_text  # noqa: PLC0415  # which raises errors of this module

        errors = self.errors(include_url=False, include_context=include_context, include_input=include_input)
        if include_url:
            for error, line in zip(errors, self.lines, strict=True):
                error["url"] = _address(line)
        try:
            return to_json_text(errors, indent)
        except ValueError as failure:
            raise ValueError(f"Error serializing ValidationError to JSON: {failure}") from None

    def _described(self, line: Line, include_url: bool, include_context: bool, include_input: bool) -> dict[str, Any]:
        told: dict[str, Any] = {"type": line.type, "loc": tuple(reversed(line.loc))}
        told["msg"] = line.message(of_json=self._input_type != "python")
        if include_input:
            told["input"] = line.input
        if include_context and line.context is not None:
            told["ctx"] = dict(line.context)
        if include_url and line.custom is None:
            told["url"] = _address(line)
        return told

    def __str__(self) -> str:
        count = len(self.lines)
        head = f"{count} validation error{'' if count == 1 else 's'} for {self._title}"
        return "\n".join((head, *map(self._pretty, self.lines)))

    __repr__ = __str__

    def _pretty(self, line: Line) -> str:
        place = ".".join(f"`{item}`" if isinstance(item, str) and "." in item else f"{item}" for item in line.loc[::-1])
        text = f"{place}\n" if line.loc else ""
        text += f"  {line.message(of_json=self._input_type != 'python')} [type={line.type}"
        if not self._hide_input and line.type != "default_factory_not_called":
            text += f", input_value={shortened(shown(line.input))}, input_type={type(line.input).__qualname__}"
        text += "]"
        if line.custom is None:
            text += f"\n    For further information visit {_address(line)}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        errors = self.errors()
        for error, line in zip(errors, self.lines, strict=True):
            if line.custom is not None:
                error["type"] = line.custom
        return type(self).from_exception_data, (self._title, errors, self._input_type, self._hide_input)


def _address(line: Line) -> str:
    return URL.format(_version[0]) + line.type


def _line_of(told: dict[str, Any]) -> Line:
    error_type, value, context = told["type"], told.get("input"), told.get("ctx")
    loc = told.get("loc", ())
    if not isinstance(loc, tuple | list):
        raise TypeError("Location must be a list or tuple of strings and ints")
    where = [location_item(item) for item in reversed(loc)]
    if isinstance(error_type, PydanticCustomError):
        return Line(error_type.type, value, error_type.context, where, error_type)
    if not isinstance(error_type, str):
        raise TypeError("`type` should be a `str` or `PydanticCustomError`")
    _check_known(error_type, context)
    return Line(error_type, value, context, where)


class PydanticSerializationError(ValueError):
    """
    A value cannot be serialized.

    Attributes:
        is_of_value: whether it is about a value for which JSON text has no form, and says all that there is to say.
    """

    __module__ = MODULE
    __slots__ = ("is_of_value",)

    def __init__(self, message: str, /) -> None:
        super().__init__(message)
        self.is_of_value = False

    def __repr__(self) -> str:
        return f"PydanticSerializationError({self})"


class PydanticSerializationUnexpectedValue(ValueError):  # noqa: N818  # pydantic's name
    """A value is not of the type that a serializer expects."""

    __module__ = MODULE
    __slots__ = ("_field_name", "_field_type", "_message", "_value")

    def __init__(
        self, message: str | None = None, field_name: str | None = None, field_type: str | None = None, *value: Any
    ) -> None:
        super().__init__(message, field_name, field_type, *value)
        self._message, self._field_name, self._field_type, self._value = message, field_name, field_type, value

    def __str__(self) -> str:
        text = self._message or ""
        if self._field_type is not None:
            text += f"{': ' if text else ''}Expected `{self._field_type}`"
            text += " - serialized value may not be as expected" if self._value else ""
        if self._value:
            (value,) = self._value
            field = f"field_name={self._field_name!r}, " if self._field_name is not None else ""
            text += f" [{field}input_value={shortened(shown(value))}, input_type={type(value).__name__}]"
        return text or "Unexpected Value"

    def __repr__(self) -> str:
        return f"PydanticSerializationUnexpectedValue({self})"
