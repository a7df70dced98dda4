"""What pydantic calls to validate."""

from __future__ import annotations

from typing import Any, final

from .building import Building, Config, Schema, refuse
from .errors import MODULE, Invalid, PydanticOmit, PydanticUseDefault
from .failures import raised
from .json_text import json_value
from .state import State, Validator
from .values import Some

_EXTRA = ("allow", "forbid", "ignore")


@final
class SchemaValidator:
    """
    Validates what a schema describes.

    Attributes:
        title: what errors call it.
    """

    __module__ = MODULE
    __slots__ = ("_config", "_inner", "_schema", "title")

    def __init__(self, schema: Schema, config: Config | None = None, _use_prebuilt: bool = True) -> None:
        self._schema, self._config = schema, config or {}
        building = Building(reuses=_use_prebuilt)
        self._inner: Validator = building.make(schema, self._config)
        building.finish()
        self.title = self._config.get("title", self._inner.name)

    def validate_python(
        self,
        input: Any,  # noqa: A002  # pydantic's name
        *,
        strict: bool | None = None,
        extra: str | None = None,
        from_attributes: bool | None = None,
        context: Any = None,
        self_instance: Any = None,
        allow_partial: bool | str = False,
        by_alias: bool | None = None,
        by_name: bool | None = None,
    ) -> Any:
        """
        Return what an object is for the schema.

        Raises:
            ValidationError: it is none.
        """
        _check(extra, allow_partial)
        state = State("python", strict, extra, from_attributes, context, self_instance, by_alias, by_name)
        problem: BaseException
        try:
            return self._inner.validate(input, state)
        except (Invalid, PydanticOmit, PydanticUseDefault) as failure:
            problem = failure
        raise raised(problem, self.title, "python", self._config)

    def isinstance_python(
        self,
        input: Any,  # noqa: A002  # pydantic's name
        *,
        strict: bool | None = None,
        extra: str | None = None,
        from_attributes: bool | None = None,
        context: Any = None,
        self_instance: Any = None,
        by_alias: bool | None = None,
        by_name: bool | None = None,
    ) -> bool:
        """Tell whether an object is what the schema describes."""
        _check(extra, allow_partial=False)
        state = State("python", strict, extra, from_attributes, context, self_instance, by_alias, by_name)
        problem: BaseException
        try:
            self._inner.validate(input, state)
        except Invalid:
            return False
        except (PydanticOmit, PydanticUseDefault) as failure:
            problem = failure
        else:
            return True
        raise raised(problem, self.title, "python", self._config)

    def validate_json(
        self,
        input: str | bytes | bytearray,  # noqa: A002  # pydantic's name
        *,
        strict: bool | None = None,
        extra: str | None = None,
        context: Any = None,
        self_instance: Any = None,
        allow_partial: bool | str = False,
        by_alias: bool | None = None,
        by_name: bool | None = None,
    ) -> Any:
        """
        Return what a JSON text is for the schema.

        Raises:
            ValidationError: it is none, or no JSON.
        """
        _check(extra, allow_partial)
        state = State("json", strict, extra, None, context, self_instance, by_alias, by_name)
        problem: BaseException
        try:
            return self._inner.validate(json_value(input, input), state)
        except (Invalid, PydanticOmit, PydanticUseDefault) as failure:
            problem = failure
        raise raised(problem, self.title, "json", self._config)

    def validate_strings(self, *_args: Any, **_kwargs: Any) -> Any:
        """Refuse: a workflow has objects, or JSON."""
        refuse("an object of texts (model_validate_strings)")

    def validate_assignment(
        self,
        obj: Any,
        field_name: str,
        field_value: Any,
        *,
        strict: bool | None = None,
        extra: str | None = None,
        from_attributes: bool | None = None,
        context: Any = None,
        by_alias: bool | None = None,
        by_name: bool | None = None,
    ) -> Any:
        """
        Assign to a field of a model.

        Raises:
            ValidationError: it does not take the value.
        """
        _check(extra, allow_partial=False)
        state = State("python", strict, extra, from_attributes, context, None, by_alias, by_name)
        state.field = field_name
        problem: BaseException
        try:
            return self._inner.assign(obj, field_name, field_value, state)
        except (Invalid, PydanticOmit, PydanticUseDefault) as failure:
            problem = failure
        raise raised(problem, self.title, "python", self._config)

    def get_default_value(self, *, strict: bool | None = None, context: Any = None) -> Some[Any] | None:
        """Return the schema's default; None without one."""
        problem: BaseException
        try:
            found = self._inner.default(None, State("python", strict, context=context))
        except (Invalid, PydanticOmit, PydanticUseDefault) as failure:
            problem = failure
        else:
            return None if found is None else Some(found[0])
        raise raised(problem, self.title, "python", self._config)

    def __reduce__(self) -> tuple[Any, ...]:
        return SchemaValidator, (self._schema, self._config, False)

    def __repr__(self) -> str:
        return f"SchemaValidator(title={self.title!r}, validator={self._inner.name})"


def _check(extra: str | None, allow_partial: bool | str) -> None:
    if extra is not None and extra not in _EXTRA:
        raise ValueError(f"Invalid extra_behavior: `{extra}`")
    if allow_partial not in (False, "off"):
        refuse("a part of a value (allow_partial)")
