"""Large payloads are told from small ones without reading them, and are left to a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal

import pytest

from torpor import codec
from torpor.codec.large import in_thread_if, is_large_payload, is_large_value
from torpor.limits import OFF_LOOP_BYTES

MANY = OFF_LOOP_BYTES


@dataclass
class Box:
    """Something with something in it."""

    content: object


class Endless(Mapping[str, int]):
    """A mapping that claims to be huge, and never ends."""

    def __getitem__(self, key: str) -> int:
        return 1

    def __len__(self) -> int:
        return 10**12

    def __iter__(self) -> Iterator[str]:
        while True:
            yield "key"


class Rude:
    """An object that cannot be looked at."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]  # that is the point
        raise RuntimeError("do not look")


def cycle() -> list[object]:
    """Return a list that contains itself."""
    found: list[object] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "value",
    [
        "x" * (MANY + 1),
        b"x" * (MANY + 1),
        ["x" * (MANY // 2)] * 3,
        {"deep": [{"in": (Box("x" * (MANY + 1)),)}]},
        list(range(MANY)),
        range(10**9),
        {str(number): number for number in range(MANY // 8)},
        set(range(MANY // 8)),
        1 << (8 * MANY + 8),
        memoryview(bytes(MANY + 1)),
        Endless(),
        cycle(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_value_is_known(value: object) -> None:
    """Text, bytes, numbers, containers of many and of nested ones, and objects with them."""
    assert is_large_value(value)


@pytest.mark.parametrize(
    "value",
    ["x" * 1000, 5, None, Decimal("1.5"), [1, 2, {"a": (3,)}], Box(["x"] * 100), Rude(), ValueError("x")],
    ids=lambda value: type(value).__name__,
)
def test_a_small_value_is_known(value: object) -> None:
    """Nearly all of them; what cannot be looked at is left to the encoder."""
    assert not is_large_value(value)


@pytest.mark.parametrize("value", ["x" * (MANY + 1), "y" * 15_000_000])
def test_a_large_payload_is_known_by_what_it_unpacks_to(value: str) -> None:
    """Fifteen megabytes of one letter are stored in some hundred bytes."""
    data = codec.dumps(value)

    assert len(data) < OFF_LOOP_BYTES
    assert is_large_payload(data)
    assert not is_large_payload(codec.dumps(value[:1000]))
    assert not is_large_payload(b"zstd")


async def test_only_large_work_leaves_the_event_loop() -> None:
    """In the thread it sees what the caller's context has, and its errors come back."""
    mark: ContextVar[str] = ContextVar("mark", default="")
    mark.set("seen")
    here = threading.get_ident()

    def where() -> tuple[bool, str]:
        return threading.get_ident() == here, mark.get()

    assert await in_thread_if(False, where) == (True, "seen")
    assert await in_thread_if(True, where) == (False, "seen")
    with pytest.raises(ZeroDivisionError):
        await in_thread_if(True, lambda: 1 / 0)


async def test_one_large_payload_at_a_time() -> None:
    """What several would need of memory together is not needed at once."""
    inside = most = 0

    def work() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        codec.loads(codec.dumps(["x"] * 20_000))
        inside -= 1

    await asyncio.gather(*(in_thread_if(True, work) for _ in range(6)))

    assert most == 1
