"""Functions and methods as steps: which may be one, and what they are called with."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.support import TIMEOUT, write_app
from torpor import Registry, Torpor
from torpor.engine.step_functions import class_of_object
from torpor.errors import ConfigurationError, ProgramError


def a_function() -> None:
    """May be a step."""


def made() -> Callable[[], None]:
    """Return a function that is made here."""

    def inner() -> None:
        """Is not the same at the next call."""

    return inner


def forgetful(function: Callable[[], None]) -> Callable[[], None]:
    """Decorate, and forget what was decorated."""

    def wrapper() -> None:
        function()

    return wrapper


class Till:
    """Has methods, and can be called."""

    def charge(self) -> None:
        """Charge somebody."""

    def __call__(self) -> None:
        """Be called."""


async def a_workflow() -> None:
    """Become a workflow."""


NONE_OF_THEM: dict[str, tuple[Callable[[], Any], str]] = {
    "method of an object": (
        lambda: Till().charge,
        r"Till\.charge cannot .* a method of one Till, .* decorate it in its",
    ),
    "lambda": (lambda: lambda: None, "a lambda has no name of its own; write a `def` at module level"),
    "made in a function": (made, r"made\.<locals>\.inner cannot .* by each call of made.*move it to module level"),
    "badly decorated": (lambda: forgetful(a_function), "if forgetful is a decorator, let it use functools.wraps"),
    "partial": (lambda: functools.partial(a_function), "a partial cannot .* write a `def` that calls the function"),
    "built-in": (lambda: os.getpid, "getpid cannot be a step: it is built into Python .*; write a `def`"),
    "class": (lambda: Till, "Till cannot be a step: it is a class; write a `def` that makes the object"),
    "object": (Till, "a Till cannot be a step: it is <.*Till object .* and no function; write a `def`"),
    "call": (a_workflow, "a_workflow cannot be a step: it is a call; decorate the function itself"),
    "workflow": (lambda: Registry().workflow(a_workflow), r"a_workflow is a workflow.*start it with app\.start"),
}


@pytest.mark.parametrize(("given", "told"), NONE_OF_THEM.values(), ids=NONE_OF_THEM)
def test_what_cannot_be_a_step_is_refused_at_its_registration(given: Callable[[], Any], told: str) -> None:
    """Whatever it is called, with what to do instead, and not when a run needs it."""
    for name in (None, "pay"):
        with pytest.raises(ConfigurationError, match=told):
            Registry().step(name=name)(given())


STEPS = """
    import functools
    from dataclasses import dataclass
    from torpor import Torpor, current_step

    app = Torpor("memory://")
    app.workflows("*_flow.js")

    def traced(function):
        @functools.wraps(function)
        async def wrapper(*args):
            return ["traced", await function(*args)]
        return wrapper

    @app.step
    @traced
    async def decorated(n: int):
        return n

    @dataclass
    class Order:
        id: str

        @app.step
        async def pay(self, cents: int):
            return f"{type(self).__name__} {self.id} {cents}"

    class Shop:
        prefix = "shop"

        @staticmethod
        @app.step
        def below(n: int):
            return n + 1

        @app.step
        @staticmethod
        async def above(n: int):
            return n + 2

        @classmethod
        @app.step
        async def open(cls, n: int):
            return f"{cls.prefix} {n}"

        @app.step
        @classmethod
        def shut(cls, n: int):
            return [cls.prefix, n, current_step().name]

        @classmethod
        async def later(cls, n: int):
            return f"{cls.prefix} later {n}"

        class Till:
            @staticmethod
            @app.step(name="Shop.Till.count")
            async def count(n: int):
                return n + 3

    class Branch(Shop):
        prefix = "branch"

    app.step(Shop.later)

    @app.workflow
    async def main():
        return [
            await decorated(1),
            await Order("o-1").pay(5),
            await Order.pay(Order("o-2"), cents=6),
            await Shop.below(1),
            await Shop().below(1),
            await Shop.above(1),
            await Shop().above(1),
            await Shop.open(1),
            await Branch.open(2),
            await Branch().shut(3),
            await Shop.later(4),
            await Shop.Till.count(1),
        ]
