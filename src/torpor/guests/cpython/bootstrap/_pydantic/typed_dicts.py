"""Validators of TypedDicts."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .errors import Invalid, Line, PydanticOmit
from .fields import Extras, Field, Ways, default_into, text_key
from .mappings import mapping_of, pairs_of
from .state import State, Validator, collect


class TypedDictValidator(Validator):
    """Makes dicts of fields."""

    __slots__ = ("extras", "fields", "strict", "ways")

    def __init__(self, schema: Schema, building: Building) -> None:
        config: Config = schema.get("config") or {}
        self.strict, self.ways = is_strict(schema, config), Ways(config)
        self.extras = Extras(schema, config, building)
        total = from_either(schema, config, "total", "typed_dict_total", True)
        self.name = schema.get("cls_name") or (schema["cls"].__name__ if schema.get("cls") else "typed-dict")
        self.fields = []
        for name, described in schema["fields"].items():
            field = Field(name, described, config, building)
            required = described.get("required")
            field.required = total if required is None else required
            self.fields.append(field)

    def validate(self, value: Any, state: State) -> dict[str, Any]:
        mapping = mapping_of(value, state, state.is_strict(self.strict))
        kinds, behavior = self.ways.kinds(state), self.extras.of(state)
        output: dict[str, Any] = {}
        used: set[str] = set()
        lines: list[Line] = []
        count = 0
        with state.of_fields(output):
            for field in self.fields:
                found = field.place.find(mapping, kinds)
                try:
                    if found is None:
                        missing = field.place.missing(kinds, self.ways.loc_by_alias)
                        default_into(field, output, lines, state, value, missing)
                        continue
                    used.add(found[0].first)
                    state.field = field.name
                    output[field.name] = field.validator.validate(found[1], state)
                    count += 1
                except PydanticOmit:
                    state.has_field_error |= found is not None
                except Invalid as failure:
                    state.has_field_error = True
                    assert found is not None, "defaults note their own failures"
                    lines += [found[0].placed(line, self.ways.loc_by_alias, field.name) for line in failure.lines]
        state.add_fields(count)
        if behavior != "ignore":
            self._take_extras(mapping, used, behavior, output, lines, state)
        collect(lines)
        return output

    def _take_extras(
        self, mapping: Any, used: set[str], behavior: str, output: dict[str, Any], lines: list[Line], state: State
    ) -> None:
        names = {field.name for field in self.fields}
        for raw_key, member in pairs_of(mapping):
            key = text_key(raw_key, lines)
            if key is None or key in used:
                continue
            if behavior == "forbid":
                lines.append(Line("extra_forbidden", member, None, [key]))
            elif key not in names:
                try:
                    output[key] = member if self.extras.value is None else self.extras.value.validate(member, state)
                except Invalid as failure:
                    lines += failure.at(key)


@builds("typed-dict")
def _typed_dict(schema: Schema, _config: Config, building: Building) -> Validator:
    return TypedDictValidator(schema, building)
