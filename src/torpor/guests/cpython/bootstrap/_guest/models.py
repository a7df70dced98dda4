"""
Models of the stand-in for pydantic: attributes given by keyword, believed as they are.

The codec makes models through ``model_construct`` and reads them through ``model_fields`` and ``__dict__``.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from types import GenericAlias
from typing import Any, ClassVar, Self, TypeVar

from .json_values import plain
from .model_fields import MISSING, Computed, FieldInfo, PrivateAttribute, fields_of


class ValidationError(ValueError):
    """A field is missing, unknown or frozen."""


class BaseModel:  # noqa: PLW1641  # as in pydantic only frozen models have a hash
    """A model: its annotated attributes are fields, given by keyword."""

    # The codec notes in the last that pydantic has validated a model outside; whoever changes it takes that away.
    __slots__ = (
        "__dict__",
        "__pydantic_extra__",
        "__pydantic_fields_set__",
        "__pydantic_private__",
        "__torpor_validated__",
    )

    model_config: ClassVar[dict[str, Any]] = {}
    model_fields: ClassVar[dict[str, FieldInfo]] = {}
    model_computed_fields: ClassVar[dict[str, Any]] = {}
    __pydantic_root_model__: ClassVar[bool] = False
    __private_attributes__: ClassVar[dict[str, PrivateAttribute]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__()
        bases = [base for base in cls.__mro__[1:] if issubclass(base, BaseModel)]
        cls.model_config = {**_merged(bases, "model_config"), **vars(cls).get("model_config", {}), **options}
        cls.model_fields = _merged(bases, "model_fields")
        cls.model_computed_fields = _merged(bases, "model_computed_fields")
        cls.__private_attributes__ = _merged(bases, "__private_attributes__")
        cls.model_fields |= fields_of(cls)
        for name, value in list(vars(cls).items()):
            if isinstance(value, Computed):
                cls.model_computed_fields[name] = value
            elif isinstance(value, PrivateAttribute):
                cls.__private_attributes__[name] = value
                delattr(cls, name)
        if cls.model_config.get("frozen") and "__hash__" not in vars(cls):
            cls.__hash__ = _frozen_hash  # type: ignore[assignment]  # objects of this class have a hash

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        model = super().__new__(cls)
        private = {name: attribute.made() for name, attribute in cls.__private_attributes__.items()}
        object.__setattr__(model, "__pydantic_private__", private or None)
        object.__setattr__(model, "__pydantic_extra__", None)
        return model

    def __init__(self, /, **given: Any) -> None:
        _construct(self, given, is_strict=True)

    def __class_getitem__(cls, given: Any) -> type[BaseModel]:
        types = given if isinstance(given, tuple) else (given,)
        if any(isinstance(each, TypeVar) for each in types):  # a base of another generic model
            return cls
        return cls.__torpor_parametrized__(f"{cls.__name__}[{', '.join(map(_shown, types))}]")

    @classmethod
    def __torpor_parametrized__(cls, name: str) -> type[BaseModel]:
        """
        Return the class of a generic model with its types in brackets, such as ``Page[User]``.

        It lies in the module of the generic one, where pydantic puts it as well, so that its models are values.
        """
        module = vars(sys.modules[cls.__module__])
        if name not in module:
            module[name] = type(name, (cls,), {"__module__": cls.__module__, "__qualname__": name})
        found: type[BaseModel] = module[name]
        return found

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make a model of its fields by name; what is missing and has no default stays missing."""
        model = cls.__new__(cls)
        _construct(model, values, is_strict=False)
        if _fields_set is not None:
            object.__setattr__(model, "__pydantic_fields_set__", _fields_set)
        return model

    @classmethod
    def model_validate(cls, value: Any, **_options: Any) -> Self:
        """Make a model of a mapping, or return the model that the value is."""
        return value if isinstance(value, cls) else cls(**value)

    @classmethod
    def model_validate_json(cls, text: str | bytes, **_options: Any) -> Self:
        """Make a model of a JSON object."""
        return cls.model_validate(json.loads(text))

    @classmethod
    def model_rebuild(cls, **_options: Any) -> None:
        """Return None, as for a model that is complete: the types of fields are not looked up here."""

    def model_post_init(self, context: Any, /) -> None:
        """Override to complete a model that was just made."""

    @property
    def model_fields_set(self) -> set[str]:
        return getattr(self, "__pydantic_fields_set__", set(vars(self)))

    @property
    def model_extra(self) -> dict[str, Any] | None:
        extra: dict[str, Any] | None = self.__pydantic_extra__
        return extra

    def model_dump(
        self,
        *,
        mode: str = "python",
        include: Any = None,
        exclude: Any = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **_options: Any,
    ) -> dict[str, Any]:
        """Return the fields as a dict, models inside it as dicts; with ``mode="json"`` as JSON has them."""
        options = {"mode": mode, "by_alias": by_alias, "exclude_none": exclude_none}
        below = options | {"exclude_unset": exclude_unset, "exclude_defaults": exclude_defaults}
        fields, dumped = type(self).model_fields, {}
        computed = {name: getattr(self, name) for name in type(self).model_computed_fields}
        for name, value in ({**vars(self), **(self.__pydantic_extra__ or {})} | computed).items():
            field = fields.get(name)
            if (
                (include is not None and name not in include)
                or (exclude is not None and name in exclude)
                or (exclude_none and value is None)
                or (exclude_unset and field is not None and name not in self.model_fields_set)
                or (exclude_defaults and field is not None and not field.is_required() and value == field.get_default())
            ):
                continue
            key = field.alias if by_alias and field is not None and field.alias else name
            dumped[key] = _dumped(value, below)
        return plain(dumped) if mode == "json" else dumped

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Return the fields as JSON text."""
        separators = None if indent else (",", ":")
        return json.dumps(
            self.model_dump(mode="json", **options), indent=indent, separators=separators, ensure_ascii=False
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed."""
        twin = copy.deepcopy(self) if deep else copy.copy(self)
        vars(twin).update(update or {})
        object.__setattr__(twin, "__pydantic_private__", copy.copy(self.__pydantic_private__))
        object.__setattr__(twin, "__pydantic_fields_set__", self.model_fields_set | set(update or ()))
        if update:
            object.__setattr__(twin, "__torpor_validated__", False)
        return twin

    def __setattr__(self, name: str, value: Any) -> None:
        cls = type(self)
        if name in cls.model_fields:
            if cls.model_config.get("frozen"):
                raise ValidationError(f"{cls.__name__} is frozen; use model_copy(update=…)")
            vars(self)[name] = value
            self.model_fields_set.add(name)
            object.__setattr__(self, "__torpor_validated__", False)
        elif name in cls.__private_attributes__:
            self.__pydantic_private__[name] = value
        elif name.startswith("_") or isinstance(getattr(cls, name, None), property):
            object.__setattr__(self, name, value)
        elif cls.model_config.get("extra") == "allow":
            object.__setattr__(self, "__pydantic_extra__", {**(self.__pydantic_extra__ or {}), name: value})
        else:
            raise ValueError(f'"{cls.__name__}" object has no field "{name}"')

    def __getattr__(self, name: str) -> Any:
        for beside in ("__pydantic_private__", "__pydantic_extra__"):
            held = object.__getattribute__(self, beside)
            if held is not None and name in held:
                return held[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseModel):
            return NotImplemented
        return (
            type(self) is type(other)
            and vars(self) == vars(other)
            and (self.__pydantic_extra__ or {}) == (other.__pydantic_extra__ or {})
        )

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        yield from vars(self).items()

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({members})"

    def __str__(self) -> str:
        return " ".join(f"{name}={value!r}" for name, value in vars(self).items())


