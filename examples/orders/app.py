"""
The shop: the steps of an order, and below them the workflow that takes it from payment to shipping.

Each ``@app.step`` is an ordinary function that runs at least once and is recorded once. A worker may die after a step
did its work and before that was recorded, so every step here may be repeated without harm: it gives the outside world
a key that stays the same over its attempts, or it looks whether the work is done.

``flows/checkout.js`` is the same workflow in JavaScript, with the same steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TypedDict
from urllib.parse import urlsplit

from torpor import Backoff, FatalError, Torpor, current_step, sleep

app = Torpor()  # stored in TORPOR_WORLD, by default sqlite:///torpor.db
app.workflows("flows/*.js")

PAYMENTS_URL = os.environ.get("PAYMENTS_URL", "http://127.0.0.1:8402")
SHOP_DB = os.environ.get("SHOP_DB", "shop.db")

PATIENCE = Backoff(first=0.1, most=2.0)


class Order(TypedDict):
    """An order as workflow code passes it to steps."""

    number: str
    customer: str
    country: str
    item: str
    quantity: int
    cents: int
    card: str


class Outcome(TypedDict):
    """What became of an order: shipped, refused or out of stock."""

    order: str
    outcome: str


# Money, at an outside service


@app.step(max_retries=10, backoff=PATIENCE)
def charge(order: Order) -> None:
    """Take the money. A refusal is a FatalError; whatever else goes wrong is tried again, with the same key."""
    _pay("/charges", order)


@app.step(max_retries=10, backoff=PATIENCE)
def refund(order: Order) -> None:
    """Give the money back."""
    _pay("/refunds", order)


def _pay(path: str, order: Order) -> None:
    body = json.dumps({"order": order["number"], "card": order["card"], "cents": order["cents"]})
    # The id of a step is the same in all its attempts, also when another worker makes them after a crash.
    headers = {"Content-Type": "application/json", "Idempotency-Key": current_step().step_id}
    connection = HTTPConnection(urlsplit(PAYMENTS_URL).netloc, timeout=1.0)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        told = response.read().decode()
    finally:
        connection.close()
    if response.status == 402:
        # No for good: asking again would not help. Workflow code sees this very class and decides.
        raise FatalError(f"payment of order {order['number']} refused: {told}")
    if response.status != 200:
        raise ConnectionError(f"payment service answered {response.status} for order {order['number']}: {told}")


# Goods and messages, in the shop's own database


@app.step
def reserve(order: Order) -> None:
    """Take the goods off the stock for this order; a FatalError says that there are not enough."""
    with _shop() as db:
        if db.execute("SELECT 1 FROM reservations WHERE number = ?", (order["number"],)).fetchone():
            return  # an attempt before this one did it
        taken = "UPDATE stock SET pieces = pieces - :quantity WHERE item = :item AND pieces >= :quantity"
        if db.execute(taken, order).rowcount == 0:
            raise FatalError(f"fewer than {order['quantity']} pieces of {order['item']} are left")
        db.execute("INSERT INTO reservations VALUES (:number, :item, :quantity)", order)


@app.step
def release(order: Order) -> None:
    """Put the goods back."""
    with _shop() as db:
        query = "DELETE FROM reservations WHERE number = :number RETURNING quantity, item"
        for reservation in db.execute(query, order).fetchall():
            db.execute("UPDATE stock SET pieces = pieces + ? WHERE item = ?", reservation)


@app.step
def notify_customer(order: Order, text: str) -> None:
    """Write to the customer."""
    _send(order, order["customer"], text)


@app.step
def notify_warehouse(order: Order) -> None:
    """Have the goods sent."""
    _send(order, "warehouse", f"Send {order['quantity']} x {order['item']} to {order['country']}.")


@app.step
def notify_bookkeeping(order: Order) -> None:
    """Have an invoice written."""
    _send(order, "bookkeeping", f"Write an invoice over {order['cents'] / 100:.2f}.")


def _send(order: Order, recipient: str, text: str) -> None:
    with _shop() as db:
        message = (current_step().step_id, order["number"], recipient, text)
        db.execute("INSERT INTO messages VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", message)


@contextmanager
def _shop() -> Iterator[sqlite3.Connection]:
    """Open the shop's database for one transaction: all of it is stored, or after an error nothing."""
    db = sqlite3.connect(SHOP_DB, timeout=10.0, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        with db:
            yield db
    finally:
        db.close()


def open_shop(stock: Iterable[tuple[str, int]]) -> None:
    """Make the shop's database, with pieces of each item on stock."""
    db = sqlite3.connect(SHOP_DB)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        with db:
            db.execute("CREATE TABLE stock (item TEXT PRIMARY KEY, pieces INTEGER NOT NULL)")
            db.execute("CREATE TABLE reservations (number TEXT PRIMARY KEY, item TEXT, quantity INTEGER)")
            db.execute("CREATE TABLE messages (key TEXT PRIMARY KEY, number TEXT, recipient TEXT, text TEXT)")
            db.executemany("INSERT INTO stock VALUES (?, ?)", stock)
    finally:
        db.close()


# What becomes of an order


@app.workflow
async def checkout(order: Order) -> Outcome:
    """
    Take an order from payment to shipping, or undo what was done for it.

    This function survives the death of its worker at every ``await``: it goes on there, in another process, with its
    variables as they were. Nothing is run a second time to get there.
    """
    results = await asyncio.gather(charge(order), reserve(order), return_exceptions=True)
    for result in results:
        # Steps raise FatalError when the answer is no. Any other error has outlived its retries: the run fails with it.
        if isinstance(result, BaseException) and not isinstance(result, FatalError):
            raise result

    payment, goods = results
    if isinstance(payment, FatalError):
        if not isinstance(goods, FatalError):
            await release(order)
        await notify_customer(order, "Your payment was refused, so we cancelled your order.")
        return {"order": order["number"], "outcome": "refused"}
    if isinstance(goods, FatalError):
        await refund(order)
        await notify_customer(order, "We have run out of it and gave your money back.")
        return {"order": order["number"], "outcome": "out of stock"}

    # Time to pack. It could be days as well: a run that sleeps is a row in the database and nothing in any process.
    await sleep("4s")

    async with asyncio.TaskGroup() as group:
        group.create_task(notify_customer(order, "Your order is on its way."))
        group.create_task(notify_warehouse(order))
        group.create_task(notify_bookkeeping(order))
    return {"order": order["number"], "outcome": "shipped"}
