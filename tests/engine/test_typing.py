"""What type checkers know of steps, workflows and runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import torpor

SAMPLE = """
import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar, assert_type

from torpor import ReadableStream, RunHandle, SyncTorpor, Torpor, get_writable, hook, sleep
from torpor.sync import SyncRun

app = Torpor("memory://")
T = TypeVar("T")


@app.step
async def charge(order_id: str, cents: int) -> str:
    return order_id


@app.step(max_retries=1)
async def refund(order_id: str) -> bytes:
    return b""


@app.step
def count(text: str) -> int:
    return len(text)


@app.step(timeout="3s")
def measure(text: str) -> float:
    return 0.5


class Order:
    @app.step
    async def pay(self, cents: int) -> str:
        return ""

    @staticmethod
    @app.step
    def fee(cents: int) -> int:
        return cents

    @classmethod
    async def newest(cls, count: int) -> list[str]:
        return []


app.step(Order.newest)


@app.step
async def echo(value: T) -> T:
    return value


@app.step
async def words(text: str) -> AsyncIterator[str]:
    await get_writable("log").write(text)
    yield text


@app.step(max_retries=1)
def lengths(given: ReadableStream[str]) -> Iterator[int]:
    for word in given:
        yield len(word)


@app.step
async def total(given: ReadableStream[int]) -> int:
    return sum([n async for n in given])


@app.workflow
async def checkout(order_id: str, cents: int = 3, *, gift: bool = False) -> dict[str, str]:
    assert_type(await charge(order_id, cents), str)
    assert_type(await refund(order_id), bytes)
    assert_type(await count("a"), int)
    assert_type(await measure("a"), float)
    assert_type(await asyncio.gather(charge("", 1), refund(""), count("")), tuple[str, bytes, int])
    assert_type(await Order().pay(3), str)
    assert_type(await Order.fee(3), int)
    assert_type(await Order.newest(3), list[str])
    assert_type(await echo(3), int)
    assert_type(await charge.with_options(max_retries=0, timeout=None)(order_id, cents), str)
    assert_type(await echo.with_options(retry_on=(OSError, KeyError))(b""), bytes)
    assert_type(await Order.pay.with_options(never_retry=ValueError)(Order(), 3), str)
    assert_type(await words("a b"), ReadableStream[str])
    assert_type(await lengths(await words("a b")), ReadableStream[int])
    assert_type(await total(await lengths(await words("a b"))), int)
    async with asyncio.TaskGroup() as group:
        assert_type(await group.create_task(count("a")), int)
    async with hook("token") as approval:
        assert_type(await approval, Any)
    await sleep("3d")
    return {}


@app.workflow(name="other")
async def another() -> int:
    run = await app.start(checkout, "o-1")
    assert_type(await run.result(), dict[str, str])
    return 1


async def main() -> None:
    assert_type(await checkout("o-1"), dict[str, str])
    assert_type(await app.start(checkout, "o-1", 4200), RunHandle[dict[str, str]])
    assert_type(await app.start(checkout, "o-1", cents=4200, gift=True), RunHandle[dict[str, str]])
    assert_type(await app.start(another, run_id="wrun_1", runtime="replay"), RunHandle[int])
    assert_type(await app.start(another, runtime="replay"), RunHandle[int])
    assert_type(await app.start("other", 1, run_id="wrun_1", gift=True), RunHandle[Any])
    run = await app.start(another)
    assert_type(await run.result(timeout=3), int)


def script() -> None:
    with SyncTorpor(app) as front:
        assert_type(front.start(checkout, "o-1").result(), dict[str, str])
        assert_type(front.start("checkout"), SyncRun[Any])


async def mistakes() -> None:
    await app.start(checkout, 1)  # E: call-overload
    await app.start(checkout)  # E: call-overload
    await app.start(checkout, "o-1", colour="red")  # E: call-arg
    await app.start(charge, "o-1", 1)  # E: call-overload
    await charge(1, 2)  # E: arg-type
    await charge.with_options(max_retry=3)("o-1", 2)  # E: call-arg
    await charge.with_options(max_retries=3)(1, 2)  # E: arg-type
    await Order().pay.with_options(max_retries=3)(1)  # E: attr-defined
    count("a") + 1  # E: operator
    await total(await words("a"))  # E: arg-type


@app.workflow  # E: arg-type
def not_asynchronous() -> int:
    return 1
"""


def test_a_type_checker_knows_results_and_arguments(tmp_path: Path) -> None:
    """The sample has exactly the errors that it says, and every type that it asserts."""
    (tmp_path / "sample.py").write_text(SAMPLE)
    expected = {
        (number, line.rpartition("# E: ")[2]) for number, line in enumerate(SAMPLE.splitlines(), 1) if "# E: " in line
    }

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), "sample.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(Path(torpor.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    told = re.findall(r"^sample\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert {(int(number), code) for number, code in told} == expected, done.stdout + done.stderr
