"""Serializers that are functions of the author's, and those around others."""

from __future__ import annotations

import copy
from typing import Any

from torpor.errors import NotInWorkflowError

from .building import Config, Definition, Schema, function_name
from .errors import MODULE, PydanticOmit, PydanticSerializationError, PydanticSerializationUnexpectedValue, SchemaError
from .filtering import EVERYTHING, of_sequence
from .inferring import infer, infer_key
from .json_out import json_of
from .rendering import shown
from .ser_simple import ANY, is_used, run, run_key
from .serializing import UNCHECKED, Making, Serialization, Serializer, serializes

_TOLD = (
    "include", "exclude", "context", "mode", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none",
    "exclude_computed_fields", "round_trip", "serialize_as_any",
)  # fmt: skip


class SerializationInfo:
    """What a function may ask about the serialization that it takes part in."""

    __module__ = MODULE

    def __init__(self, state: Serialization, field: str | None) -> None:
        self.include, self.exclude, self.context, self.mode = state.include, state.exclude, state.context, state.mode
        self.by_alias, self.exclude_unset = state.by_alias, state.exclude_unset
        self.exclude_defaults, self.exclude_none = state.exclude_defaults, state.exclude_none
        self.exclude_computed_fields, self.round_trip = state.exclude_computed_fields, state.round_trip
        self.serialize_as_any, self.polymorphic_serialization = state.as_any, state.polymorphic
        if field is not None:
            self.field_name = field

    def mode_is_json(self) -> bool:
        """Tell whether JSON is made."""
        return self.mode == "json"

    def __repr__(self) -> str:
        told = {name: getattr(self, name) for name in _TOLD}
        told["by_alias"] = bool(told["by_alias"])
        return f"SerializationInfo({', '.join(f'{name}={value!r}' for name, value in told.items())})"

    __str__ = __repr__


class SerializationCallable:
    """The serializer that a function stands around, as it calls it."""

    __module__ = MODULE
    __slots__ = ("_inner", "_state")

    def __init__(self, inner: Serializer, state: Serialization) -> None:
        self._inner, self._state = inner, state.copy()

    def __call__(self, value: Any, index_key: int | str | None = None, /) -> Any:
        state = self._state.copy()
        following: Any = (state.include, state.exclude)
        if index_key is not None:
            if not isinstance(index_key, int | str):
                raise TypeError(f"'index_key' is expected to be an integer or a string, got '{shown(index_key)}'")
            include, exclude = following
            if isinstance(index_key, int):
                include, exclude = of_sequence(include, None), of_sequence(exclude, None)
            following = EVERYTHING.next(index_key, include, exclude)
            if following is None:
                raise PydanticOmit
        with state.having(include=following[0], exclude=following[1]):
            made = self._inner.output(value, state)
        state.finish()
        return made

    def __repr__(self) -> str:
        return f"SerializationCallable(serializer={self._inner.name})"

    __str__ = __repr__


