"""Validators around others: defaults, None, chains, modes, definitions."""

from __future__ import annotations

import copy
from typing import Any

from .building import Building, Config, Definition, Schema, builds, from_either, is_strict
from .errors import Invalid, Line, PydanticOmit, PydanticUseDefault, SchemaError, invalid
from .state import DEPTH_MAX, LAX, State, Validator, of_python
from .unions import CustomError
from .values import PydanticUndefined


class Default(Validator):
    """Gives what is missing a default."""

    __slots__ = ("copies", "factory", "has_default", "inner", "on_error", "stored", "takes_data", "validates")

    def __init__(self, schema: Schema, config: Config, inner: Validator) -> None:
        self.inner, self.factory = inner, schema.get("default_factory")
        self.stored, self.has_default = schema.get("default"), "default" in schema or self.factory is not None
        if "default" in schema and self.factory is not None:
            raise SchemaError("'default' and 'default_factory' cannot be used together")
        self.takes_data = bool(schema.get("default_factory_takes_data"))
        self.on_error = schema.get("on_error", "raise")
        if self.on_error == "default" and not self.has_default:
            raise SchemaError("'on_error = default' requires a `default` or `default_factory`")
        self.validates = bool(from_either(schema, config, "validate_default"))
        self.copies = self.factory is None and not _has_hash(self.stored)
        self.name = f"default[{inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        if value is PydanticUndefined:
            default = self.default(None, state)
            assert default is not None, "pydantic hands it in where there is a default only"
            return default[0]
        problem: BaseException
        try:
            return self.inner.validate(value, state)
        except PydanticUseDefault as use_default:
            problem = use_default
        except (Invalid, PydanticOmit) as failure:
            if self.on_error == "raise":
                raise
            problem = failure
        if self.on_error == "omit" and not isinstance(problem, PydanticUseDefault):
            raise PydanticOmit
        default = self.default(None, state)
        if default is None:
            raise problem
        return default[0]

    def default(self, place: int | str | None, state: State) -> tuple[Any] | None:
        if not self.has_default:
            return None
        if self.factory is None:
            made = copy.deepcopy(self.stored) if self.copies else self.stored
        elif not self.takes_data:
            made = self.factory()
        elif state.has_field_error:
            lines = [Line("default_factory_not_called", PydanticUndefined, None, () if place is None else [place])]
            raise Invalid(lines)
        else:
            made = self.factory({} if state.data is None else state.data)
        if not self.validates:
            return (made,)
        try:
            return (of_python(self.inner, made, state),)
        except PydanticUseDefault:
            raise
        except (Invalid, PydanticOmit) as failure:
            if self.on_error == "omit":
                raise PydanticOmit from None
            if isinstance(failure, Invalid) and place is not None:
                failure.at(place)
            raise


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # noqa: BLE001  # whatever the object raises, it has none
        return False
    return True


@builds("default")
def _default(schema: Schema, config: Config, building: Building) -> Validator:
    return Default(schema, config, building.make(schema["schema"], config))


class Nullable(Validator):
    __slots__ = ("inner",)

    def __init__(self, inner: Validator) -> None:
        self.inner, self.name = inner, f"nullable[{inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        return None if value is None else self.inner.validate(value, state)


@builds("nullable")
def _nullable(schema: Schema, config: Config, building: Building) -> Validator:
    return Nullable(building.make(schema["schema"], config))


class Chain(Validator):
    __slots__ = ("steps",)

    def __init__(self, steps: list[Validator]) -> None:
        self.steps, self.name = steps, f"chain[{','.join(step.name for step in steps)}]"

    def validate(self, value: Any, state: State) -> Any:
        value = self.steps[0].validate(value, state)
        for step in self.steps[1:]:
            value = of_python(step, value, state)
        return value


@builds("chain")
def _chain(schema: Schema, config: Config, building: Building) -> Validator:
    steps: list[Validator] = []
    for each in schema["steps"]:
        step = building.make(each, config)
        steps += step.steps if isinstance(step, Chain) else [step]
    if not steps:
        raise SchemaError("One or more steps are required for a chain validator")
    return steps[0] if len(steps) == 1 else Chain(steps)


