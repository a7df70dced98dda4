"""Validators of models and their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .errors import Invalid, Line, PydanticOmit, PydanticUseDefault, SchemaError, failure_of, invalid
from .fields import Extras, Field, Ways, default_into, text_key
from .mappings import mapping_of, pairs_of
from .state import STRICT, State, Validator, collect
from .values import PydanticUndefined

ROOT = "root"
_set = object.__setattr__  # whatever the class of the model makes of assignments


class ModelFields(Validator):
    """Makes the attributes of a model, what it has beside its fields, and the names of those that were given."""

    __slots__ = ("extras", "fields", "from_attributes", "model_name", "strict", "ways")
    name = "model-fields"

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.strict, self.ways = is_strict(schema, config), Ways(config)
        self.from_attributes = bool(from_either(schema, config, "from_attributes"))
        self.extras = Extras(schema, config, building)
        self.model_name = schema.get("model_name", "Model")
        self.fields = [Field(name, field, config, building) for name, field in schema["fields"].items()]

    def validate(self, value: Any, state: State) -> tuple[dict[str, Any], dict[str, Any] | None, set[str]]:
        source, attributes = self._source(value, state)
        kinds, behavior = self.ways.kinds(state), self.extras.of(state)
        output: dict[str, Any] = {}
        given: set[str] = set()
        used: set[str] = set()
        lines: list[Line] = []
        with state.of_fields(output):
            for field in self.fields:
                try:
                    found = field.place.find(source, kinds, attributes)
                except Invalid as failure:
                    lines += failure.at(field.name)
                    continue
                state.field = field.name
                if found is not None:
                    used.add(found[0].first)
                    try:
                        output[field.name] = field.validator.validate(found[1], state)
                    except PydanticUseDefault:
                        pass
                    except PydanticOmit:
                        state.has_field_error = True
                        continue
                    except Invalid as failure:
                        state.has_field_error = True
                        lines += [found[0].placed(line, self.ways.loc_by_alias, field.name) for line in failure.lines]
                        continue
                    else:
                        given.add(field.name)
                        continue
                missing = field.place.missing(kinds, self.ways.loc_by_alias)
                try:
                    default_into(field, output, lines, state, value, missing)
                except PydanticOmit:
                    continue
        count = len(given)
        with state.of_fields(output):
            extra: dict[str, Any] | None = {} if behavior == "allow" else None
            if behavior != "ignore" and not attributes:
                self._take_extras(source, used, extra, given, lines, state)
        collect(lines)
        state.add_fields(count)
        return output, extra, given

    def _source(self, value: Any, state: State) -> tuple[Any, bool]:
        """Return what has the values, and whether they are attributes."""
        strict = state.is_strict(self.strict)
        from_attributes = self.from_attributes if state.from_attributes is None else state.from_attributes
        try:
            return source_of(value, state, strict, from_attributes)
        except Invalid as failure:
            for line in failure.lines:
                if line.type == "dict_type":
                    line.type, line.context = "model_type", {"class_name": self.model_name}
            raise

    def _take_extras(
        self,
        source: Any,
        used: set[str],
        extra: dict[str, Any] | None,
        given: set[str],
        lines: list[Line],
        state: State,
    ) -> None:
        for raw_key, member in pairs_of(source):
            key = text_key(raw_key, lines)
            if key is None or key in used:
                continue
            if extra is None:
                lines.append(Line("extra_forbidden", member, None, [key]))
                continue
            made_key: tuple[Any] | None = (key,)
            if self.extras.key is not None:
                try:
                    made_key = (self.extras.key.validate(raw_key, state),)
                except Invalid as failure:
                    lines += failure.at(key)
                    made_key = None
                if made_key is not None and not isinstance(made_key[0], str):
                    raise TypeError(f"Extra keys must be strings, got `{type(made_key[0]).__qualname__}`")
            made = member
            if self.extras.value is not None:
                try:
                    made = self.extras.value.validate(member, state)
                except Invalid as failure:
                    lines += failure.at(key)
                    continue
            if made_key is not None:
                extra[made_key[0]] = made
                given.add(made_key[0])

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        data: dict[str, Any] = model
        others = {name: member for name, member in data.items() if name != field}
        behavior = self.extras.of(state)
        known = next((each for each in self.fields if each.name == field), None)
        if known is None and behavior != "allow":
            raise Invalid([Line("no_such_attribute", value, {"attribute": field}, [field])])
        if known is not None and known.frozen:
            raise Invalid([Line("frozen_field", value, None, [field])])
        validator = self.extras.value if known is None else known.validator
        before = state.data, state.field
        state.data = others
        if known is not None:
            state.field = field
        try:
            made = value if validator is None else validator.validate(value, state)
        except Invalid as failure:
            failure.at(field)
            raise
        finally:
            state.data, state.field = before
        data[field] = made
        if behavior != "allow":
            return data, None, {field}
        own = {each.name: data[each.name] for each in self.fields if each.name in data}
        extra = {name: member for name, member in data.items() if name not in own}
        data.clear()
        data.update(own)
        return data, extra, {field}


_NO_ATTRIBUTES = ("builtins", "datetime", "collections")
"""Modules of classes whose attributes are no fields."""


class Both:
    """An object whose attributes are fields, with others that take their places."""

    def __init__(self, value: Any, others: dict[str, Any]) -> None:
        self._value, self._others = value, others

    def __getattribute__(self, name: str) -> Any:
        others = object.__getattribute__(self, "_others")
        return others[name] if name in others else getattr(object.__getattribute__(self, "_value"), name)


def source_of(value: Any, state: State, strict: bool, from_attributes: bool) -> tuple[Any, bool]:
    """Return what has the values of fields, and whether they are its attributes."""
    if not from_attributes or state.source == "json":
        return mapping_of(value, state, strict), False
    if isinstance(value, dict) or (not strict and isinstance(value, Mapping)):
        return value, False
    if getattr(type(value), "__module__", None) not in _NO_ATTRIBUTES:
        return value, True
    is_pair = type(value) is tuple and len(value) == 2 and isinstance(value[1], dict)
    if is_pair and getattr(type(value[0]), "__module__", None) not in _NO_ATTRIBUTES:
        return Both(*value), True
    raise invalid("model_attributes_type", value)


@builds("model-fields")
def _model_fields(schema: Schema, config: Config, building: Building) -> Validator:
    return ModelFields(schema, config, building)


class Model(Validator):
    """Makes models of a class."""

    __slots__ = ("cls", "custom_init", "frozen", "inner", "origin", "post_init", "revalidate", "root")

    def __init__(self, schema: Schema, building: Building) -> None:
        config: Config = schema.get("config") or {}
        self.cls, self.origin = schema["cls"], schema.get("generic_origin")
        self.name = self.cls.__name__
        building.place.append(self.name)
        self.inner = building.make(schema["schema"], config)
        building.place.pop()
        self.revalidate = revalidation(schema, config)
        self.post_init, self.frozen = schema.get("post_init"), bool(schema.get("frozen"))
        self.custom_init, self.root = bool(schema.get("custom_init")), bool(schema.get("root_model"))

    def validate(self, value: Any, state: State) -> Any:
        if state.instance is not None:
            instance, state.instance = state.instance, None
            try:
                return self._filled(instance, value, state, None)
            finally:
                state.instance = instance
        is_own = state.source == "python" and isinstance(value, self.cls)
        is_origins = (
            state.source == "python" and not is_own and self.origin is not None and isinstance(value, self.origin)
        )
        if not is_own and not is_origins:
            state.floor(STRICT)
            return self._made(value, state, None)
        if is_own and not must_revalidate(self.revalidate, value, self.cls):
            return value
        given = value.__pydantic_fields_set__
        if self.root:
            return self._made(value.root, state, given)
        extra = value.__pydantic_extra__
        return self._made({**vars(value), **extra} if extra is not None else vars(value), state, given)

    def _made(self, value: Any, state: State, given: set[str] | None) -> Any:
        if self.custom_init and isinstance(value, dict):
            try:
                return self.cls(**value)
            except (ValueError, AssertionError) as error:
                failure = failure_of(error, value)
                assert failure is not None, "one of these"
            raise failure
        return self._filled(None, value, state, given)

    def _filled(self, instance: Any, value: Any, state: State, given: set[str] | None) -> Any:
        if self.root:
            before, state.field = state.field, ROOT
            try:
                root = self.inner.validate(value, state)
            finally:
                state.field = before
            instance = self.cls.__new__(self.cls) if instance is None else instance
            _set(instance, "__pydantic_fields_set__", set() if value is PydanticUndefined else {ROOT})
            _set(instance, "__dict__", {**vars(instance), ROOT: root})
        else:
            attributes, extra, found = self.inner.validate(value, state)
            instance = self.cls.__new__(self.cls) if instance is None else instance
            _set(instance, "__dict__", attributes)
            _set(instance, "__pydantic_extra__", extra)
            _set(instance, "__pydantic_private__", None)
            _set(instance, "__pydantic_fields_set__", found if given is None else given)
        if self.post_init:
            call(value, getattr(instance, self.post_init), state.context)
        return instance

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        if self.frozen:
            raise invalid("frozen_instance", value)
        if self.root:
            if field != ROOT:
                raise Invalid([Line("no_such_attribute", value, {"attribute": field}, [field])])
            before, state.field = state.field, ROOT
            try:
                root = self.inner.validate(value, state)
            finally:
                state.field = before
            _set(model, "__dict__", {**vars(model), ROOT: root})
            return model
        old = {**vars(model), **(model.__pydantic_extra__ or {}), field: value}
        attributes, extra, given = self.inner.assign(old, field, value, state)
        if isinstance(getattr(model, "__pydantic_fields_set__", None), set):
            model.__pydantic_fields_set__.update(given)
        _set(model, "__dict__", attributes)
        _set(model, "__pydantic_extra__", extra)
        return model


def call(value: Any, function: Any, *args: Any) -> Any:
    """Call a function of the author's; a ValueError or AssertionError is a failure of the value."""
    try:
        return function(*args)
    except (ValueError, AssertionError) as error:
        failure = failure_of(error, value)
        assert failure is not None, "one of these"
    raise failure


def revalidation(schema: Schema, config: Config) -> str:
    """Return when instances are validated again."""
    when: str = from_either(schema, config, "revalidate_instances", default="never")
    if when not in ("always", "never", "subclass-instances"):
        raise SchemaError(f"Invalid revalidate_instances value: {when}")
    return when


def must_revalidate(when: str, value: Any, cls: type) -> bool:
    """Tell whether an instance is to be validated again."""
    return when == "always" or (when == "subclass-instances" and type(value) is not cls)


@builds("model")
def _model(schema: Schema, _config: Config, building: Building) -> Validator:
    return Model(schema, building)