class FunctionSerializer(Serializer):
    """
    A function that makes something of a value, which another serializer writes.

    Attributes:
        inner: the serializer that it stands around or instead of.
        is_around: whether it is handed that one.
    """

    __slots__ = ("called", "function", "inner", "is_around", "of_field", "returned", "when", "with_info")

    def __init__(self, told: Schema, inner: Serializer, returned: Serializer, is_around: bool) -> None:
        self.function, self.inner, self.returned, self.is_around = told["function"], inner, returned, is_around
        self.of_field, self.with_info = bool(told.get("is_field_serializer")), bool(told.get("info_arg"))
        self.when, self.called = told.get("when_used", "always"), function_name(self.function)
        self.name = f"wrap_function[{self.called}, {inner.name}]" if is_around else f"plain_function[{self.called}]"

    def output(self, value: Any, state: Serialization) -> Any:
        if not is_used(self.when, value, state):
            return run(self.inner, value, state)
        made = self._made(value, state)
        if made is None:
            return infer(value, state)
        with state.having(include=None, exclude=None):
            return run(self.returned, made[0], state)

    def key(self, value: Any, state: Serialization) -> str:
        if not is_used(self.when, value, state):
            return run_key(self.inner, value, state)
        made = self._made(value, state)
        if made is None:
            return infer_key(value, state)
        with state.having(include=None, exclude=None):
            return run_key(self.returned, made[0], state)

    def _made(self, value: Any, state: Serialization) -> tuple[Any] | None:
        """Return what the function makes of a value, in a tuple; None if it says that the value does not fit."""
        args: list[Any] = [value]
        if self.of_field:
            if state.model is None:
                kind = "wrap" if self.is_around else "plain"
                raise RuntimeError(
                    f"Function {kind} serializer expected to be run inside the context of a model field but no model "
                    "was found"
                )
            args.insert(0, state.model)
        if self.is_around:
            args.append(SerializationCallable(self.inner, state))
        if self.with_info:
            args.append(SerializationInfo(state, state.field if self.of_field else None))
        try:
            return (self.function(*args),)
        except PydanticSerializationUnexpectedValue as warning:
            if state.check != UNCHECKED:
                raise
            state.tell(warning)
            return None
        except PydanticSerializationError as error:
            words, cause = str(error), None
        except RecursionError:
            words, cause = f"Error calling function `{self.called}`: RecursionError", None
        except NotInWorkflowError:
            raise
        except BaseException as error:  # noqa: BLE001  # pydantic lets none through
            words, cause = f"Error calling function `{self.called}`: {described(error)}", error
        raise PydanticSerializationError(words) from cause

    @property
    def retries(self) -> bool:
        return self.inner.retries or self.returned.retries

    @property
    def is_reusable(self) -> bool:
        return not self.is_around

    @property
    def is_of_field(self) -> bool:
        return self.of_field


def described(error: BaseException) -> str:
    """Return an error's class and text."""
    text = str(error)
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


@serializes("serialization-function-plain", "serialization-function-wrap")
def _function(schema: Schema, config: Config, making: Making) -> Serializer:
    told = schema["serialization"]
    is_around = told["type"] == "function-wrap"
    returned = making.make(told["return_schema"], config) if told.get("return_schema") else ANY
    inner: Serializer = ANY
    if is_around or told.get("when_used", "always") != "always":
        outer = {key: value for key, value in schema.items() if key not in ("serialization", "ref")}
        inner = making.make(told.get("schema", outer) if is_around else outer, config)
    return FunctionSerializer(told, inner, returned, is_around)


@serializes("function-before", "function-after", "function-wrap", "custom-error")
def _inner(schema: Schema, config: Config, making: Making) -> Serializer:
    return making.make(schema["schema"], config)


@serializes("chain")
def _chain(schema: Schema, config: Config, making: Making) -> Serializer:
    return making.make(schema["steps"][-1], config)


@serializes("lax-or-strict")
def _strict(schema: Schema, config: Config, making: Making) -> Serializer:
    return making.make(schema["strict_schema"], config)


@serializes("call")
def _call(schema: Schema, config: Config, making: Making) -> Serializer:
    return making.make(schema["return_schema"], config) if schema.get("return_schema") else ANY


@serializes("arguments", "arguments-v3")
def _arguments(_schema: Schema, _config: Config, _making: Making) -> Serializer:
    raise SchemaError("`arguments` validators require a custom serializer")


