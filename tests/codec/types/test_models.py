"""Classes that pydantic makes, and those that the application registers."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.codec import classes_of_an_application as application
from tests.codec.classes_of_an_application import (
    Account,
    Address,
    Customer,
    Doubled,
    Item,
    Money,
    Renamed,
    Slotted,
    Tags,
    Temperature,
    Tree,
)
from tests.codec.sameness import there_and_back
from torpor import codec, register, serializable
from torpor.codec.types.custom import CUSTOM_TYPES
from torpor.errors import ConfigurationError, SerializationError

MODULE = application.__name__


def text_of(value: object) -> str:
    """Return the text of a value."""
    return codec.unpack_devalue(codec.dumps(value))


def read(text: str) -> Any:
    """Return the value of a text."""
    return codec.loads(codec.pack_devalue(text))


# ── pydantic ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def customer() -> Customer:
    """Return a model with something in every place."""
    fields = {"fullName": "Ada", "address": Address(city="London"), "scores": {1: Decimal("1.10")}, "extra": [1]}
    made = Customer.model_validate(fields)
    made._seen = 3
    return made


def test_a_model_comes_back_with_all_that_it_has() -> None:
    """Fields with their types, others, which were given, and what is private."""
    made = customer()

    back = there_and_back(made)

    assert back == made
    assert type(back.address) is Address
    assert (back.scores, back.extra, back._seen) == ({1: Decimal("1.10")}, [1], 3)
    assert back.model_fields_set == {"name", "address", "scores", "extra"}
    assert back.address.model_fields_set == {"city"}


def test_javascript_sees_the_fields_of_a_model() -> None:
    """Under their own names; what Python keeps beside them is not among the data."""
    assert text_of(Address(city="x")) == (
        'devl[["Instance",1],{"classId":2,"data":3,"state":6},'
        f'"class//python//pydantic//{MODULE}:Address",{{"city":4,"since":5}},"x",null,'
        '{"validated":7,"fieldsSet":8},true,[9],"city"]'
    )


def test_a_model_that_lost_its_state_on_the_way_is_read() -> None:
    """JavaScript may build one of class id and data."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//pydantic//{MODULE}:Address",{{"city":4}},"x"]'

    assert read(text) == Address(city="x")


def test_a_model_that_says_no_such_thing_is_validated_when_it_is_read() -> None:
    """A workflow builds models without; what does not validate reaches no step."""
    text = text_of(customer()).replace('"Ada"', '""').replace('"validated"', '"lost"')

    with pytest.raises(
        SerializationError, match=r"the stored Customer does not validate: (?s:.*)a customer has a name"
    ):
        read(text)


def test_what_pydantic_has_validated_is_not_validated_again() -> None:
    """A validator that changes what it gets would change it twice."""
    doubled = Doubled(number=1)

    assert there_and_back(doubled) == doubled
    assert (there_and_back(doubled).number, there_and_back(doubled).made) == (2, 1)


def test_a_model_shares_what_it_holds() -> None:
    """A list in a field is the list beside it, as before."""
    tags = ["a"]
    tree = Tree(name="root")
    tree.children = tags  # type: ignore[assignment]  # pydantic does not look at assignments

    read_tags, read_tree = there_and_back([tags, tree])

    assert read_tree.children is read_tags


def test_a_model_whose_class_has_other_fields_by_now_is_validated() -> None:
    """Fields that it has gained take their defaults, and validators see the old form."""
    head = f'devl[["Instance",1],{{"classId":2,"data":3,"state":4}},"class//python//pydantic//{MODULE}:Doubled",'

    assert read(head + '{"number":5},{"validated":6},2,true]').number == 4
    with pytest.raises(SerializationError, match="the stored Doubled does not validate"):
        read(head + "{},{}]")


def test_a_private_attribute_that_a_model_has_gained_takes_its_default() -> None:
    """Although nothing is stored of it."""
    text = text_of(customer()).replace('"private"', '"lost"')

    assert read(text)._seen == 0


def test_a_serializable_model_comes_back_with_all_that_it_has() -> None:
    """A name of its own costs it nothing."""
    made = Renamed(number=1)
    made._seen = 3

    back = there_and_back(made)

    assert (back, back._seen, back.model_fields_set) == (made, 3, {"number"})


def test_a_root_model_comes_back() -> None:
    """It has one value and no names."""
    assert there_and_back(Tags(["a"])) == Tags(["a"])