def _merged(bases: list[type[BaseModel]], name: str) -> dict[str, Any]:
    return {key: value for base in reversed(bases) for key, value in vars(base).get(name, {}).items()}


def _construct(model: BaseModel, given: dict[str, Any], *, is_strict: bool) -> None:
    cls = type(model)
    values, left = {}, dict(given)
    for name, field in cls.model_fields.items():
        if name in left:
            values[name] = left.pop(name)
        elif field.alias is not None and field.alias in left:
            values[name] = left.pop(field.alias)
    is_set = set(values)
    missing = [name for name, field in cls.model_fields.items() if name not in values and field.is_required()]
    if is_strict and missing:
        raise ValidationError(f"{cls.__name__} needs {', '.join(missing)}")
    for name, field in cls.model_fields.items():
        if name not in values and not field.is_required():
            values[name] = field.get_default()
    extra = cls.model_config.get("extra", "ignore")
    if is_strict and left and extra == "forbid":
        raise ValidationError(f"{cls.__name__} has no {', '.join(left)}")
    # In the order of the class, whatever the order of the call.
    vars(model).update({name: values[name] for name in cls.model_fields if name in values})
    object.__setattr__(model, "__pydantic_extra__", left if extra == "allow" else None)
    object.__setattr__(model, "__pydantic_fields_set__", is_set)
    model.model_post_init(None)


def _dumped(value: Any, options: dict[str, Any]) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(**options)
    if isinstance(value, dict):
        return {_dumped(key, options): _dumped(member, options) for key, member in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(_dumped(member, options) for member in value)
    return value


def _shown(given: Any) -> str:
    """Return a type as pydantic shows it in the name of a class."""
    return (
        given.__qualname__
        if isinstance(given, type) and not isinstance(given, GenericAlias)
        else repr(given).replace("typing.", "")
    )


def _frozen_hash(model: BaseModel) -> int:
    return hash((type(model), *vars(model).values()))


class RootModel(BaseModel):
    """A model that is one value, its ``root``."""

    root: Any
    __pydantic_root_model__ = True

    def __init__(self, /, root: Any = MISSING, **given: Any) -> None:
        super().__init__(**(given if root is MISSING else {"root": root}))

    def __class_getitem__(cls, _type: Any) -> type[RootModel]:
        return cls

    @classmethod
    def model_validate(cls, value: Any, **_options: Any) -> Self:
        return value if isinstance(value, cls) else cls(value)

    def model_dump(self, **options: Any) -> Any:
        return super().model_dump(**options)["root"]
