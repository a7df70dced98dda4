"""
A payment service as they are in the world: it refuses some cards for good, and it is often in trouble.

    python -m examples.orders.payments --ledger payments.db

It answers on a port of the loopback interface and prints its address. ``POST /charges`` and ``POST /refunds`` need an
``Idempotency-Key``: a request with a known key gets the first one's answer and moves no money. ``GET /ledger`` tells
what it booked. Nothing in here knows of Torpor, and nothing but the key keeps it from charging an order twice.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

Fault = Literal["503 before", "503 after", "slow", "dropped"]
"""What goes wrong: refused before the work, after it, answered too late, not answered at all."""

SLOW_SECONDS = 1.5
"""How long a slow answer takes; clients should have given up by then."""

SCHEMA = """
CREATE TABLE charges (order_number TEXT NOT NULL, cents INTEGER NOT NULL, status TEXT NOT NULL) STRICT;
CREATE TABLE refunds (order_number TEXT NOT NULL, cents INTEGER NOT NULL) STRICT;
CREATE TABLE answers (key TEXT PRIMARY KEY, request BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE requests (path TEXT NOT NULL, order_number TEXT NOT NULL, fault TEXT, repeated INTEGER NOT NULL) STRICT;
"""


class Payment(msgspec.Struct, frozen=True):
    """Body of a request: money of an order to be charged or refunded, in cents."""

    order: str
    card: str
    cents: int


class Charge(msgspec.Struct, frozen=True):
    """A booked attempt to charge an order: ``charged`` or ``refused``."""

    order: str
    cents: int
    status: str


class Refund(msgspec.Struct, frozen=True):
    """Money that went back."""

    order: str
    cents: int


class Statement(msgspec.Struct, frozen=True):
    """
    What ``GET /ledger`` answers.

    Attributes:
        charges, refunds: everything booked.
        requests: how many asked for money to move.
        repeated: how many of them came with a key that was known.
        faults: how many were spoiled, by kind.
    """

    charges: list[Charge]
    refunds: list[Refund]
    requests: int
    repeated: int
    faults: dict[Fault, int]


class Ledger:
    """
    The books. Each request is one transaction, so that a key and the money it moved are stored together.

    Args:
        path: of a new SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def received(self, path: str, order: str) -> int:
        """Return how many requests for this path and order there were before."""
        query = "SELECT count(*) FROM requests WHERE path = ? AND order_number = ?"
        with self._lock:
            (count,) = self._db.execute(query, (path, order)).fetchone()
        return int(count)

    def note(self, path: str, order: str, fault: Fault | None, key: str) -> None:
        """Record that a request came."""
        known = "EXISTS (SELECT 1 FROM answers WHERE key = ?)"
        with self._lock:
            self._db.execute(f"INSERT INTO requests VALUES (?, ?, ?, {known})", (path, order, fault, key))  # noqa: S608  # a constant

    def book(self, path: str, key: str, payment: Payment) -> tuple[int, bytes]:
        """Move the money, unless the key is known, and return the status and body of the answer."""
        request = msgspec.json.encode((path, payment))
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            known = self._db.execute("SELECT request, status, body FROM answers WHERE key = ?", (key,)).fetchone()
            if known is not None:
                first, status, body = known
                return (status, body) if first == request else (422, _json("this key belongs to another request"))
            status, told = self._refund(payment) if path == "/refunds" else self._charge(payment)
            self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, request, status, _json(told)))
            return status, _json(told)

    def statement(self) -> Statement:
        """Return everything booked."""
        with self._lock:
            charges = self._db.execute("SELECT order_number, cents, status FROM charges").fetchall()
            refunds = self._db.execute("SELECT order_number, cents FROM refunds").fetchall()
            requests, repeated = self._db.execute("SELECT count(*), total(repeated) FROM requests").fetchone()
            faults = self._db.execute("SELECT fault, count(*) FROM requests WHERE fault NOT NULL GROUP BY 1").fetchall()
        return Statement(
            charges=[Charge(*row) for row in charges],
            refunds=[Refund(*row) for row in refunds],
            requests=requests,
            repeated=int(repeated),
            faults=dict(faults),
        )

    def _charge(self, payment: Payment) -> tuple[int, str]:
        refused = payment.card.endswith("-blocked")
        status = "refused" if refused else "charged"
        self._db.execute("INSERT INTO charges VALUES (?, ?, ?)", (payment.order, payment.cents, status))
        return (402, f"{payment.card} is blocked") if refused else (200, "charged")

    def _refund(self, payment: Payment) -> tuple[int, str]:
        self._db.execute("INSERT INTO refunds VALUES (?, ?)", (payment.order, payment.cents))
        return 200, "refunded"


