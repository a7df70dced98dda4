"""Reading what the demo begins with and what is in the books afterwards."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from examples.orders.payments import Statement

if TYPE_CHECKING:
    from examples.orders.app import Order  # at run time it reads its settings as it is imported

HERE = Path(__file__).parent


class Stock(msgspec.Struct, frozen=True):
    """
    The shop's goods.

    Attributes:
        left: pieces by item.
        reserved: order number, item and quantity of each reservation.
    """

    left: dict[str, int]
    reserved: list[tuple[str, str, int]]


def read_orders(most: int) -> list[Order]:
    """Return the first orders of ``orders.csv``."""
    with (HERE / "orders.csv").open(newline="") as file:
        return [
            {
                "number": row["number"],
                "customer": row["customer"],
                "country": row["country"],
                "item": row["item"],
                "quantity": int(row["quantity"]),
                "cents": int(row["cents"]),
                "card": row["card"],
            }
            for row in islice(csv.DictReader(file), most)
        ]


def read_first_stock() -> dict[str, int]:
    """Return the pieces of each item that the shop begins with, from ``stock.csv``."""
    with (HERE / "stock.csv").open(newline="") as file:
        return {row["item"]: int(row["pieces"]) for row in csv.DictReader(file)}


def read_stock(shop_db: Path) -> Stock:
    """Return what the shop's database has now."""
    with closing(sqlite3.connect(shop_db)) as db:
        left = db.execute("SELECT item, pieces FROM stock").fetchall()
        reserved = db.execute("SELECT number, item, quantity FROM reservations").fetchall()
    return Stock(dict(left), reserved)


def read_statement(payments_url: str) -> Statement:
    """Ask the payment service what it booked."""
    with closing(HTTPConnection(urlsplit(payments_url).netloc, timeout=10)) as connection:
        connection.request("GET", "/ledger")
        return msgspec.json.decode(connection.getresponse().read(), type=Statement)