class Around(Serializer):
    """Passes everything on to another."""

    __slots__ = ("inner",)

    def __init__(self, inner: Serializer) -> None:
        self.inner, self.name = inner, inner.name

    def output(self, value: Any, state: Serialization) -> Any:
        return run(self.inner, value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return run_key(self.inner, value, state)

    @property
    def retries(self) -> bool:
        return self.inner.retries

    @property
    def is_of_field(self) -> bool:
        return False


class WithDefault(Around):
    __slots__ = ("schema",)

    def __init__(self, inner: Serializer, schema: Schema) -> None:
        super().__init__(inner)
        self.schema = schema

    def default(self) -> tuple[Any] | None:
        if "default" in self.schema:
            stored = self.schema["default"]
            return (stored if getattr(stored, "__hash__", None) else copy.deepcopy(stored),)
        factory = self.schema.get("default_factory")
        if factory is None:
            return None
        return (factory({}) if self.schema.get("default_factory_takes_data") else factory(),)


@serializes("default")
def _default(schema: Schema, config: Config, making: Making) -> Serializer:
    return WithDefault(making.make(schema["schema"], config), schema)


class Nullable(Around):
    __slots__ = ()

    def __init__(self, inner: Serializer) -> None:
        super().__init__(inner)
        self.name = "nullable"

    def output(self, value: Any, state: Serialization) -> Any:
        return None if value is None else run(self.inner, value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return "None" if value is None else run_key(self.inner, value, state)


@serializes("nullable")
def _nullable(schema: Schema, config: Config, making: Making) -> Serializer:
    return Nullable(making.make(schema["schema"], config))


class JsonOrPython(Around):
    __slots__ = ("json",)

    def __init__(self, json: Serializer, python: Serializer) -> None:
        super().__init__(python)
        self.json, self.name = json, f"json-or-python[json={json.name}, python={python.name}]"

    def output(self, value: Any, state: Serialization) -> Any:
        return run(self.json if state.is_json else self.inner, value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return run_key(self.json if state.is_json else self.inner, value, state)

    @property
    def retries(self) -> bool:
        return self.json.retries or self.inner.retries


@serializes("json-or-python")
def _json_or_python(schema: Schema, config: Config, making: Making) -> Serializer:
    return JsonOrPython(making.make(schema["json_schema"], config), making.make(schema["python_schema"], config))


class JsonText(Around):
    """Writes what was read from JSON in a text; as such a text again if it is to be read again."""

    __slots__ = ()

    def output(self, value: Any, state: Serialization) -> Any:
        return self._text(value, state) if state.round_trip else run(self.inner, value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return self._text(value, state) if state.round_trip else infer_key(value, state)

    def _text(self, value: Any, state: Serialization) -> str:
        with state.having(mode="json", is_json=True, is_text=True):
            return json_of(run(self.inner, value, state), None)


@serializes("json")
def _json(schema: Schema, config: Config, making: Making) -> Serializer:
    inner = JsonText(making.make(schema["schema"], config) if schema.get("schema") else ANY)
    inner.name = "json"
    return inner


class Reference(Serializer):
    """A serializer that is defined elsewhere."""

    __slots__ = ("definition", "is_asked")
    name = "definition-ref"

    def __init__(self, definition: Definition) -> None:
        self.definition, self.is_asked = definition, False

    @property
    def _inner(self) -> Any:
        return self.definition.validator

    def output(self, value: Any, state: Serialization) -> Any:
        with state.guarded(value, id(self.definition)):
            return self._inner.output(value, state)

    def key(self, value: Any, state: Serialization) -> str:
        return self._inner.key(value, state)  # type: ignore[no-any-return]  # of a serializer

    @property
    def retries(self) -> bool:
        if self.is_asked:
            return False
        self.is_asked = True
        try:
            return bool(self._inner.retries)
        finally:
            self.is_asked = False


@serializes("definition-ref")
def _reference(schema: Schema, _config: Config, making: Making) -> Serializer:
    return Reference(making.definition(schema["schema_ref"]))


@serializes("definitions")
def _definitions(schema: Schema, config: Config, making: Making) -> Serializer:
    for described in schema["definitions"]:
        making.definition(described["ref"]).validator = making.make(described, config)  # type: ignore[assignment]  # of this half
    return making.make(schema["schema"], config)
