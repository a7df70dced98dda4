"""Validators of dataclasses."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, builds, is_strict
from .errors import Invalid, Line, PydanticOmit, invalid
from .fields import Extras, Field, Ways, default_into, text_key
from .models import call, must_revalidate, revalidation
from .state import STRICT, State, Validator, collect
from .values import ArgsKwargs

_set = object.__setattr__  # whatever the class makes of assignments


class DataclassField(Field):
    """A field, with what calls of the class may do with it."""

    __slots__ = ("init", "init_only", "kw_only")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        super().__init__(schema["name"], schema, config, building)
        self.kw_only, self.init = schema.get("kw_only", True), schema.get("init", True)
        self.init_only = bool(schema.get("init_only"))


class DataclassArgs(Validator):
    """Makes the attributes of a dataclass, and the arguments of its ``__post_init__``."""

    __slots__ = ("class_name", "collects", "extras", "fields", "positional", "ways")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.extras, self.ways = Extras(schema, config, building), Ways(config)
        self.fields = [DataclassField(field, config, building) for field in schema["fields"]]
        self.positional = sum(not field.kw_only for field in self.fields)
        self.collects, self.class_name = bool(schema.get("collect_init_only")), schema["dataclass_name"]
        self.name = f"dataclass-args[{self.class_name}]"

    def validate(self, value: Any, state: State) -> tuple[dict[str, Any], tuple[Any, ...] | None]:
        args, kwargs = self._arguments(value, state)
        kinds, behavior = self.ways.kinds(state), self.extras.of(state)
        output: dict[str, Any] = {}
        init_only: list[Any] = []
        used: set[str] = set()
        lines: list[Line] = []
        count = 0
        with state.of_fields(output):
            for index, field in enumerate(self.fields):
                found = self._found(field, index, args, kwargs, kinds, used, lines)
                made: dict[str, Any] = {}
                if found is not None:
                    place, member = found
                    state.field = field.name
                    try:
                        made[field.name] = field.validator.validate(member, state)
                        count += 1
                    except Invalid as failure:
                        state.has_field_error = True
                        lines += [_placed(line, place) for line in failure.lines]
                elif not _is_settled(lines, field):
                    count += self._default(field, made, lines, state, value, kinds)
                if field.name in made:
                    if field.init_only:
                        init_only.append(made[field.name])
                    else:
                        output[field.name] = made[field.name]
            for index, item in enumerate(args[self.positional :], self.positional):
                lines.append(Line("unexpected_positional_argument", item, None, [index]))
            if len(kwargs) != len(used):
                self._take_extras(kwargs, used, behavior, output, lines, state)
        state.add_fields(count)
        collect(lines)
        return output, tuple(init_only) if self.collects else None

    def _arguments(self, value: Any, state: State) -> tuple[tuple[Any, ...], dict[Any, Any]]:
        if isinstance(value, dict):
            return (), value
        if state.source == "python" and isinstance(value, ArgsKwargs):
            return value.args, value.kwargs or {}
        raise invalid("dataclass_type", value, class_name=self.class_name)

    def _found(
        self,
        field: DataclassField,
        index: int,
        args: tuple[Any, ...],
        kwargs: dict[Any, Any],
        kinds: int,
        used: set[str],
        lines: list[Line],
    ) -> tuple[list[int | str], Any] | None:
        """Return the place and the value of a field; None without one."""
        if not field.init:
            return None
        named = field.place.find(kwargs, kinds) if kwargs else None
        if named is not None:
            used.add(named[0].first)
        if not field.kw_only and index < len(args):
            if named is not None:
                lines.append(Line("multiple_argument_values", named[1], None, [field.name]))
                return None
            return [index], args[index]
        if named is None:
            return None
        return list(named[0].loc) if self.ways.loc_by_alias else [field.name], named[1]

    def _default(
        self, field: DataclassField, made: dict[str, Any], lines: list[Line], state: State, value: Any, kinds: int
    ) -> int:
        """Give a field its default; return how many fields that sets."""
        field.required = field.init
        missing = field.place.missing(kinds, self.ways.loc_by_alias)
        had_error = state.has_field_error
        try:
            has_one = default_into(field, made, lines, state, value, missing)
        except PydanticOmit:
            return 0
        if not field.init:
            state.has_field_error = had_error
        return int(has_one and not field.init and field.name in made)

    def _take_extras(
        self,
        kwargs: dict[Any, Any],
        used: set[str],
        behavior: str,
        output: dict[str, Any],
        lines: list[Line],
        state: State,
    ) -> None:
        names = {field.name for field in self.fields}
        for raw_key, member in kwargs.items():
            key = text_key(raw_key, lines)
            if key is None or key in used or behavior == "ignore":
                continue
            if behavior == "forbid":
                lines.append(Line("unexpected_keyword_argument", member, None, [key]))
            elif key not in names:
                try:
                    output[key] = member if self.extras.value is None else self.extras.value.validate(member, state)
                except Invalid as failure:
                    lines += failure.at(key)

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        data: dict[str, Any] = model
        known = next((each for each in self.fields if each.name == field), None)
        if known is None:
            if self.extras.of(state) != "allow":
                raise Invalid([Line("no_such_attribute", value, {"attribute": field}, [field])])
            data[field] = value
            return data, None
        if known.frozen:
            raise Invalid([Line("frozen_field", value, None, [field])])
        before = state.data, state.field
        state.data, state.field = {name: member for name, member in data.items() if name != field}, field
        try:
            data[field] = known.validator.validate(value, state)
        except Invalid as failure:
            failure.at(field)
            raise
        finally:
            state.data, state.field = before
        return data, None


def _placed(line: Line, place: list[int | str]) -> Line:
    line.loc += place
    return line


def _is_settled(lines: list[Line], field: DataclassField) -> bool:
    """Tell whether a field was given twice, which needs no default."""
    return bool(lines) and lines[-1].type == "multiple_argument_values" and lines[-1].loc == [field.name]


@builds("dataclass-args")
def _dataclass_args(schema: Schema, config: Config, building: Building) -> Validator:
    return DataclassArgs(schema, config, building)


class Dataclass(Validator):
    """Makes instances of a dataclass."""

    __slots__ = ("cls", "fields", "frozen", "has_slots", "inner", "origin", "post_init", "revalidate", "strict")

    def __init__(self, schema: Schema, building: Building) -> None:
        config: Config = schema.get("config") or {}
        self.cls, self.origin, self.fields = schema["cls"], schema.get("generic_origin"), schema["fields"]
        self.strict, self.revalidate = is_strict(schema, config), revalidation(schema, config)
        self.name = schema.get("cls_name") or self.cls.__name__
        building.place.append(self.name)
        self.inner = building.make(schema["schema"], config)
        building.place.pop()
        self.post_init, self.frozen = bool(schema.get("post_init")), bool(schema.get("frozen"))
        self.has_slots = bool(schema.get("slots"))

    def validate(self, value: Any, state: State) -> Any:
        if state.instance is not None:
            instance, state.instance = state.instance, None
            try:
                return self._filled(instance, value, self.inner.validate(value, state), state)
            finally:
                state.instance = instance
        is_python = state.source == "python"
        is_own = is_python and isinstance(value, self.cls)
        is_origins = is_python and not is_own and self.origin is not None and isinstance(value, self.origin)
        if is_own or is_origins:
            if is_own and not must_revalidate(self.revalidate, value, self.cls):
                return value
            return self._new(value, self.inner.validate(self._attributes(value), state), state)
        if state.mode == "python" and state.is_strict(self.strict):
            raise invalid("dataclass_exact_type", value, class_name=self.name)
        made = self.inner.validate(value, state)
        state.floor(STRICT)
        return self._new(value, made, state)

    def _new(self, value: Any, made: Any, state: State) -> Any:
        return self._filled(self.cls.__new__(self.cls), value, made, state)

    def _filled(self, instance: Any, value: Any, made: Any, _state: State) -> Any:
        attributes, init_only = made
        if self.has_slots:
            for name, member in attributes.items():
                _set(instance, name, member)
        else:
            _set(instance, "__dict__", attributes)
        if self.post_init:
            call(value, instance.__post_init__, *(init_only or ()))
        return instance

    def _attributes(self, value: Any) -> dict[str, Any]:
        return {name: getattr(value, name) for name in self.fields}

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        if self.frozen:
            raise invalid("frozen_instance", value)
        attributes, _ = self.inner.assign({**self._attributes(model), field: value}, field, value, state)
        if self.has_slots:
            _set(model, field, attributes[field])
        else:
            _set(model, "__dict__", attributes)
        return model


@builds("dataclass")
def _dataclass(schema: Schema, _config: Config, building: Building) -> Validator:
    return Dataclass(schema, building)
