"""Serializers of models, dataclasses and TypedDicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .building import Config, Schema, from_either
from .errors import PydanticSerializationUnexpectedValue, SchemaError
from .filtering import EVERYTHING
from .inferring import infer, infer_key, serialized_by_class
from .others import missing
from .ser_simple import ANY, foreign_key, run
from .serializing import LAX, STRICT, UNCHECKED, Making, Serialization, Serializer, serializes


class Field:
    """
    One field, or a computed one.

    Attributes:
        alias: the key under which it is written by alias.
        serializer: None for one that is always left out.
        by_alias: whether it is, unless the caller says.
        required: whether it must be there for the value to fit exactly.
        leave_out: tells of a value whether it is left out.
    """

    __slots__ = ("alias", "by_alias", "leave_out", "name", "required", "serializer")

    def __init__(
        self,
        name: str,
        alias: str | None,
        serializer: Serializer | None,
        required: bool,
        by_alias: bool | None,
        leave_out: Callable[[Any], bool] | None,
    ) -> None:
        self.name, self.alias, self.serializer, self.required = name, alias, serializer, required
        self.by_alias, self.leave_out = by_alias, leave_out

    def key(self, state: Serialization) -> str:
        """Return the key under which it is written."""
        by_alias = self.by_alias if state.by_alias is None else state.by_alias
        return self.alias if by_alias and self.alias is not None else self.name

    def is_left_out(self, value: Any, state: Serialization) -> bool:
        """Tell whether a value is not written."""
        if (state.exclude_none and value is None) or value is missing():
            return True
        return self.leave_out is not None and bool(self.leave_out(value))


class Fields(Serializer):
    """
    Of the values of fields.

    Attributes:
        mode: ``model`` for one without extra, ``extra`` for one with extra, ``dict`` and ``open`` for TypedDicts.
        extra: of what no field has; None for anything.
    """

    __slots__ = ("computed", "extra", "fields", "mode", "required")
    name = "general-fields"

    def __init__(self, fields: list[Field], mode: str, extra: Serializer | None, computed: list[Field]) -> None:
        self.fields, self.mode, self.extra, self.computed = (
            {field.name: field for field in fields},
            mode,
            extra,
            computed,
        )
        self.required = sum(field.required for field in fields)

    def output(self, value: Any, state: Serialization) -> Any:
        own, extra = value if self.mode == "extra" and isinstance(value, tuple) else (value, None)
        if not isinstance(own, dict):
            state.warn(self.name, value)
            return infer(value, state)
        return self.of_pairs(list(own.items()), list((extra or {}).items()), state)

    def of_pairs(
        self, own: Iterable[tuple[str, Any]], extra: Iterable[tuple[str, Any]], state: Serialization
    ) -> dict[str, Any]:
        """Return what becomes of the values of fields, and of others."""
        output: dict[str, Any] = {}
        used = 0
        for name, value in own:
            field = self.fields.get(name)
            if field is not None:
                used += field.required
                self._write(field, value, output, state)
            elif self.mode == "open":
                with state.having(field=name):
                    self._write_extra(name, value, output, state)
            elif state.check == STRICT:
                raise PydanticSerializationUnexpectedValue(
                    f"Unexpected field `{name}`", name, type(state.model).__name__
                )
        if state.check != UNCHECKED and self.required > used:
            words = f"Expected {self.required} fields but got {used}"
            raise PydanticSerializationUnexpectedValue(words, state.field, type(state.model).__name__, state.model)
        for name, value in extra:
            self._write_extra(name, value, output, state)
        if not state.round_trip and not state.exclude_computed_fields:
            for field in self.computed:
                self._write_computed(field, output, state)
        return output

    def _write(self, field: Field, value: Any, output: dict[str, Any], state: Serialization) -> None:
        if field.serializer is None:
            return
        following = EVERYTHING.next(field.name, state.include, state.exclude)
        if following is None or field.is_left_out(value, state):
            return
        if state.exclude_defaults:
            default = field.serializer.default()
            if default is not None and value == default[0]:
                return
        serializer = ANY if state.as_any and not field.serializer.is_of_field else field.serializer
        with state.having(field=field.name, include=following[0], exclude=following[1]):
            output[field.key(state)] = serializer.output(value, state)

    def _write_extra(self, name: str, value: Any, output: dict[str, Any], state: Serialization) -> None:
        following = EVERYTHING.next(name, state.include, state.exclude)
        if following is None or (state.exclude_none and value is None) or value is missing():
            return
        with state.having(include=following[0], exclude=following[1]):
            output[name] = run(self.extra or ANY, value, state)

    def _write_computed(self, field: Field, output: dict[str, Any], state: Serialization) -> None:
        following = EVERYTHING.next(field.name, state.include, state.exclude)
        if following is None:
            return
        value = getattr(state.model, field.name)
        if field.is_left_out(value, state):
            return
        assert field.serializer is not None, "all computed ones have one"
        with state.having(field=field.name, include=following[0], exclude=following[1]):
            output[field.key(state)] = run(field.serializer, value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, "fields", value, state)


def _fields(
    schema: Schema, pairs: Iterable[tuple[str, Schema]], config: Config, making: Making, mode: str, total: bool = True
) -> Fields:
    by_alias = config.get("serialize_by_alias")
    extra = schema.get("extras_schema")
    if extra is not None and mode not in ("extra", "open"):
        raise SchemaError("extras_schema can only be used if extra_behavior=allow")
    fields = []
    for name, told in pairs:
        required = told.get("required", total) if mode in ("dict", "open") else True
        is_out = told.get("serialization_exclude") is True
        made = None if is_out else making.make(told["schema"], config)
        leave_out = None if is_out else told.get("serialization_exclude_if")
        fields.append(Field(name, told.get("serialization_alias"), made, required, by_alias, leave_out))
    computed = [
        Field(
            told["property_name"],
            told.get("alias"),
            making.make(told["return_schema"], config),
            False,
            by_alias,
            told.get("serialization_exclude_if"),
        )
        for told in schema.get("computed_fields") or ()
    ]
    return Fields(fields, mode, None if extra is None else making.make(extra, config), computed)


def _takes_extra(schema: Schema, config: Config) -> bool:
    return bool(from_either(schema, config, "extra_behavior", "extra_fields_behavior", "ignore") == "allow")


@serializes("model-fields")
def _model_fields(schema: Schema, config: Config, making: Making) -> Serializer:
    mode = "extra" if _takes_extra(schema, config) else "model"
    return _fields(schema, schema["fields"].items(), config, making, mode)


@serializes("dataclass-args")
def _dataclass_args(schema: Schema, config: Config, making: Making) -> Serializer:
    mode = "open" if _takes_extra(schema, config) else "dict"
    pairs = [(field["name"], field) for field in schema["fields"] if not field.get("init_only")]
    return _fields(schema, pairs, config, making, mode)


class TypedDictSerializer(Serializer):
    __slots__ = ("fields",)
    name = "typed-dict"

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def output(self, value: Any, state: Serialization) -> Any:
        with state.having(model=value):
            return self.fields.output(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, self.name, value, state)


@serializes("typed-dict")
def _typed_dict(schema: Schema, config: Config, making: Making) -> Serializer:
    config = schema.get("config") or config
    mode = "open" if _takes_extra(schema, config) else "dict"
    total = from_either(schema, config, "total", "typed_dict_total", True)
    return TypedDictSerializer(_fields(schema, schema["fields"].items(), config, making, mode, total))


class ModelSerializer(Serializer):
    __slots__ = ("cls", "has_extra", "inner", "root")

    def __init__(self, cls: type, inner: Serializer, has_extra: bool, root: bool) -> None:
        self.cls, self.inner, self.has_extra, self.root, self.name = cls, inner, has_extra, root, cls.__name__

    def _fits(self, value: Any, state: Serialization) -> bool:
        if state.check == STRICT:
            return type(value) is self.cls
        if state.check == LAX or self.root:
            return isinstance(value, self.cls)
        return hasattr(value, "__dict__")

    def output(self, value: Any, state: Serialization) -> Any:
        if not self._fits(value, state):
            state.warn(self.name, value)
            return infer(value, state)
        if self.root:
            inner = ANY if state.as_any and not self.inner.is_of_field else self.inner
            with state.having(model=value, field="root"):
                return inner.output(value.root, state)
        attributes = vars(value)
        if state.exclude_unset:
            given = value.__pydantic_fields_set__
            attributes = {name: member if name in given else missing() for name, member in attributes.items()}
        with state.having(model=value):
            return self.inner.output((attributes, value.__pydantic_extra__) if self.has_extra else attributes, state)

    def key(self, value: Any, state: Serialization) -> str:
        if not self._fits(value, state):
            state.warn(self.name, value)
        return infer_key(value, state)

    @property
    def retries(self) -> bool:
        return True


@serializes("model")
def _model(schema: Schema, _config: Config, making: Making) -> Serializer:
    config: Config = schema.get("config") or {}
    inner = making.make(schema["schema"], config)
    return ModelSerializer(schema["cls"], inner, _takes_extra(schema, config), bool(schema.get("root_model")))


class DataclassSerializer(Serializer):
    __slots__ = ("cls", "fields", "inner")

    def __init__(self, cls: type, fields: list[str], inner: Serializer) -> None:
        self.cls, self.fields, self.inner, self.name = cls, fields, inner, cls.__name__

    def _fits(self, value: Any, state: Serialization) -> bool:
        if state.check == STRICT:
            return type(value) is self.cls
        return isinstance(value, self.cls) if state.check == LAX else hasattr(value, "__dataclass_fields__")

    def output(self, value: Any, state: Serialization) -> Any:
        if not self._fits(value, state):
            state.warn(self.name, value)
            return infer(value, state)
        attributes = {name: getattr(value, name) for name in self.fields}
        with state.having(model=value):
            return self.inner.output(attributes, state)

    def key(self, value: Any, state: Serialization) -> str:
        if not self._fits(value, state):
            state.warn(self.name, value)
        return infer_key(value, state)

    @property
    def retries(self) -> bool:
        return True


@serializes("dataclass")
def _dataclass(schema: Schema, _config: Config, making: Making) -> Serializer:
    config: Config = schema.get("config") or {}
    return DataclassSerializer(schema["cls"], schema["fields"], making.make(schema["schema"], config))


class Polymorphic(Serializer):
    """Leaves objects of subclasses to their own serializers, where that is wanted."""

    __slots__ = ("cls", "inner", "is_wanted")

    def __init__(self, cls: type, inner: Serializer, is_wanted: bool) -> None:
        self.cls, self.inner, self.is_wanted, self.name = cls, inner, is_wanted, inner.name

    def output(self, value: Any, state: Serialization) -> Any:
        is_wanted = self.is_wanted if state.polymorphic is None else state.polymorphic
        is_other = type(value) is not self.cls and isinstance(value, self.cls)
        if is_wanted and is_other and state.check != STRICT and hasattr(value, "__pydantic_serializer__"):
            return serialized_by_class(value, state)
        return self.inner.output(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return self.inner.key(value, state)

    @property
    def retries(self) -> bool:
        return self.inner.retries

    @property
    def is_reusable(self) -> bool:
        return self.inner.is_reusable

    @property
    def is_of_field(self) -> bool:
        return self.inner.is_of_field


@serializes("polymorphic")
def _polymorphic(schema: Schema, config: Config, _making: Making) -> Serializer:
    is_wanted = bool((schema.get("config") or {}).get("polymorphic_serialization"))
    return Polymorphic(schema["cls"], config["inner"], is_wanted)
