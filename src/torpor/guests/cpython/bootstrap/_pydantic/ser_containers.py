"""Serializers of lists, dicts and their kin."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Any, Self

from .building import Config, Schema
from .errors import MODULE, PydanticSerializationUnexpectedValue
from .filtering import Filter, filter_of, of_sequence
from .inferring import infer, infer_key
from .ser_simple import ANY, foreign_key, run, run_key
from .serializing import STRICT, UNCHECKED, Making, Serialization, Serializer, serializes


def filtered(
    items: Iterable[Any], filtering: Filter, state: Serialization, length: int | None
) -> Iterator[tuple[int, Any]]:
    """Yield the items that are not left out, each while the state is that of its place."""
    for index, item in enumerate(items):
        if not index:
            include, exclude = of_sequence(state.include, length), of_sequence(state.exclude, length)
        following = filtering.next(index, include, exclude)
        if following is not None:
            with state.having(include=following[0], exclude=following[1]):
                yield index, item


class Sequence(Serializer):
    """Of lists and deques."""

    __slots__ = ("cls", "filter", "item", "kind")

    def __init__(self, kind: str, cls: type[Any], item: Serializer, filtering: Filter) -> None:
        self.kind, self.cls, self.item, self.filter, self.name = kind, cls, item, filtering, f"{kind}[{item.name}]"

    def output(self, value: Any, state: Serialization) -> Any:
        if not isinstance(value, self.cls):
            state.warn(self.name, value)
            return infer(value, state)
        items = [run(self.item, item, state) for _, item in filtered(value, self.filter, state, len(value))]
        return deque(items, value.maxlen) if isinstance(value, deque) and not state.is_json else items

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, self.kind, value, state)

    @property
    def retries(self) -> bool:
        return self.item.retries


@serializes("list", "deque")
def _sequence(schema: Schema, config: Config, making: Making) -> Serializer:
    item = making.make(schema["items_schema"], config) if schema.get("items_schema") else ANY
    kind = schema["type"]
    return Sequence(kind, list if kind == "list" else deque, item, filter_of(schema))


class SetSerializer(Serializer):
    __slots__ = ("cls", "item", "kind")

    def __init__(self, kind: str, cls: type[Any], item: Serializer) -> None:
        self.kind, self.cls, self.item, self.name = kind, cls, item, f"{kind}[{item.name}]"

    def output(self, value: Any, state: Serialization) -> Any:
        if not isinstance(value, self.cls):
            state.warn(self.name, value)
            return infer(value, state)
        items = [run(self.item, item, state) for item in value]
        return items if state.is_json else self.cls(items)

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, self.kind, value, state)


@serializes("set", "frozenset")
def _set(schema: Schema, config: Config, making: Making) -> Serializer:
    item = making.make(schema["items_schema"], config) if schema.get("items_schema") else ANY
    kind = schema["type"]
    return SetSerializer(kind, set if kind == "set" else frozenset, item)


class DictSerializer(Serializer):
    __slots__ = ("cls", "filter", "key_serializer", "kind", "value_serializer")

    def __init__(self, kind: str, cls: type[Any], key: Serializer, value: Serializer, filtering: Filter) -> None:
        self.kind, self.cls, self.filter = kind, cls, filtering
        self.key_serializer, self.value_serializer = key, value
        self.name = f"{kind}[{key.name}, {value.name}]"

    def output(self, value: Any, state: Serialization) -> Any:
        if not isinstance(value, self.cls):
            state.warn(self.name, value)
            return infer(value, state)
        output = {}
        for key, member in list(dict.items(value)):
            following = self.filter.next(key, state.include, state.exclude)
            if following is None:
                continue
            with state.having(include=None, exclude=None):
                made = (run_key if state.is_json else run)(self.key_serializer, key, state)
            with state.having(include=following[0], exclude=following[1]):
                output[made] = run(self.value_serializer, member, state)
        return output if state.is_json or self.cls is dict else self.cls(output)

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, self.kind, value, state)


_DICTS = {"dict": dict, "ordered-dict": OrderedDict, "counter": Counter}


@serializes("dict", "ordered-dict", "counter")
def _dict(schema: Schema, config: Config, making: Making) -> Serializer:
    key = making.make(schema["keys_schema"], config) if schema.get("keys_schema") else ANY
    value = making.make(schema["values_schema"], config) if schema.get("values_schema") else ANY
    kind = schema["type"]
    return DictSerializer(kind, _DICTS[kind], key, value, filter_of(schema))


class TupleSerializer(Serializer):
    """Of tuples of some items, of which one may stand for any number."""

    __slots__ = ("filter", "items", "variadic")

    def __init__(self, items: list[Serializer], variadic: int | None, filtering: Filter) -> None:
        self.items, self.variadic, self.filter = items, variadic, filtering
        names = [item.name for item in items]
        if variadic is not None:
            names.insert(variadic + 1, "...")
        self.name = f"tuple[{', '.join(names)}]"

    def output(self, value: Any, state: Serialization) -> Any:
        if not isinstance(value, tuple):
            state.warn(self.name, value)
            return infer(value, state)
        serializers = self._serializers(value, state)
        found = filtered(value, self.filter, state, len(value))
        items = [run(serializers[index], item, state) for index, item in found]
        return items if state.is_json else tuple(items)

    def key(self, value: Any, state: Serialization) -> str:
        if not isinstance(value, tuple):
            state.warn(self.name, value)
            return infer_key(value, state)
        serializers = self._serializers(value, state)
        with state.having(include=None, exclude=None):
            found = filtered(value, self.filter, state, len(value))
            return ",".join(run_key(serializers[index], item, state) for index, item in found)

    def _serializers(self, value: tuple[Any, ...], state: Serialization) -> list[Serializer]:
        """Return one for each item."""
        count, own = len(value), len(self.items)
        if self.variadic is not None:
            many = [self.items[self.variadic]] * max(0, count + 1 - own)
            return [*self.items[: self.variadic], *many, *self.items[self.variadic + 1 :]][:count]
        if state.check == STRICT and count != own:
            raise PydanticSerializationUnexpectedValue(f"Expected {own} items, but got {count}")
        if count < own:
            state.tell(PydanticSerializationUnexpectedValue("Unexpected too few items present in tuple"))
        if count > own:
            state.tell(PydanticSerializationUnexpectedValue("Unexpected extra items present in tuple"))
        return [*self.items, *[ANY] * max(0, count - own)]

    @property
    def retries(self) -> bool:
        return True


@serializes("tuple")
def _tuple(schema: Schema, config: Config, making: Making) -> Serializer:
    items = [making.make(item, config) for item in schema["items_schema"]]
    return TupleSerializer(items, schema.get("variadic_item_index"), filter_of(schema))


class NamedTupleSerializer(Serializer):
    __slots__ = ("cls", "filter", "items")

    def __init__(self, cls: type[Any], name: str, items: list[Serializer], filtering: Filter) -> None:
        self.cls, self.name, self.items, self.filter = cls, name, items, filtering

    def output(self, value: Any, state: Serialization) -> Any:
        if not self._fits(value, state):
            state.warn(self.name, value)
            return infer(value, state)
        items = [run(self.items[index], item, state) for index, item in self._found(value, state)]
        return items if state.is_json else tuple(items)

    def key(self, value: Any, state: Serialization) -> str:
        if not self._fits(value, state):
            state.warn(self.name, value)
            return infer_key(value, state)
        with state.having(include=None, exclude=None):
            return ",".join(run_key(self.items[index], item, state) for index, item in self._found(value, state))

    def _fits(self, value: Any, state: Serialization) -> bool:
        return isinstance(value, self.cls if state.check == STRICT else tuple)

    def _found(self, value: tuple[Any, ...], state: Serialization) -> Iterator[tuple[int, Any]]:
        count, own = len(value), len(self.items)
        if state.check != UNCHECKED and count != own:
            raise PydanticSerializationUnexpectedValue(f"Expected {own} items, but got {count}")
        if count != own:
            words = "too few" if count < own else "extra"
            state.tell(PydanticSerializationUnexpectedValue(f"Unexpected {words} items present in named tuple"))
        return filtered(value[:own], self.filter, state, count)

    @property
    def retries(self) -> bool:
        return True


@serializes("named-tuple")
def _named_tuple(schema: Schema, config: Config, making: Making) -> Serializer:
    items = [making.make(field["schema"], config) for field in schema["fields"]]
    name = schema.get("cls_name") or schema["cls"].__name__
    return NamedTupleSerializer(schema["cls"], name, items, filter_of(schema))


class SerializationIterator:
    """An iterator of what becomes of the items of another."""

    __module__ = MODULE
    __slots__ = ("_filter", "_item", "_iterator", "_state", "index")

    def __init__(
        self, iterator: Iterator[Any], item: Serializer | None, filtering: Filter, state: Serialization
    ) -> None:
        self._iterator, self._item, self._filter, self._state = iterator, item or ANY, filtering, state.copy()
        self.index = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        state = self._state
        for item in self._iterator:
            include, exclude = of_sequence(state.include, None), of_sequence(state.exclude, None)
            following = self._filter.next(self.index, include, exclude)
            self.index += 1
            if following is not None:
                with state.having(include=following[0], exclude=following[1]):
                    made = run(self._item, item, state)
                state.finish()
                return made
        raise StopIteration


class GeneratorSerializer(Serializer):
    __slots__ = ("filter", "item")
    name = "generator"

    def __init__(self, item: Serializer, filtering: Filter) -> None:
        self.item, self.filter = item, filtering

    def output(self, value: Any, state: Serialization) -> Any:
        if not isinstance(value, Iterator):
            state.warn(self.name, value)
            return infer(value, state)
        if not state.is_json:
            return SerializationIterator(value, self.item, self.filter, state)
        return [run(self.item, item, state) for _, item in filtered(value, self.filter, state, None)]

    def key(self, value: Any, state: Serialization) -> str:
        return foreign_key(self, "generator", value, state)


@serializes("generator")
def _generator(schema: Schema, config: Config, making: Making) -> Serializer:
    item = making.make(schema["items_schema"], config) if schema.get("items_schema") else ANY
    return GeneratorSerializer(item, filter_of(schema))
