"""Serializers of unions: the first member whose objects a value is of, else a subclass of one, else what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .building import Config, Schema
from .errors import PydanticSerializationUnexpectedValue, SchemaError
from .inferring import infer, infer_key
from .lookup import Path, paths_of
from .ser_simple import run, run_key
from .serializing import LAX, STRICT, UNCHECKED, Making, Serialization, Serializer, serializes

Select = Callable[[Serializer], Any]

_NO_TAG: Final = (
    "Defaulting to left to right union serialization - failed to get discriminator value for tagged union serialization"
)


class UnionSerializer(Serializer):
    __slots__ = ("choices",)

    def __init__(self, choices: list[Serializer]) -> None:
        self.choices = choices
        self.name = f"Union[{', '.join(choice.name for choice in choices)}]"

    @property
    def retries(self) -> bool:
        return any(choice.retries for choice in self.choices)

    def output(self, value: Any, state: Serialization) -> Any:
        is_text = state.is_text
        with state.having(is_text=False):
            found = self.found(value, lambda choice: run(choice, value, state), state)
        if found is None:
            return infer(value, state)
        if not is_text:
            return found[0]
        with state.having(include=None, exclude=None):
            return infer(found[0], state)

    def key(self, value: Any, state: Serialization) -> str:
        found = self.found(value, lambda choice: run_key(choice, value, state), state)
        return infer_key(value, state) if found is None else found[0]

    def found(self, _value: Any, select: Select, state: Serialization) -> tuple[Any] | None:
        """Return what a member makes of a value, in a tuple; None if it is of none."""
        problems: list[Exception] = []
        with state.having(check=STRICT if state.check == UNCHECKED else state.check):
            for choice in self.choices:
                try:
                    return (select(choice),)
                except Exception as problem:  # noqa: BLE001  # of whatever kind, this member is not it
                    problems.append(problem)
        if state.check != UNCHECKED:
            raise PydanticSerializationUnexpectedValue("\n".join(map(_told, problems)))
        if self.retries:
            with state.having(check=LAX):
                for choice in self.choices:
                    try:
                        return (select(choice),)
                    except Exception:  # noqa: BLE001, S112  # as above
                        continue
        for each in problems:
            _tell(each, state)
        return None


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _tell(problem: Exception, state: Serialization) -> None:
    is_warning = isinstance(problem, PydanticSerializationUnexpectedValue)
    state.tell(problem if is_warning else PydanticSerializationUnexpectedValue(_told(problem)))  # type: ignore[arg-type]  # as just told


class TaggedUnionSerializer(UnionSerializer):
    """Of unions whose members are told by a tag."""

    __slots__ = ("by_tag", "discriminator", "paths")

    def __init__(self, choices: dict[Any, Serializer], discriminator: Any) -> None:
        super().__init__(list(choices.values()))
        self.name = f"Tagged{self.name}"
        self.by_tag, self.discriminator = choices, discriminator
        self.paths: list[Path] = [] if callable(discriminator) else paths_of(discriminator)

    def found(self, value: Any, select: Select, state: Serialization) -> tuple[Any] | None:
        choice = self._choice(value)
        is_top = state.check == UNCHECKED
        if choice is None:
            if is_top:
                state.tell(PydanticSerializationUnexpectedValue(_NO_TAG, None, None, value))
            return super().found(value, select, state)
        try:
            with state.having(check=STRICT if is_top else state.check):
                return (select(choice),)
        except Exception as raised:  # of whatever kind, it is not exactly of this member
            if not is_top:
                raise
            problem = raised
        if self.retries:
            try:
                with state.having(check=LAX):
                    return (select(choice),)
            except Exception:  # noqa: BLE001, S110  # the first problem is told
                pass
        _tell(problem, state)
        return None

    def _choice(self, value: Any) -> Serializer | None:
        try:
            if not self.paths:
                return self.by_tag.get(self.discriminator(value))
            for path in self.paths:
                found = path.of_mapping(value) if isinstance(value, dict) else path.of_object(value)
                if found is not None:
                    return self.by_tag.get(found[0])
        except Exception:  # noqa: BLE001  # whatever asking for a tag raises, there is none
            return None
        return None


@serializes("union")
def _union(schema: Schema, config: Config, making: Making) -> Serializer:
    choices = [making.make(each[0] if isinstance(each, tuple) else each, config) for each in schema["choices"]]
    if not choices:
        raise SchemaError("One or more union choices required")
    return choices[0] if len(choices) == 1 else UnionSerializer(choices)


@serializes("tagged-union")
def _tagged_union(schema: Schema, config: Config, making: Making) -> Serializer:
    choices = {tag: making.make(choice, config) for tag, choice in schema["choices"].items()}
    if not choices:
        raise SchemaError("One or more union choices required")
    return (
        next(iter(choices.values())) if len(choices) == 1 else TaggedUnionSerializer(choices, schema["discriminator"])
    )