class Service(ThreadingHTTPServer):
    """
    The HTTP server.

    Args:
        ledger: its books.
        seed: of its troubles; what happens to the n-th request for an order is decided by it alone.
        fault_rate: share of requests that are spoiled.
    """

    daemon_threads = True

    def __init__(self, ledger: Ledger, *, seed: int, fault_rate: float, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.ledger = ledger
        self._seed = seed
        self._fault_rate = fault_rate

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def fate(self, path: str, order: str) -> tuple[float, Fault | None]:
        """Return how many seconds the next request for this order takes, and what spoils it."""
        dice = random.Random(f"{self._seed} {path} {order} {self.ledger.received(path, order)}")  # noqa: S311  # not secret
        seconds = dice.uniform(0.05, 0.25)
        return seconds, dice.choice(get_args(Fault)) if dice.random() < self._fault_rate else None


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Answer ``GET /ledger``."""
        if self.path == "/ledger":
            self._answer(200, msgspec.json.encode(cast("Service", self.server).ledger.statement()))
        else:
            self._answer(404, _json(f"there is no {self.path}; ask for /ledger"))

    def do_POST(self) -> None:
        """Answer ``POST /charges`` and ``POST /refunds``, or fail to."""
        key = self.headers.get("Idempotency-Key")
        if self.path not in ("/charges", "/refunds") or not key:
            self._answer(400, _json("post to /charges or /refunds, with an Idempotency-Key"))
            return
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            payment = msgspec.json.decode(body, type=Payment)
        except (ValueError, msgspec.DecodeError) as error:
            self._answer(400, _json(str(error)))
            return
        self._pay(key, payment)

    def _pay(self, key: str, payment: Payment) -> None:
        service = cast("Service", self.server)
        seconds, fault = service.fate(self.path, payment.order)
        service.ledger.note(self.path, payment.order, fault, key)
        time.sleep(seconds)
        if fault == "503 before":
            self._answer(503, _json("try again later"))
            return
        status, body = service.ledger.book(self.path, key, payment)
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        if fault == "503 after":
            self._answer(503, _json("booked, but this answer does not say so"))
        elif fault == "dropped":
            self.close_connection = True
        else:
            self._answer(status, body)

    def _answer(self, status: int, body: bytes) -> None:
        with suppress(ConnectionError):  # a client that has gone will ask again
            self.send_response(HTTPStatus(status))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


def _json(text: str) -> bytes:
    return msgspec.json.encode({"message": text})


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A payment service with troubles.")
    parser.add_argument("--ledger", type=Path, required=True, help="a new SQLite file for its books")
    parser.add_argument("--seed", type=int, default=1, help="of its troubles")
    parser.add_argument("--fault-rate", type=float, default=0.3, help="share of requests that are spoiled")
    arguments = parser.parse_args()
    with (
        closing(Ledger(arguments.ledger)) as ledger,
        Service(ledger, seed=arguments.seed, fault_rate=arguments.fault_rate) as service,
    ):
        print(service.url, flush=True)
        try:
            service.serve_forever()
        except KeyboardInterrupt:
            sys.exit(130)


if __name__ == "__main__":
    main()
