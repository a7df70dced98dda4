"""Validators of arguments and calls, and of named tuples, which are made by a call."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, builds, from_either
from .errors import Invalid, Line, SchemaError, invalid
from .fields import Field, Ways, text_key
from .mappings import mapping_of, pairs_of
from .models import call
from .sequences import items_of, length_of, numbered
from .state import STRICT, State, Validator, collect
from .values import ArgsKwargs


class Parameter(Field):
    """A parameter of a function."""

    __slots__ = ("is_named", "is_positional")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        super().__init__(schema["name"], schema, config, building)
        mode = schema.get("mode", "positional_or_keyword")
        self.is_positional, self.is_named = mode != "keyword_only", mode != "positional_only"


class Arguments(Validator):
    """Makes arguments by position and by name."""

    __slots__ = ("extra", "parameters", "positional", "unpacked", "var_args", "var_kwargs", "ways")
    name = "arguments"

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.parameters = [Parameter(each, config, building) for each in schema["arguments_schema"]]
        self.positional = max((at for at, each in enumerate(self.parameters, 1) if each.is_positional), default=0)
        self.var_args = building.optional(schema.get("var_args_schema"), config)
        self.var_kwargs = building.optional(schema.get("var_kwargs_schema"), config)
        self.unpacked = schema.get("var_kwargs_mode", "uniform") == "unpacked-typed-dict"
        if self.unpacked and self.var_kwargs is None:
            raise SchemaError("`var_kwargs_schema` must be specified when `var_kwargs_mode` is `'unpacked-typed-dict'`")
        self.ways = Ways(config, schema)
        self.extra = from_either(schema, config, "extra_behavior", "extra_fields_behavior", "forbid")

    def validate(self, value: Any, state: State) -> tuple[tuple[Any, ...], dict[str, Any]]:
        args, kwargs = _given(value, state)
        kinds = self.ways.kinds(state)
        made_args: list[Any] = []
        made_kwargs: dict[str, Any] = {}
        used: set[str] = set()
        lines: list[Line] = []
        before = state.field
        for index, parameter in enumerate(self.parameters):
            positional = (args[index],) if parameter.is_positional and index < len(args) else None
            named = parameter.place.find(kwargs, kinds) if parameter.is_named and kwargs else None
            if named is not None:
                used.add(named[0].first)
            state.field = parameter.name
            try:
                if positional is not None and named is not None:
                    lines.append(Line("multiple_argument_values", named[1], None, [parameter.name]))
                elif positional is not None:
                    made_args.append(parameter.validator.validate(positional[0], state))
                elif named is not None:
                    made_kwargs[parameter.name] = parameter.validator.validate(named[1], state)
                else:
                    self._default(parameter, index, value, state, kinds, made_args, made_kwargs, lines)
            except Invalid as failure:
                if positional is not None:
                    lines += failure.at(index)
                elif named is not None:
                    lines += [named[0].placed(line, self.ways.loc_by_alias, parameter.name) for line in failure.lines]
                else:
                    raise
            finally:
                state.field = before
        self._take_more_args(args, made_args, lines, state)
        self._take_more_kwargs(kwargs, used, made_kwargs, lines, state)
        collect(lines)
        return tuple(made_args), made_kwargs

    def _default(
        self,
        parameter: Parameter,
        index: int,
        value: Any,
        state: State,
        kinds: int,
        made_args: list[Any],
        made_kwargs: dict[str, Any],
        lines: list[Line],
    ) -> None:
        default = parameter.validator.default(parameter.name, state)
        if default is not None:
            if parameter.is_named:
                made_kwargs[parameter.name] = default[0]
            else:
                made_args.append(default[0])
        elif parameter.is_named:
            kind = "missing_argument" if parameter.is_positional else "missing_keyword_only_argument"
            lines.append(Line(kind, value, None, parameter.place.missing(kinds, self.ways.loc_by_alias)))
        else:
            lines.append(Line("missing_positional_only_argument", value, None, [index]))

    def _take_more_args(self, args: tuple[Any, ...], made: list[Any], lines: list[Line], state: State) -> None:
        for index, item in enumerate(args[self.positional :], self.positional):
            if self.var_args is None:
                lines.append(Line("unexpected_positional_argument", item, None, [index]))
                continue
            try:
                made.append(self.var_args.validate(item, state))
            except Invalid as failure:
                lines += failure.at(index)

    def _take_more_kwargs(
        self, kwargs: dict[Any, Any], used: set[str], made: dict[str, Any], lines: list[Line], state: State
    ) -> None:
        remaining: dict[str, Any] = {}
        for raw_key, member in kwargs.items() if len(kwargs) > len(used) else ():
            key = text_key(raw_key, lines)
            if key is None or key in used:
                continue
            if self.unpacked:
                remaining[key] = member
            elif self.var_kwargs is None:
                if self.extra == "forbid":
                    lines.append(Line("unexpected_keyword_argument", member, None, [key]))
            else:
                try:
                    made[key] = self.var_kwargs.validate(member, state)
                except Invalid as failure:
                    lines += failure.at(key)
        if self.unpacked:
            assert self.var_kwargs is not None, "checked when it was made"
            try:
                made.update(self.var_kwargs.validate(remaining, state))
            except Invalid as failure:
                lines += failure.lines


def _given(value: Any, state: State) -> tuple[tuple[Any, ...], dict[Any, Any]]:
    if isinstance(value, dict):
        return (), value
    if state.source == "python" and isinstance(value, ArgsKwargs):
        return value.args, value.kwargs or {}
    if isinstance(value, tuple | list):
        return tuple(value), {}
    raise invalid("arguments_type", value)


@builds("arguments")
def _arguments(schema: Schema, config: Config, building: Building) -> Validator:
    return Arguments(schema, config, building)


class Call(Validator):
    """Calls a function with validated arguments, and validates what it returns."""

    __slots__ = ("arguments", "function", "returned")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.arguments = building.make(schema["arguments_schema"], config)
        self.returned = building.optional(schema.get("return_schema"), config)
        self.function = schema["function"]
        inner = getattr(self.function, "func", None)
        name = schema.get("function_name") or getattr(
            self.function, "__name__", getattr(inner, "__name__", "<unknown>")
        )
        self.name = f"call[{name}]"

    def validate(self, value: Any, state: State) -> Any:
        made = self.arguments.validate(value, state)
        if isinstance(made, dict):
            result = self.function(**made)
        else:
            args, kwargs = made
            result = self.function(*args, **kwargs)
        if self.returned is None:
            return result
        try:
            return self.returned.validate(result, state)
        except Invalid as failure:
            failure.at("return")
            raise


@builds("call")
def _call(schema: Schema, config: Config, building: Building) -> Validator:
    return Call(schema, config, building)


class NamedTupleValidator(Validator):
    """Makes named tuples of tuples and mappings."""

    __slots__ = ("cls", "fields", "ways")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.cls, self.ways = schema["cls"], Ways(config)
        self.name = schema.get("cls_name") or self.cls.__name__
        self.fields = [Field(field["name"], field, config, building) for field in schema["fields"]]

    def validate(self, value: Any, state: State) -> Any:
        is_own = state.source == "python" and isinstance(value, self.cls)
        try:
            items = items_of(value, state, strict=False, cls=tuple, error_type="tuple_type", json_exactness=STRICT)
        except Invalid:
            made = self._of_mapping(value, state)
        else:
            made = self._of_items(items, value, state, is_own=is_own)
        if not is_own:
            state.floor(STRICT)
        return call(value, self.cls, *made)

    def _of_items(self, items: Any, value: Any, state: State, *, is_own: bool) -> list[Any]:
        length, lines, output = length_of(items), list[Line](), list[Any]()
        found = [item for _, item in numbered(items, value)]
        for index, field in enumerate(self.fields):
            place: int | str = field.name if is_own else index
            if index >= len(found):
                default = field.validator.default(place, state)
                if default is None:
                    lines.append(Line("missing", value, None, [place]))
                else:
                    output.append(default[0])
                continue
            self._validate(field, found[index], output, lines, state, [place])
        if len(found) > len(self.fields):
            told = {"field_type": "NamedTuple", "max_length": len(self.fields), "actual_length": length}
            raise Invalid([Line("too_long", value, told)])
        collect(lines)
        return output

    def _of_mapping(self, value: Any, state: State) -> list[Any]:
        try:
            mapping = mapping_of(value, state, strict=False)
        except Invalid:
            raise invalid("named_tuple_type", value, class_name=self.name) from None
        kinds, used, lines, output = self.ways.kinds(state), set[str](), list[Line](), list[Any]()
        for field in self.fields:
            found = field.place.find(mapping, kinds)
            if found is not None:
                used.add(found[0].first)
                place: list[int | str] = list(found[0].loc) if self.ways.loc_by_alias else [field.name]
                self._validate(field, found[1], output, lines, state, place)
                continue
            try:
                default = field.validator.default(field.name, state)
            except Invalid as failure:
                lines += failure.lines
                continue
            if default is None:
                lines.append(Line("missing", value, None, field.place.missing(kinds, self.ways.loc_by_alias)))
            else:
                output.append(default[0])
        for raw_key, member in pairs_of(mapping):
            key = text_key(raw_key, lines)
            if key is not None and key not in used:
                lines.append(Line("extra_forbidden", member, None, [key]))
        collect(lines)
        return output

    def _validate(
        self, field: Field, item: Any, output: list[Any], lines: list[Line], state: State, place: list[int | str]
    ) -> None:
        before, state.field = state.field, field.name
        try:
            output.append(field.validator.validate(item, state))
        except Invalid as failure:
            for line in failure.lines:
                line.loc += place
            lines += failure.lines
        finally:
            state.field = before


@builds("named-tuple")
def _named_tuple(schema: Schema, config: Config, building: Building) -> Validator:
    return NamedTupleValidator(schema, config, building)
