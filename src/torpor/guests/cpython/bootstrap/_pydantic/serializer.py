"""What pydantic calls to serialize, and to read and write JSON."""

from __future__ import annotations

from typing import Any, final

from torpor.errors import NotInWorkflowError

from .building import Config, Schema, refuse
from .errors import (
    MODULE,
    PydanticSerializationError,
    PydanticSerializationUnexpectedValue,
    SchemaError,
)
from .inferring import infer
from .json_out import json_of
from .json_text import Malformed, read_json
from .ser_functions import described
from .ser_simple import ANY, run
from .serializing import Formats, Making, Serialization, Serializer


@final
class SchemaSerializer:
    """
    Serializes what a schema describes.

    Attributes:
        inner: what the schema has become.
        formats: how values are written that have no schema.
    """

    __module__ = MODULE
    __slots__ = ("_config", "_schema", "formats", "inner")

    def __init__(self, schema: Schema, config: Config | None = None, _use_prebuilt: bool = True) -> None:
        self._schema, self._config = schema, config or {}
        making = Making(reuses=_use_prebuilt)
        self.inner = making.make(schema, self._config)
        for reference, definition in making.definitions.items():
            if definition.validator is None:
                raise SchemaError(f"Definitions error: definition `{reference}` was never filled")
        self.formats = Formats(self._config)

    def to_python(self, value: Any, **options: Any) -> Any:
        """
        Return an object as plain ones; with ``mode="json"`` as those of JSON.

        Raises:
            PydanticSerializationError: it cannot be serialized.
        """
        state = Serialization(self.formats, **options)
        made = run(self.inner, value, state)
        state.finish()
        return made

    def to_json(self, value: Any, *, indent: int | None = None, ensure_ascii: bool = False, **options: Any) -> bytes:
        """
        Return an object as JSON.

        Raises:
            PydanticSerializationError: it cannot be serialized.
        """
        return _written(
            self.inner, value, Serialization(self.formats, "json", is_text=True, **options), indent, ensure_ascii
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return SchemaSerializer, (self._schema, self._config, False)

    def __repr__(self) -> str:
        return f"SchemaSerializer(serializer={self.inner.name})"


def _written(serializer: Serializer, value: Any, state: Serialization, indent: int | None, ascii_only: bool) -> bytes:
    words = None
    try:
        made = run(serializer, value, state)
        text = json_of(made, indent, ascii_only=ascii_only).encode()
    except (NotInWorkflowError, PydanticSerializationUnexpectedValue):
        raise
    except UnicodeDecodeError as error:
        words = f"Error serializing to JSON: {_undecodable(error.object)}"
    except BaseException as error:  # pydantic lets none through
        if isinstance(error, PydanticSerializationError) and error.is_of_value:
            raise
        words = f"Error serializing to JSON: {described(error)}"
    if words is not None:
        raise PydanticSerializationError(words)
    state.finish()
    return text


def _undecodable(data: bytes) -> str:
    """Return what is wrong with bytes that are no text, in pydantic's words."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return f"incomplete utf-8 byte sequence from index {error.start}"
        return f"invalid utf-8 sequence of {error.end - error.start} bytes from index {error.start}"
    return ""


def _state(
    include: Any = None,
    exclude: Any = None,
    by_alias: bool = True,
    exclude_none: bool = False,
    round_trip: bool = False,
    timedelta_mode: str = "iso8601",
    temporal_mode: str = "iso8601",
    bytes_mode: str = "utf8",
    inf_nan_mode: str = "constants",
    serialize_unknown: bool = False,
    fallback: Any = None,
    serialize_as_any: bool = False,
    polymorphic_serialization: bool | None = None,
    context: Any = None,
    is_text: bool = False,
) -> Serialization:
    config: Config = {
        "ser_json_bytes": bytes_mode,
        "ser_json_inf_nan": inf_nan_mode,
        "ser_json_timedelta": timedelta_mode,
    }
    if temporal_mode != "iso8601":
        config["ser_json_temporal"] = temporal_mode
    return Serialization(
        Formats(config),
        "json",
        include,
        exclude,
        by_alias,
        exclude_none=exclude_none,
        round_trip=round_trip,
        warnings=False,
        fallback=fallback,
        serialize_as_any=serialize_as_any,
        polymorphic_serialization=polymorphic_serialization,
        context=context,
        serialize_unknown=serialize_unknown,
        is_text=is_text,
    )


def to_json(value: Any, *, indent: int | None = None, ensure_ascii: bool = False, **options: Any) -> bytes:
    """
    Return any object as JSON.

    Raises:
        PydanticSerializationError: it cannot be serialized.
    """
    return _written(ANY, value, _state(is_text=True, **options), indent, ensure_ascii)


def to_jsonable_python(value: Any, **options: Any) -> Any:
    """
    Return any object as those of JSON.

    Raises:
        PydanticSerializationError: it cannot be serialized.
    """
    return infer(value, _state(**options))


def from_json(
    data: str | bytes | bytearray,
    *,
    allow_inf_nan: bool = True,
    cache_strings: bool | str = True,  # noqa: ARG001  # of no consequence here
    allow_partial: bool | str = False,
) -> Any:
    """
    Return the value of a JSON text.

    Raises:
        ValueError: it is none.
    """
    if allow_partial not in (False, "off") or not allow_inf_nan:
        refuse("a part of a JSON text, or one without infinities,")
    try:
        return read_json(data.encode() if isinstance(data, str) else bytes(data))
    except Malformed as problem:
        words = str(problem)
    raise ValueError(words)