def test_a_model_in_itself_is_closed() -> None:
    """A child that knows its parent."""
    tree = Tree(name="root")
    tree.children.append(tree)

    assert there_and_back({"tree": tree})["tree"].children[0].name == "root"


def test_only_a_model_is_built_as_one() -> None:
    """A text cannot have other classes validated."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//pydantic//{MODULE}:Item",{{}}]'

    with pytest.raises(SerializationError, match="Item is no pydantic model"):
        read(text)
    with pytest.raises(SerializationError, match="Item is no attrs class"):
        read(text.replace("pydantic", "attrs"))


def test_an_attrs_class_takes_its_defaults() -> None:
    """Fields that it has gained since are filled, one without a default is missed."""
    head = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//attrs//{MODULE}:Attrs",'

    made = read(head + '{"x":4},1]')

    assert (made.x, made.y) == (1, [])
    with pytest.raises(SerializationError, match="the stored Attrs has no field 'x'; give the field a default"):
        read(head + "{}]")


# ── Registered classes ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_serializable_class_keeps_its_attributes() -> None:
    """Without a call of its __init__, shared parts and cycles included."""
    account = Account("ada")
    account.log += [account, (1, 2)]

    back = there_and_back(account)

    assert type(back) is Account
    assert back.owner == "ada"
    assert back.log == [back, (1, 2)]


def test_slots_are_attributes() -> None:
    """Private ones too; those without a value stay so."""
    back = there_and_back(Slotted())

    assert (back.plain, back.own()) == (1, 2)
    assert not hasattr(back, "empty")


def test_a_class_of_others_is_read_by_the_function_given() -> None:
    """JavaScript sees what the other one returned."""
    assert there_and_back(Temperature(21.5)) == Temperature(21.5)
    assert text_of(Temperature(21.5)).endswith(f'registered//{MODULE}:Temperature@1",{{"degrees":4}},21.5]')


def test_a_name_of_its_own_stands_in_the_text() -> None:
    """The class may be moved; the version is part of the id, which JavaScript hands on."""
    assert '"class//python//serializable//shop.Money@2",{"cents":4,"currency":5},5,"EUR"' in text_of(Money(5))


def test_what_an_older_version_stored_is_migrated() -> None:
    """That of a version 1, and that of a time before the class was registered."""
    assert read(text_of(Money(5)).replace("@2", "@1")) == Money(5, "from 1")
    before = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//dataclass//{MODULE}:Money",{{"cents":4}},5]'
    assert read(before) == Money(5, "from 1")


def test_what_a_newer_version_stored_is_refused() -> None:
    """Nothing here knows its form."""
    with pytest.raises(
        SerializationError, match=r"a stored shop\.Money has version 3, but the class here has 2: newer"
    ):
        read(text_of(Money(5)).replace("@2", "@3"))


def test_an_older_version_without_a_way_to_this_one_is_refused() -> None:
    """The message says what to give."""

    @serializable(version=2, name="tests.Changed")
    class Changed:
        pass

    text = text_of(Changed()).replace("@2", "@1")

    with pytest.raises(
        SerializationError, match="has version 1, but the class here has 2; give @serializable a migrate"
    ):
        read(text)


def test_a_migration_that_fails_is_told() -> None:
    """With what it raised."""

    def fails(_: Any, version: int) -> Any:
        raise RuntimeError(f"no way from {version}")

    @serializable(version=2, name="tests.Stuck", migrate=fails)
    class Stuck:
        pass

    with pytest.raises(SerializationError, match=r"its migrate failed: RuntimeError\('no way from 1'\)"):
        read(text_of(Stuck()).replace("@2", "@1"))


def test_a_function_that_fails_to_read_is_told() -> None:
    """With the name of the class."""
    text = text_of(Temperature(1.5)).replace("degrees", "kelvin")

    with pytest.raises(
        SerializationError, match=r"the function that reads a .*Temperature failed: KeyError\('degrees'\)"
    ):
        read(text)


@pytest.mark.parametrize("path", ["nobody.Knows@1", "shop.Money", "shop.Money@x", "@1"])
def test_a_class_that_nobody_registered_is_refused(path: str) -> None:
    """The message says what to import."""
    text = f'devl[["Instance",1],{{"classId":2,"data":3}},"class//python//serializable//{path}",{{}}]'

    with pytest.raises(SerializationError, match=r"import the module|would end in a version"):
        read(text)


def test_a_subclass_is_not_registered_with_its_base() -> None:
    """It may be made of more."""

    class Special(Account):
        pass

    with pytest.raises(SerializationError, match=r"Special, which cannot be stored; .*@torpor\.serializable"):
        codec.dumps(Special("x"))


def test_the_decorators_order_does_not_matter() -> None:
    """A class may become a dataclass after it was registered."""
    plain = type("Late", (), {"__annotations__": {"x": int}, "__module__": __name__, "__qualname__": "Late"})
    late: Any = serializable(plain)
    import dataclasses  # noqa: PLC0415 - only here

    late = dataclasses.dataclass(late)

    assert there_and_back(late(5)).x == 5


def test_two_classes_cannot_have_one_name() -> None:
    """Nor can a name be malformed, nor a version below 1."""
    with pytest.raises(ConfigurationError, match=r"are both registered as shop\.Money; give one of them another name"):
        serializable(name="shop.Money")(Item)
    with pytest.raises(ConfigurationError, match=r"the name 'a b' of a serializable class"):
        serializable(name="a b")(Item)
    with pytest.raises(ConfigurationError, match=r"Local is inside a function, .*; give it a name="):
        serializable(type("Local", (), {"__qualname__": "test.<locals>.Local"}))
    with pytest.raises(ConfigurationError, match="version=0 of the serializable class"):
        serializable(version=0)(Item)


@pytest.mark.parametrize("base", [int, tuple, dict, ValueError, application.Kind])
def test_a_class_that_is_more_than_its_attributes_is_refused(base: type) -> None:
    """What it inherits from a built-in type would be lost."""
    if base is application.Kind:
        cls: type = base
    else:
        cls = type("Mine", (base,), {})

    with pytest.raises(ConfigurationError, match=r"instances are more than their attributes; call torpor\.register"):
        serializable(cls)


def test_a_class_that_is_registered_late_is_known_at_once() -> None:
    """That a value of it was refused before is forgotten."""

    class Late:
        pass

    with pytest.raises(SerializationError, match="cannot be stored"):
        codec.dumps(Late())
    register(Late, lambda _: "late", lambda _: Late(), name="tests.Late")

    assert type(there_and_back(Late())) is Late


def test_a_registered_class_in_itself_is_refused_when_writing() -> None:
    """It cannot exist before the data that it is made of."""

    class Ring:
        pass

    ring: list[Any] = [Ring()]
    register(Ring, lambda _: ring, lambda _: Ring(), name="tests.Ring")

    with pytest.raises(SerializationError, match="leads back to the"):
        codec.dumps(ring[0])


def test_each_kind_of_registration_reads_its_own() -> None:
    """A class that is read by a function now was not stored by its attributes."""
    text = text_of(Temperature(1.5)).replace("registered//", "serializable//")

    with pytest.raises(
        SerializationError, match=r"written through @serializable, but the class is known by torpor\.reg"
    ):
        read(text)
    assert [kind.kind for kind in CUSTOM_TYPES] == ["serializable", "registered"]


# ── Scripts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

SCRIPT = """
import sys
from dataclasses import dataclass
from torpor import codec

@dataclass
class Thing:
    x: int

if __name__ == "__main__":
    text = codec.unpack_devalue(codec.dumps(Thing(5)))
    assert type(codec.loads(codec.pack_devalue(text))) is Thing
    print(text)
"""


@pytest.mark.parametrize("command", [["shop_script.py"], ["-m", "shop_script"]])
def test_a_script_and_who_imports_it_read_each_other(tmp_path: Path, command: list[str]) -> None:
    """What __main__ defines has the name under which it would be imported."""
    (tmp_path / "shop_script.py").write_text(SCRIPT)
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(codec.__file__).parents[2]}"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    written = run(*command)
    reading = "import shop_script, sys; from torpor import codec; print(codec.loads(codec.pack_devalue(sys.argv[1])))"

    assert '"class//python//dataclass//shop_script:Thing"' in written
    assert run("-c", reading, written) == "Thing(x=5)"


def test_pydantic_is_not_imported_for_nothing() -> None:
    """Nor is attrs: an application without them does not pay for them."""
    program = "import sys, torpor; print(*{'pydantic', 'attr', 'cryptography'} & set(sys.modules))"
    environment = {"PYTHONPATH": str(Path(codec.__file__).parents[2])}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
