"""Validators that are functions of the author's, before, after, around or instead of another."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, builds, function_name
from .errors import MODULE, Invalid, location_item
from .failures import raised
from .models import call
from .state import State, Validator, of_python


class ValidationInfo:
    """What a function may ask about the validation that it takes part in."""

    __module__ = MODULE
    __slots__ = ("config", "context", "data", "field_name", "mode")

    def __init__(self, state: State, config: Config | None, field_name: str | None) -> None:
        self.config, self.context, self.field_name = config, state.context, field_name
        self.data, self.mode = state.data, state.mode

    def __repr__(self) -> str:
        return (
            f"ValidationInfo(config={self.config!r}, context={self.context!r}, data={self.data!r}, "
            f"field_name={self.field_name!r})"
        )


class Function(Validator):
    """
    What all of them have in common.

    Attributes:
        inner: the other validator; None for one that stands for itself.
        function: the author's.
        with_info: whether it takes a :class:`ValidationInfo`.
    """

    __slots__ = ("config", "field_name", "function", "inner", "with_info")

    def __init__(self, schema: Schema, config: Config, inner: Validator | None) -> None:
        told = schema["function"]
        self.inner, self.function, self.with_info = inner, told["function"], told["type"] == "with-info"
        self.field_name, self.config = told.get("field_name"), config or None
        name, kind = function_name(self.function), schema["type"]
        is_pair = kind in ("function-before", "function-after") and inner is not None
        self.name = f"{kind}[{name}()" + (f", {inner.name}]" if is_pair and inner is not None else "]")

    def called(self, value: Any, state: State, source: Any, *more: Any) -> Any:
        """Return what the function makes of a value; *source* is what failures show."""
        if not self.with_info:
            return call(source, self.function, value, *more)
        info = ValidationInfo(state, self.config, state.field if state.field is not None else self.field_name)
        return call(source, self.function, value, *more, info)


class Before(Function):
    __slots__ = ()

    def validate(self, value: Any, state: State) -> Any:
        assert self.inner is not None, "it stands before one"
        return of_python(self.inner, self.called(value, state, value), state)

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        assert self.inner is not None, "as above"
        return self.inner.assign(self.called(model, state, model), field, value, state)


class After(Function):
    __slots__ = ()
    is_reusable = False

    def validate(self, value: Any, state: State) -> Any:
        assert self.inner is not None, "it stands after one"
        return self.called(self.inner.validate(value, state), state, value)

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        assert self.inner is not None, "as above"
        return self.called(self.inner.assign(model, field, value, state), state, model)


class Plain(Function):
    __slots__ = ()

    def validate(self, value: Any, state: State) -> Any:
        return self.called(value, state, value)


class Wrap(Function):
    __slots__ = ()
    is_reusable = False

    def validate(self, value: Any, state: State) -> Any:
        assert self.inner is not None, "it stands around one"
        handler = ValidatorCallable(self.inner, state, self.config)
        try:
            return self.called(value, state, value, handler)
        finally:
            state.exactness, state.fields_set = handler.state.exactness, handler.state.fields_set

    def assign(self, model: Any, field: str, value: Any, state: State) -> Any:
        assert self.inner is not None, "as above"
        return self.called(
            model, state, model, AssignmentValidatorCallable(self.inner, state, self.config, field, value)
        )


class ValidatorCallable:
    """The other validator, as a function around it calls it."""

    __module__ = MODULE
    __slots__ = ("_config", "_inner", "state")

    def __init__(self, inner: Validator, state: State, config: Config | None) -> None:
        self._inner, self.state, self._config = inner, state.copy(), config or {}
        self.state.source = "python"

    def __call__(self, input_value: Any, outer_location: int | str | None = None) -> Any:
        return self._run(lambda: self._inner.validate(input_value, self.state), outer_location)

    def _run(self, validate: Any, outer_location: int | str | None) -> Any:
        problem: BaseException
        try:
            return validate()
        except Invalid as failure:
            if outer_location is not None:
                failure.at(location_item(outer_location))
            problem = failure
        raise raised(problem, type(self).__name__, self.state.mode, self._config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner.name})"


class AssignmentValidatorCallable(ValidatorCallable):
    """The same of an assignment."""

    __module__ = MODULE
    __slots__ = ("_field", "_value")

    def __init__(self, inner: Validator, state: State, config: Config | None, field: str, value: Any) -> None:
        super().__init__(inner, state, config)
        self._field, self._value = field, value
        self.state.field = field

    def __call__(self, input_value: Any, outer_location: int | str | None = None) -> Any:
        return self._run(lambda: self._inner.assign(input_value, self._field, self._value, self.state), outer_location)


_KINDS = {"function-before": Before, "function-after": After, "function-wrap": Wrap}


@builds("function-before", "function-after", "function-wrap")
def _function(schema: Schema, config: Config, building: Building) -> Validator:
    return _KINDS[schema["type"]](schema, config, building.make(schema["schema"], config))


@builds("function-plain")
def _plain(schema: Schema, config: Config, _building: Building) -> Validator:
    return Plain(schema, config, None)
