"""Validators of dicts and their kin."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from .building import Building, Config, Schema, builds, is_strict
from .errors import Invalid, Line, PydanticOmit, invalid
from .state import EXACT, LAX, STRICT, State, Validator, collect


def mapping_of(value: Any, state: State, strict: bool, error_type: str = "dict_type") -> Any:
    """Return what has keys; in JSON that is an object."""
    if isinstance(value, dict) or (state.source == "python" and not strict and isinstance(value, Mapping)):
        return value
    raise invalid(error_type, value)


def pairs_of(mapping: Any) -> Iterator[tuple[Any, Any]]:
    """Yield keys and values; that they cannot be had is a failure."""
    if type(mapping) is dict:
        yield from mapping.items()
        return
    try:
        pairs = list(mapping.items())
    except Exception as error:  # noqa: BLE001  # whatever an author's mapping raises
        words = f"{type(error).__name__}: {error}"
    else:
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) != 2:
                told = "Mapping items must be tuples of (key, value) pairs"
                raise invalid("mapping_type", mapping, error=told)
            yield pair
        return
    raise invalid("mapping_type", mapping, error=words)


class Dict(Validator):
    """
    Makes dicts of validated keys and values.

    Attributes:
        noun: what errors call them.
    """

    __slots__ = ("fail_fast", "key", "kind", "longest", "shortest", "strict", "value")

    noun = "Dictionary"

    def __init__(self, schema: Schema, config: Config, key: Validator, value: Validator) -> None:
        self.strict, self.key, self.value = is_strict(schema, config), key, value
        self.shortest, self.longest = schema.get("min_length"), schema.get("max_length")
        self.fail_fast = bool(schema.get("fail_fast"))
        self.kind = schema["type"]
        self.name = f"{self.kind}[{key.name},{value.name}]"

    def validate(self, value: Any, state: State) -> Any:
        return self.validated(mapping_of(value, state, state.is_strict(self.strict)), value, state)

    def _key(self, key: Any, state: State) -> Any:
        """Return what a key is; those of JSON are texts, whatever they stand for."""
        if state.source != "json":
            return self.key.validate(key, state)
        before, state.strict = state.strict, False
        try:
            return self.key.validate(key, state)
        finally:
            state.strict = before

    def validated(self, mapping: Any, value: Any, state: State) -> dict[Any, Any]:
        """Return a dict of the validated keys and values of a mapping."""
        lines: list[Line] = []
        output: dict[Any, Any] = {}
        for key, member in pairs_of(mapping):
            try:
                made_key = (self._key(key, state),)
            except PydanticOmit:
                continue
            except Invalid as failure:
                failure.at("[key]")
                lines += failure.at(key)
                made_key = None
            if lines and self.fail_fast:
                break
            try:
                made = self.value.validate(member, state)
            except PydanticOmit:
                continue
            except Invalid as failure:
                lines += failure.at(key)
                if self.fail_fast:
                    break
                continue
            if made_key is not None:
                output[made_key[0]] = made
                if self.longest is not None and len(output) > self.longest:
                    told = {"field_type": self.noun, "max_length": self.longest, "actual_length": None}
                    raise Invalid([Line("too_long", value, told)])
        collect(lines)
        if self.shortest is not None and len(output) < self.shortest:
            told = {"field_type": self.noun, "min_length": self.shortest, "actual_length": len(output)}
            raise Invalid([Line("too_short", value, told)])
        return output


class Ordered(Dict):
    """Makes an OrderedDict or a Counter."""

    __slots__ = ("cls", "error", "noun")

    def __init__(self, schema: Schema, config: Config, key: Validator, value: Validator) -> None:
        super().__init__(schema, config, key, value)
        self.cls, self.error = {
            "ordered-dict": (OrderedDict, "ordered_dict_type"),
            "counter": (Counter, "counter_type"),
        }[self.kind]
        self.noun = self.cls.__name__

    def validate(self, value: Any, state: State) -> Any:
        if state.source == "json":
            mapping = mapping_of(value, state, strict=True, error_type=self.error)
            state.floor(STRICT)
        elif isinstance(value, self.cls):
            mapping = value
            state.floor(EXACT)
        else:
            if state.is_strict(self.strict):
                raise invalid(self.error, value)
            mapping = mapping_of(value, state, strict=False, error_type=self.error)
            state.floor(LAX)
        return self.cls(self.validated(mapping, value, state))


@builds("dict", "ordered-dict", "counter")
def _dict(schema: Schema, config: Config, building: Building) -> Validator:
    key = building.make(schema.get("keys_schema") or {"type": "any"}, config)
    value = building.make(schema.get("values_schema") or {"type": "any"}, config)
    return (Dict if schema["type"] == "dict" else Ordered)(schema, config, key, value)
