"""What is known during one serialization, what a serializer is, and how serializers are made of schemas."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from .building import Config, Definition, Schema, made_before, refuse
from .errors import PydanticSerializationError, PydanticSerializationUnexpectedValue, SchemaError

UNCHECKED: Final = 0
LAX: Final = 1
STRICT: Final = 2
"""How closely a value must fit: inside a union, what does not fit is not of this member."""

DEPTH_MAX: Final = 255

Include = Any
"""What to include or to leave out: a set, a dict, or None."""


class Formats:
    """How values are written that JSON has no type for."""

    __slots__ = ("bytes_mode", "inf_nan", "temporal", "timedelta")

    def __init__(self, config: Config) -> None:
        self.temporal = config.get("ser_json_temporal", "iso8601")
        old: str = config.get("ser_json_timedelta", "iso8601")
        self.timedelta: str = self.temporal if "ser_json_temporal" in config else {"float": "seconds"}.get(old, old)
        self.bytes_mode = config.get("ser_json_bytes", "utf8")
        self.inf_nan = config.get("ser_json_inf_nan", "null")


class Serialization:
    """
    What is known during one serialization.

    Attributes:
        mode: ``python``, ``json`` or what the caller calls it.
        is_text: whether JSON text is made of what comes out.
        by_alias … context: what the caller says.
        formats: how values are written that have no schema.
        include, exclude: what is to be left out here.
        model, field: the object and the field that are being serialized.
        check: how closely a value must fit.
        told: warnings so far.
        seen: what is being serialized, to notice cycles.
    """

    def __init__(
        self,
        formats: Formats,
        mode: str | None = None,
        include: Include = None,
        exclude: Include = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        exclude_computed_fields: bool = False,
        round_trip: bool = False,
        warnings: bool | str = True,
        fallback: Callable[[Any], Any] | None = None,
        serialize_as_any: bool = False,
        polymorphic_serialization: bool | None = None,
        context: Any = None,
        serialize_unknown: bool = False,
        is_text: bool = False,
    ) -> None:
        self.mode, self.is_text, self.formats = mode or "python", is_text, formats
        self.is_json = self.mode == "json"
        self.include, self.exclude = include, exclude
        self.by_alias, self.exclude_unset, self.exclude_defaults = by_alias, exclude_unset, exclude_defaults
        self.exclude_none, self.exclude_computed_fields = exclude_none, exclude_computed_fields
        self.round_trip, self.fallback, self.as_any = round_trip, fallback, serialize_as_any
        self.polymorphic, self.context, self.serialize_unknown = polymorphic_serialization, context, serialize_unknown
        self.warns = _warning_mode(warnings)
        self.model: Any = None
        self.field: str | None = None
        self.check = UNCHECKED
        self.told: list[PydanticSerializationUnexpectedValue] = []
        self.seen: set[tuple[int, int]] = set()

    def copy(self) -> Serialization:
        """Return one for a serializer that a function is handed."""
        twin = object.__new__(Serialization)
        vars(twin).update(vars(self))
        twin.told, twin.seen, twin.is_text = list(self.told), set(self.seen), False
        return twin

    @contextmanager
    def having(self, **changed: Any) -> Iterator[None]:
        """Serialize a part, of which something else is known."""
        before = {name: getattr(self, name) for name in changed}
        vars(self).update(changed)
        try:
            yield
        finally:
            vars(self).update(before)

    @contextmanager
    def guarded(self, value: Any, node: int) -> Iterator[None]:
        """
        Serialize something that may contain itself.

        Raises:
            ValueError: it does, or is nested too deeply.
        """
        key = id(value), node
        if key in self.seen:
            raise ValueError("Circular reference detected (id repeated)")
        if len(self.seen) >= DEPTH_MAX:
            raise ValueError("Maximum serialization depth exceeded")
        self.seen.add(key)
        try:
            yield
        finally:
            self.seen.discard(key)

    def warn(self, expected: str, value: Any) -> None:
        """Note that a value is not of the type that was expected; inside a union that decides against its member."""
        if value is None:
            return
        warning = PydanticSerializationUnexpectedValue(None, self.field, expected, value)
        if self.check != UNCHECKED:
            raise warning
        self.tell(warning)

    def tell(self, warning: PydanticSerializationUnexpectedValue) -> None:
        """Note a warning."""
        if self.warns != "none":
            self.told.append(warning)

    def finish(self) -> None:
        """
        Give out what was noted.

        Raises:
            PydanticSerializationError: there is something, and the caller wants an error.
        """
        if not self.told:
            return
        message = "Pydantic serializer warnings:\n  " + "\n  ".join(map(repr, self.told))
        if self.warns == "error":
            raise PydanticSerializationError(message)
        warnings.warn(message, UserWarning, stacklevel=3)


def _warning_mode(given: bool | str) -> str:
    if isinstance(given, bool):
        return "warn" if given else "none"
    problem = "Invalid warnings parameter, should be `'none'`, `'warn'`, `'error'` or a `bool`"
    if not isinstance(given, str):
        raise TypeError(problem)
    if given not in ("none", "warn", "error"):
        raise ValueError(problem)
    return given


class Serializer:
    """
    What a schema has become.

    Attributes:
        name: what warnings call it.
    """

    __slots__ = ("name",)

    name: str

    def output(self, value: Any, state: Serialization) -> Any:
        """Return what becomes of a value."""
        raise NotImplementedError

    def key(self, value: Any, state: Serialization) -> str:
        """Return what becomes of a value that is a key of a JSON object."""
        raise NotImplementedError

    def default(self) -> tuple[Any] | None:
        """Return the value that goes without saying, in a tuple; None without one."""
        return None

    @property
    def retries(self) -> bool:
        """Whether it takes subclasses where no member of a union fits exactly."""
        return False

    @property
    def is_reusable(self) -> bool:
        """Whether that of a class serializes it inside others too."""
        return True

    @property
    def is_of_field(self) -> bool:
        """Whether it is a function that was written for a field."""
        return False


_BUILDERS: Final[dict[str, Callable[[Schema, Config, Making], Serializer]]] = {}


def serializes(*kinds: str) -> Callable[[Any], Any]:
    """Return a decorator of the function that makes serializers of schemas of these kinds."""

    def decorated(builder: Any) -> Any:
        _BUILDERS.update(dict.fromkeys(kinds, builder))
        return builder

    return decorated


_NOT_SERIALIZERS: Final = ("include-exclude-sequence", "include-exclude-dict")


class Making:
    """
    The making of one serializer.

    Attributes:
        definitions: serializers that others refer to, by their reference.
        reuses: whether classes that are complete are serialized by the serializers that they have.
    """

    def __init__(self, *, reuses: bool = True) -> None:
        self.reuses = reuses
        self.definitions: dict[str, Definition] = {}

    def make(self, schema: Schema, config: Config) -> Serializer:
        """Return the serializer of a schema."""
        own = schema.get("serialization")
        kind = None if own is None else own.get("type")
        if kind in ("function-plain", "function-wrap"):
            made = _BUILDERS[f"serialization-{kind}"](schema, config, self)
        elif kind is not None and kind not in _NOT_SERIALIZERS:
            made = self.make(own, config)  # type: ignore[arg-type]  # there is one
        else:
            inner = getattr(made_before(schema, "__pydantic_serializer__"), "inner", None) if self.reuses else None
            if isinstance(inner, Serializer) and inner.is_reusable:
                return inner
            made = self._built(schema["type"], schema, config)
        if schema["type"] in ("model", "dataclass"):
            return _BUILDERS["polymorphic"](schema, {"inner": made}, self)
        return made

    def _built(self, kind: str, schema: Schema, config: Config) -> Serializer:
        builder = _BUILDERS.get(kind)
        if builder is None:
            if kind == "invalid":
                raise SchemaError("Cannot construct schema with `InvalidSchema` member.")
            refuse(f"a value of kind {kind!r}")
        try:
            return builder(schema, config, self)
        except (ValueError, TypeError, KeyError, SchemaError) as error:
            problem = f"Error building `{kind}` serializer:\n  {type(error).__name__}: {error}"
        raise SchemaError(problem)

    def definition(self, reference: str) -> Definition:
        """Return what stands for a schema that is defined elsewhere, perhaps later."""
        return self.definitions.setdefault(reference, Definition())
