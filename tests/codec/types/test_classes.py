"""Dataclasses, enumerations and named tuples of the application."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.codec import classes_of_an_application as application
from tests.codec.classes_of_an_application import Color, Frozen, Item, Kind, Level, Node, Pair, Permission, Point
from tests.codec.sameness import is_same, there_and_back
from torpor import codec
from torpor.errors import SerializationError

MODULE = application.__name__


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Color.GREEN,
        Level.HIGH,
        Kind.BOOK,
        Permission.READ,
        Permission.READ | Permission.WRITE,
        Permission(0),
        Item.Size.SMALL,
        Item("a", 3, ["t"]),
        Frozen(1, (2, Color.RED)),
        {Frozen(1): 2},
        {Kind.BOOK: 1},
        Point(1.5),
        Pair(1, [2]),
        Node("root", children=[Node("leaf")]),
    ],
    ids=lambda value: f"{type(value).__name__} {value!r:.40}",
)
def test_an_instance_comes_back_as_it_was(value: object) -> None:
    """Class and contents are the same."""
    assert is_same(there_and_back([value]), [value])


def text_of(value: object) -> str:
    """Return the text of a value."""
    return codec.unpack_devalue(codec.dumps(value))


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        (Frozen("a"), f"dataclass//{MODULE}:Frozen", '{"x":4,"y":5},"a",null'),
        (Pair("a", "b"), f"namedtuple//{MODULE}:Pair", '{"first":4,"second":5},"a","b"'),
        (Color.RED, f"enum//{MODULE}:Color", '{"name":4,"value":5},"RED","r"'),
        (Item.Size.SMALL, f"enum//{MODULE}:Item.Size", '{"name":4,"value":5},"SMALL",1'),
        (Permission.READ | Permission.WRITE, f"enum//{MODULE}:Permission", '{"value":4},3'),
    ],
)
def test_javascript_sees_plain_data(value: object, kind: str, data: str) -> None:
    """The class id names kind and class; the data are the fields."""
    assert text_of(value) == f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//{kind}",{data}]'


def test_init_is_not_run_when_reading() -> None:
    """Fields are put back as they were, whatever __post_init__ would make of them."""
    item = Item("a", 3)
    item.derived = 100

    assert there_and_back(item).derived == 100


def test_a_cycle_of_dataclasses_is_closed() -> None:
    """A child knows its parent."""
    root = Node("root")
    root.children.append(Node("leaf", parent=root))

    read = there_and_back(root)

    assert read.children[0].parent is read


def test_a_field_that_the_class_has_gained_takes_its_default() -> None:
    """A value that was stored before the field existed can still be read, default factory included."""
    text = text_of(Item("a", 5)).replace('"count"', '"former"').replace('"tags"', '"gone"')

    read = codec.loads(codec.pack_devalue(text))

    assert (read.count, read.tags) == (1, [])


def test_a_field_without_a_default_must_be_there() -> None:
    """The message names the field and what to do."""
    text = text_of(Frozen(1)).replace('"x":', '"former":')

    with pytest.raises(SerializationError, match="the stored Frozen has no field 'x'; give the field a default"):
        codec.loads(codec.pack_devalue(text))
    text = text_of(Point(1.0)).replace('"x":', '"former":')
    with pytest.raises(SerializationError, match="the stored Point has no field 'x'"):
        codec.loads(codec.pack_devalue(text))


def test_a_named_tuple_takes_its_defaults() -> None:
    """As a dataclass does."""
    text = text_of(Point(1.0, 2.0)).replace('"y":', '"former":')

    assert codec.loads(codec.pack_devalue(text)) == Point(1.0, 0.5)


def test_a_member_that_the_enumeration_has_lost_is_refused() -> None:
    """No other member stands in for it."""
    text = text_of(Color.RED).replace("RED", "BLUE")

    with pytest.raises(SerializationError, match=r"Color has no member 'BLUE', only RED, GREEN"):
        codec.loads(codec.pack_devalue(text))


def test_a_member_of_unusual_value_goes_by_name() -> None:
    """A value that JavaScript could not use is left out."""
    assert "value" not in text_of(Color.GREEN)


@pytest.mark.parametrize("value", [Frozen(1), Point(1.0), Color.RED])
def test_nothing_is_imported_for_reading(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of a module that is not loaded is refused, although the module could be imported."""
    data = codec.dumps(value)
    monkeypatch.delitem(sys.modules, MODULE)

    with pytest.raises(SerializationError, match=f"module '{MODULE}' is not loaded; import the module"):
        codec.loads(data)
    assert MODULE not in sys.modules


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("dataclass", "subprocess:Popen"),
        ("dataclass", "builtins:Exception"),
        ("dataclass", f"{MODULE}:DataError"),
        ("dataclass", f"{MODULE}:Color"),
        ("enum", f"{MODULE}:Frozen"),
        ("namedtuple", f"{MODULE}:Frozen"),
        ("namedtuple", "builtins:tuple"),
    ],
)
def test_only_a_class_of_the_kind_is_built(kind: str, path: str) -> None:
    """A text cannot have other classes instantiated."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//{kind}//{path}",{{}}]'

    with pytest.raises(SerializationError, match=f"{path} is no "):
        codec.loads(codec.pack_devalue(text))


@pytest.mark.parametrize(
    "path", ["os:system", "os:path.join", "builtins:eval", f"{MODULE}:Item.Missing", f"{MODULE}:Item.sku", ":", "os:"]
)
def test_a_path_that_leads_to_no_class_is_refused(path: str) -> None:
    """Functions, modules and what is not there are not reached."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//dataclass//{path}",{{}}]'

    with pytest.raises(SerializationError, match="cannot be read here: module"):
        codec.loads(codec.pack_devalue(text))


@pytest.mark.parametrize("class_id", ["class//python//nothing", "class//python//tuple//a:b", "class//python//enum"])
def test_an_unknown_kind_is_refused(class_id: str) -> None:
    """A newer version may have written it."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"{class_id}",[]]'

    with pytest.raises(SerializationError, match=f"the Python type '{class_id}' cannot be read by this version"):
        codec.loads(codec.pack_devalue(text))


def test_a_lazy_module_is_not_woken() -> None:
    """Following a path runs no code of the module."""

    class Lazy(type(sys)):  # type: ignore[misc]  # a module class, as lazy importers have them
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    sys.modules["torpor_test_lazy"] = Lazy("torpor_test_lazy")
    try:
        text = 'devl[["Instance",1],{"classId":2,"data":3},"class//python//dataclass//torpor_test_lazy:Thing",{}]'
        with pytest.raises(SerializationError, match="has no such class"):
            codec.loads(codec.pack_devalue(text))
    finally:
        del sys.modules["torpor_test_lazy"]
