"""What validators of things with fields have in common."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, from_either
from .errors import Invalid, Line, SchemaError, invalid
from .lookup import Place, kinds_of
from .numbers import utf8
from .state import State


class Field:
    """
    One field.

    Attributes:
        name: its name.
        place: where its value is found.
        validator: what its value must be.
        frozen: whether it may not be assigned.
        required: of a TypedDict, whether it must be there.
    """

    __slots__ = ("frozen", "name", "place", "required", "validator")

    def __init__(self, name: str, schema: Schema, config: Config, building: Building) -> None:
        self.name = name
        self.validator = building.field(name, schema["schema"], config)
        self.place = Place(name, schema.get("validation_alias", schema.get("alias")))
        self.frozen, self.required = bool(schema.get("frozen")), True


class Ways:
    """How the fields of something are looked up, as its configuration says."""

    __slots__ = ("by_alias", "by_name", "loc_by_alias")

    def __init__(self, config: Config, schema: Schema | None = None) -> None:
        self.by_alias = from_either(schema or {}, config, "validate_by_alias")
        self.by_name = from_either(schema or {}, config, "validate_by_name")
        self.loc_by_alias = config.get("loc_by_alias", True)

    def kinds(self, state: State) -> int:
        """Return which ways are tried."""
        by_alias = self.by_alias if state.by_alias is None else state.by_alias
        by_name = self.by_name if state.by_name is None else state.by_name
        return kinds_of(by_alias is None or by_alias, bool(by_name))


class Extras:
    """
    What becomes of keys that no field has.

    Attributes:
        behavior: ``allow``, ``ignore`` or ``forbid``.
        key, value: what they must be; None for anything.
    """

    __slots__ = ("behavior", "key", "value")

    def __init__(self, schema: Schema, config: Config, building: Building, default: str = "ignore") -> None:
        self.behavior = from_either(schema, config, "extra_behavior", "extra_fields_behavior", default)
        if self.behavior not in ("allow", "ignore", "forbid"):
            raise SchemaError(f"Invalid extra_behavior: `{self.behavior}`")
        for name in ("extras_schema", "extras_keys_schema"):
            if schema.get(name) is not None and self.behavior != "allow":
                raise SchemaError(f"{name} can only be used if extra_behavior=allow")
        self.value = building.optional(schema.get("extras_schema"), config)
        self.key = building.optional(schema.get("extras_keys_schema"), config)

    def of(self, state: State) -> str:
        """Return the behavior, which the caller may change."""
        return state.extra or self.behavior


def text_key(key: Any, lines: list[Line]) -> str | None:
    """Return a key as a text; None, and a line, if it is none."""
    if isinstance(key, str):
        try:
            return utf8(key)
        except Invalid as failure:
            problem = failure
    else:
        problem = invalid("string_type", key)
    for line in problem.at(key):
        line.type = "invalid_key"
        lines.append(line)
    return None


def default_into(
    field: Field, output: dict[str, Any], lines: list[Line], state: State, value: Any, loc: list[int | str]
) -> bool:
    """Give a field its default, or note that it is missing at a place; return whether it has one."""
    try:
        made = field.validator.default(field.name, state)
    except Invalid as failure:
        state.has_field_error = True
        lines += failure.lines
        return True
    if made is not None:
        output[field.name] = made[0]
        return True
    state.has_field_error = True
    if field.required:
        lines.append(Line("missing", value, None, loc))
    return False
