"""Validators of lists, sets, tuples and deques."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from .building import Building, Config, Schema, builds, is_strict
from .errors import Invalid, Line, PydanticOmit, invalid
from .state import EXACT, LAX, STRICT, State, Validator, collect


def items_of(value: Any, state: State, strict: bool, cls: type, error_type: str, json_exactness: int) -> Any:
    """Return what can be iterated to make an object of a class; in JSON that is an array."""
    if state.source == "json":
        if not isinstance(value, list):
            raise invalid(error_type, value)
        state.floor(json_exactness)
        return value
    if isinstance(value, cls):
        return value
    if not strict:
        if isinstance(value, list | tuple | set | frozenset):
            state.floor(LAX)
            return value
        if not isinstance(value, str | bytes | bytearray | Mapping):
            try:
                found = iter(value)
            except TypeError:
                raise invalid(error_type, value) from None
            state.floor(LAX)
            return found
    raise invalid(error_type, value)


def numbered(items: Iterable[Any], value: Any) -> Iterator[tuple[int, Any]]:
    """Yield items with their indexes; that they cannot be had is a failure."""
    iterator, index = iter(items), 0
    while True:
        try:
            item = next(iterator)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  # whatever an author's iterator raises
            raised = error
            break
        yield index, item
        index += 1
    words = f"{type(raised).__name__}: {raised}"
    raise Invalid([Line("iteration_error", value, {"error": words}, [index])])


def length_of(items: Any) -> int | None:
    """Return how many items there are; None if nobody knows before they were had."""
    return len(items) if isinstance(items, Sized) else None


class Items(Validator):
    """
    What validators of these classes have in common.

    Attributes:
        item: validates each item; None when they may be anything.
        shortest, longest: bounds of the length.
        fail_fast: whether the first invalid item ends it.
    """

    __slots__ = ("fail_fast", "item", "longest", "shortest", "strict")

    kind: str
    noun: str

    def __init__(self, schema: Schema, config: Config, item: Validator | None) -> None:
        self.strict, self.item = is_strict(schema, config), item
        self.shortest, self.longest = schema.get("min_length"), schema.get("max_length")
        self.fail_fast = bool(schema.get("fail_fast"))
        if not isinstance(self, List):
            self.name = f"{self.kind}[{'any' if item is None else item.name}]"

    def validated(self, items: Any, value: Any, state: State) -> list[Any]:
        """Return the items, validated."""
        lines: list[Line] = []
        output: list[Any] = []
        count, length = 0, length_of(items)
        validate = None if self.item is None else self.item.validate
        for index, item in numbered(items, value):
            try:
                made = item if validate is None else validate(item, state)
            except PydanticOmit:
                continue
            except Invalid as failure:
                lines += failure.at(index)
                made = None
            count += 1
            if self.longest is not None and count > self.longest:
                raise self._too_long(value, length)
            output.append(made)
            if lines and self.fail_fast:
                break
        collect(lines)
        return output

    def _too_long(self, value: Any, length: int | None) -> Invalid:
        return invalid("too_long", value, field_type=self.noun, max_length=self.longest, actual_length=length)

    def check_shortest(self, output: Sized, value: Any) -> None:
        """Fail if there are too few items."""
        if self.shortest is not None and len(output) < self.shortest:
            told = {"field_type": self.noun, "min_length": self.shortest, "actual_length": len(output)}
            raise Invalid([Line("too_short", value, told)])


class List(Items):
    __slots__ = ()
    kind, noun = "list", "List"

    @property
    def name(self) -> str:  # type: ignore[override]  # that of the items may be known later only
        """What it is called, with its items."""
        return f"list[{'any' if self.item is None else self.item.name}]"

    def validate(self, value: Any, state: State) -> list[Any]:
        items = items_of(value, state, state.is_strict(self.strict), list, "list_type", EXACT)
        if self.item is None and isinstance(items, list):
            self.check_shortest(items, value)
            if self.longest is not None and len(items) > self.longest:
                raise self._too_long(value, len(items))
            return list(items)
        output = self.validated(items, value, state)
        self.check_shortest(output, value)
        return output


class Deque(Items):
    __slots__ = ()
    kind, noun = "deque", "Deque"

    def validate(self, value: Any, state: State) -> deque[Any]:
        items = items_of(value, state, state.is_strict(self.strict), deque, "deque_type", STRICT)
        output = self.validated(items, value, state)
        self.check_shortest(output, value)
        return deque(output, value.maxlen if isinstance(value, deque) else None)


@builds("list", "deque")
def _list(schema: Schema, config: Config, building: Building) -> Validator:
    item = building.optional(schema.get("items_schema"), config)
    anything = item is None or item.name == "any"
    return (List if schema["type"] == "list" else Deque)(schema, config, None if anything else item)


class Set(Items):
    __slots__ = ()
    kind, noun = "set", "Set"
    cls: type = set
    error = "set_type"

    def validate(self, value: Any, state: State) -> Any:
        items = items_of(value, state, state.is_strict(self.strict), self.cls, self.error, STRICT)
        lines: list[Line] = []
        output: set[Any] = set()
        for index, item in numbered(items, value):
            try:
                made = item if self.item is None else self.item.validate(item, state)
            except PydanticOmit:
                continue
            except Invalid as failure:
                lines += failure.at(index)
            else:
                try:
                    output.add(made)
                except TypeError:
                    lines.append(Line("set_item_not_hashable", item, None, [index]))
                if self.longest is not None and len(output) > self.longest:
                    raise self._too_long(value, None)
            if lines and self.fail_fast:
                break
        collect(lines)
        made_of = output if self.cls is set else frozenset(output)
        self.check_shortest(made_of, value)
        return made_of


class FrozenSet(Set):
    __slots__ = ()
    kind, noun = "frozenset", "Frozenset"
    cls = frozenset
    error = "frozen_set_type"


@builds("set", "frozenset")
def _set(schema: Schema, config: Config, building: Building) -> Validator:
    item = building.make(schema.get("items_schema") or {"type": "any"}, config)
    return (Set if schema["type"] == "set" else FrozenSet)(schema, config, item)


_NOTHING: Any = object()


class Tuple(Validator):
    """Makes tuples of some items, of which one may stand for any number."""

    __slots__ = ("fail_fast", "items", "longest", "shortest", "strict", "variadic")

    def __init__(self, schema: Schema, config: Config, items: list[Validator]) -> None:
        self.strict, self.items, self.variadic = is_strict(schema, config), items, schema.get("variadic_item_index")
        self.shortest, self.longest = schema.get("min_length"), schema.get("max_length")
        self.fail_fast = bool(schema.get("fail_fast"))
        names = [item.name for item in items]
        if self.variadic is not None:
            names.insert(self.variadic + 1, "...")
        self.name = f"tuple[{', '.join(names)}]"

    def validate(self, value: Any, state: State) -> tuple[Any, ...]:
        items = items_of(value, state, state.is_strict(self.strict), tuple, "tuple_type", STRICT)
        length = length_of(items)
        given = (item for _, item in numbered(items, value))
        lines: list[Line] = []
        output: list[Any] = []
        for index, (validator, item) in enumerate(self._paired(given)):
            try:
                made = validator.default(index, state) if item is None else (validator.validate(item[0], state),)
            except PydanticOmit:
                continue
            except Invalid as failure:
                lines += failure.at(index) if item is not None else failure.lines
            else:
                if made is None:
                    lines.append(Line("missing", value, None, [index]))
                else:
                    output.append(made[0])
                if item is not None and self.longest is not None and len(output) > self.longest:
                    raise self._too_long(self.longest, value, length)
            if lines and self.fail_fast:
                break
        if not (lines and self.fail_fast) and self.variadic is None and next(given, _NOTHING) is not _NOTHING:
            raise self._too_long(len(self.items), value, length)
        if self.shortest is not None and len(output) < self.shortest:
            told = {"field_type": "Tuple", "min_length": self.shortest, "actual_length": len(output)}
            lines.append(Line("too_short", value, told))
        collect(lines)
        return tuple(output)

    def _too_long(self, longest: int, value: Any, length: int | None) -> Invalid:
        return invalid("too_long", value, field_type="Tuple", max_length=longest, actual_length=length)

    def _paired(self, given: Iterator[Any]) -> Iterator[tuple[Validator, tuple[Any] | None]]:
        """
        Yield the validators in order, each with its item; None where one is missing.

        Items are had one by one, as there may be no end of them, unless others come after the many.
        """
        if self.variadic is None:
            validators: Iterable[Validator] = self.items
        else:
            head, many, tail = self.items[: self.variadic], self.items[self.variadic], self.items[self.variadic + 1 :]
            if tail:
                found = list(given)
                count, given = len(found), iter(found)
                validators = [*head, *[many] * max(0, count - len(self.items) + 1), *tail]
            else:
                validators = head
        for validator in validators:
            item = next(given, _NOTHING)
            yield validator, None if item is _NOTHING else (item,)
        if self.variadic is not None and not tail:
            yield from ((many, (item,)) for item in given)


@builds("tuple")
def _tuple(schema: Schema, config: Config, building: Building) -> Validator:
    return Tuple(schema, config, [building.make(item, config) for item in schema["items_schema"]])