"""

FLOW = """
import { Order, Shop, decorated } from "./shop_app.py";
import * as all from "./shop_app.py";
export async function inJavaScript() {
  "use workflow";
  const { Till } = Shop;
  return [
    await decorated(1), await Shop.below(1), await Shop.above(1), await Shop.open(1), await Shop.shut(2),
    await Till.count(1), Object.keys(all).sort(), Order.pay.stepId, Object.keys(Shop).sort(),
  ];
}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Torpor]:
    """An application whose steps are methods of all kinds."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_flow.js").write_text(FLOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield write_app(folder, shop_app=STEPS)


async def test_methods_are_steps_in_python(shop: Torpor) -> None:
    """Through their class or an instance, decorated in either order; a class method gets the class it is called on."""
    async with shop, shop.worker():
        assert await (await shop.start("main")).result(timeout=TIMEOUT) == [
            ["traced", 1],
            "Order o-1 5",
            "Order o-2 6",
            2,
            2,
            3,
            3,
            "shop 1",
            "branch 2",
            ["branch", 3, "step//./shop_app.py//Shop.shut"],
            "shop later 4",
            4,
        ]


async def test_a_file_exports_methods_to_javascript_by_their_class(shop: Torpor) -> None:
    """A step that is a method does not keep others from being imported; a class method gets its own class."""
    async with shop, shop.worker():
        *results, exported, pay, methods = await (await shop.start("inJavaScript")).result(timeout=TIMEOUT)
    assert results == [["traced", 1], 2, 3, "shop 1", ["shop", 2, "step//./shop_app.py//Shop.shut"], 4]
    assert exported == ["Order", "Shop", "decorated"]
    assert pay == "step//./shop_app.py//Order.pay"
    assert methods == ["Till", "above", "below", "later", "open", "shut"]


async def test_a_class_that_a_worker_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class method cannot be called on what is defined in workflow code only."""
    monkeypatch.syspath_prepend(tmp_path)
    app = write_app(
        tmp_path,
        lacking_app="""
            from torpor import FatalError, Torpor
            app = Torpor("memory://")

            class Shop:
                @app.step
                @classmethod
                async def open(cls):
                    return 1

            @app.workflow
            async def main():
                class Local(Shop): ...
                try:
                    return await Local.open()
                except FatalError as error:
                    return str(error)
        """,
    )
    async with app, app.worker():
        told = await (await app.start("main")).result(timeout=TIMEOUT)
    assert "Shop.open was called on class//python//class//lacking_app:main.<locals>.Local" in told
    assert "import the module that defines that class" in told


async def test_a_step_that_a_module_calls_is_told_before_a_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside it has a value there, in a workflow it could have none; the error says where it is called."""
    monkeypatch.syspath_prepend(tmp_path)
    app = write_app(
        tmp_path,
        calling_app="""
            from torpor import Torpor
            app = Torpor("memory://")

            @app.step
            def rate():
                return 3

            RATE = rate()

            @app.workflow
            async def main():
                return RATE
        """,
    )
    async with app:
        with pytest.raises(ProgramError, match=r"step rate is called while .* loaded \(\./calling_app\.py:9\)"):
            await app.start("main")
        assert await app.list_runs() == []


def test_registering_a_method_leaves_it_what_it_is() -> None:
    """Outside of workflows it is called as ever."""
    registry = Registry()

    class_step, static_step = registry.step(Tariff.__dict__["of"]), registry.step(Tariff.__dict__["double"])

    assert (class_step, static_step) == (Tariff.__dict__["of"], Tariff.__dict__["double"])
    assert (Tariff.of(2), Tariff.double(2)) == ("Tariff 2", 4)


class Tariff:
    """Has methods that belong to no object."""

    @classmethod
    def of(cls, n: int) -> str:
        """Say which class this is."""
        return f"{cls.__name__} {n}"

    @staticmethod
    def double(n: int) -> int:
        """Double."""
        return n * 2


def test_a_method_that_has_its_object_asks_for_none() -> None:
    """Built-in steps are such: what they are called with are arguments."""
    assert class_of_object(Till.charge) is Till
    assert class_of_object(Till().charge) is None