class LaxOrStrict(Validator):
    __slots__ = ("lax", "strict", "strict_inner")

    def __init__(self, strict: bool, lax: Validator, strict_inner: Validator) -> None:
        self.strict, self.lax, self.strict_inner = strict, lax, strict_inner
        self.name = f"lax-or-strict[lax={lax.name},strict={strict_inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.is_strict(self.strict):
            return self.strict_inner.validate(value, state)
        if state.exactness is not None:
            try:
                return self.strict_inner.validate(value, state)
            except (Invalid, PydanticOmit, PydanticUseDefault):
                state.floor(LAX)
        return self.lax.validate(value, state)


@builds("lax-or-strict")
def _lax_or_strict(schema: Schema, config: Config, building: Building) -> Validator:
    lax, strict = building.make(schema["lax_schema"], config), building.make(schema["strict_schema"], config)
    return LaxOrStrict(is_strict(schema, config), lax, strict)


class JsonOrPython(Validator):
    __slots__ = ("json", "python")

    def __init__(self, json: Validator, python: Validator) -> None:
        self.json, self.python, self.name = json, python, f"json-or-python[json={json.name},python={python.name}]"

    def validate(self, value: Any, state: State) -> Any:
        return (self.python if state.mode == "python" else self.json).validate(value, state)


@builds("json-or-python")
def _json_or_python(schema: Schema, config: Config, building: Building) -> Validator:
    return JsonOrPython(building.make(schema["json_schema"], config), building.make(schema["python_schema"], config))


class WithCustomError(Validator):
    __slots__ = ("error", "inner")

    def __init__(self, inner: Validator, error: CustomError) -> None:
        self.inner, self.error, self.name = inner, error, f"custom-error[{inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        try:
            return self.inner.validate(value, state)
        except (Invalid, PydanticOmit, PydanticUseDefault):
            pass
        raise self.error.failure(value)


@builds("custom-error")
def _custom_error(schema: Schema, config: Config, building: Building) -> Validator:
    return WithCustomError(building.make(schema["schema"], config), CustomError(schema))


class Reference(Validator):
    """A validator that is defined elsewhere."""

    __slots__ = ("definition",)

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    @property
    def name(self) -> str:  # type: ignore[override]  # it is known later only
        """What the other one is called; where that leads back here, ``...``."""
        definition = self.definition
        if definition.name is not None:
            return definition.name
        if definition.validator is None or definition.is_named:
            return "..."
        definition.is_named = True
        try:
            definition.name = definition.validator.name
        finally:
            definition.is_named = False
        return definition.name

    @property
    def _inner(self) -> Validator:
        assert self.definition.validator is not None, "all are there when the first value comes"
        return self.definition.validator

    def validate(self, value: Any, state: State) -> Any:
        if state.source == "json" and not isinstance(value, list | dict):
            return self._inner.validate(value, state)
        return self._guarded(value, state, lambda: self._inner.validate(value, state))

    def default(self, place: int | str | None, state: State) -> tuple[Any] | None:
        return self._inner.default(place, state)

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        return self._guarded(model, state, lambda: self._inner.assign(model, field, value, state))

    def _guarded(self, value: Any, state: State, validate: Any) -> Any:
        key = id(value), id(self.definition)
        if key in state.seen:
            raise invalid("recursion_loop", value)
        if len(state.seen) >= DEPTH_MAX:
            raise invalid("recursion_depth_exceeded", value)
        state.seen.add(key)
        try:
            return validate()
        finally:
            state.seen.discard(key)


@builds("definition-ref")
def _reference(schema: Schema, _config: Config, building: Building) -> Validator:
    return Reference(building.definition(schema["schema_ref"]))


@builds("definitions")
def _definitions(schema: Schema, config: Config, building: Building) -> Validator:
    for described in schema["definitions"]:
        building.definition(described["ref"]).validator = building.make(described, config)
    return building.make(schema["schema"], config)
