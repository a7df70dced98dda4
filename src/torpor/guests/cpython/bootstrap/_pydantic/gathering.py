"""Which definitions a schema refers to, as pydantic asks before it makes validators."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .building import Schema

_LISTS: Final = {
    "definitions": ("definitions",),
    "tuple": ("items_schema",),
    "chain": ("steps",),
    "model-fields": ("computed_fields",),
    "typed-dict": ("computed_fields",),
    "dataclass-args": ("computed_fields", "fields"),
    "named-tuple": ("fields",),
}
_DICTS: Final = {"tagged-union": "choices", "model-fields": "fields", "typed-dict": "fields"}
_SINGLE: Final = (
    "schema", "items_schema", "keys_schema", "values_schema", "lax_schema", "strict_schema", "json_schema",
    "python_schema", "extras_schema", "var_args_schema", "var_kwargs_schema", "return_schema",
    "json_schema_input_schema", "serialization",
)  # fmt: skip
_DISCRIMINATOR: Final = "pydantic_internal_union_discriminator"


class MissingDefinitionError(LookupError):
    """A schema refers to one that is not there."""

    __module__ = "pydantic_core._pydantic_core._schema_gather"

    def __init__(self, schema_reference: str, /) -> None:
        super().__init__(schema_reference)
        self.schema_reference = schema_reference


class _Gathering:
    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions
        self.references: dict[str, Schema | None] = {}
        self.deferred: list[Schema] = []
        self._met: list[str] = []  # references, in the order in which they were met
        self._spans: dict[int, tuple[int, int | None]] = {}  # of a schema, the part of these that is inside

    def enter(self, schema: Schema) -> None:
        """Look at a schema; of one that stands in two places, what it refers to is referred to twice."""
        span = self._spans.get(id(schema))
        if span is not None:
            self.references.update(dict.fromkeys(self._met[span[0] : span[1]]))
            return
        start = len(self._met)
        self._spans[id(schema)] = start, None
        is_deferring = True
        if schema["type"] == "definition-ref":
            is_deferring = self._refer(schema)
        else:
            for child in _children(schema):
                self.enter(child)
        metadata = schema.get("metadata")
        if is_deferring and metadata is not None and _DISCRIMINATOR in metadata:
            self.deferred.append(schema)
        self._spans[id(schema)] = start, len(self._met)

    def _refer(self, schema: Schema) -> bool:
        reference = schema["schema_ref"]
        self._met.append(reference)
        if reference in self.references:
            self.references[reference] = None
            return False
        definition = self.definitions.get(reference)
        if definition is None:
            raise MissingDefinitionError(reference)
        self.references[reference] = schema
        self.enter(definition)
        if "serialization" in schema:
            self.enter(schema["serialization"])
        return True


def _children(schema: Schema) -> Iterator[Schema]:
    kind = schema["type"]
    lists = _LISTS.get(kind, ())
    for key in lists:
        yield from schema.get(key) or ()
    if kind in _DICTS:
        yield from schema[_DICTS[kind]].values()
    if kind == "union":
        yield from (choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"])
    if kind in ("arguments", "arguments-v3"):
        yield from (parameter["schema"] for parameter in schema["arguments_schema"])
    elif kind == "call":
        yield schema["arguments_schema"]
    for key in _SINGLE:
        child: Any = schema.get(key)
        if isinstance(child, dict) and "type" in child and key not in lists:
            yield child


def gather_schemas_for_cleaning(
    schema: Schema, definitions: dict[str, Schema]
) -> tuple[dict[str, Schema | None], list[Schema]]:
    """
    Return what a schema refers to, and what is to be discriminated later.

    Of what is referred to once, the reference is returned, so that the definition may take its place.

    Raises:
        MissingDefinitionError: a definition is not there.
    """
    gathering = _Gathering(definitions)
    gathering.enter(schema)
    return gathering.references, gathering.deferred
