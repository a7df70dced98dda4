"""The payment service of the order example: keys, refusals and troubles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import msgspec
import pytest

from examples.orders.books import read_statement
from examples.orders.payments import Charge, Fault, Ledger, Payment, Refund, Service

Fate = tuple[float, Fault | None]


class Fated(Service):
    """A service whose troubles a test decides, one for each request; none when they are used up."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, seed=0, fault_rate=0)
        self.fates: list[Fault | None] = []

    def fate(self, path: str, order: str) -> Fate:
        return 0.0, self.fates.pop(0) if self.fates else None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Fated]:
    """A payment service that listens."""
    with closing(Ledger(tmp_path / "payments.db")) as ledger, Fated(ledger) as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


Post = Callable[..., int]


@pytest.fixture
def post(service: Fated) -> Post:
    """Ask for money to move, and return the status of the answer."""

    def ask(key: str, payment: Payment, path: str = "/charges") -> int:
        with closing(HTTPConnection("127.0.0.1", service.server_port, timeout=5)) as connection:
            connection.request("POST", path, msgspec.json.encode(payment), {"Idempotency-Key": key} if key else {})
            return connection.getresponse().status

    return ask


LANTERN = Payment(order="T-1", card="card-1-ok", cents=500)
BLOCKED = Payment(order="T-2", card="card-2-blocked", cents=700)


def test_known_key_moves_no_money(service: Fated, post: Post) -> None:
    """
    A repeated request gets the first one's answer and is booked once.
    """
    assert [post("k", LANTERN), post("k", LANTERN)] == [200, 200]

    statement = read_statement(service.url)

    assert statement.charges == [Charge("T-1", 500, "charged")]
    assert (statement.requests, statement.repeated) == (2, 1)


def test_new_key_charges_again(service: Fated, post: Post) -> None:
    """
    Nothing but the key keeps an order from being charged twice.
    """
    post("k1", LANTERN)
    post("k2", LANTERN)

    assert read_statement(service.url).charges == [Charge("T-1", 500, "charged")] * 2


def test_blocked_card_is_refused_for_good(service: Fated, post: Post) -> None:
    """
    A refusal is an answer: it is booked, and repeated under its key.
    """
    assert [post("k", BLOCKED), post("k", BLOCKED)] == [402, 402]
    assert read_statement(service.url).charges == [Charge("T-2", 700, "refused")]


def test_key_belongs_to_one_request(service: Fated, post: Post) -> None:
    """
    A key that comes with another request is refused and books nothing.
    """
    post("k", LANTERN)

    assert post("k", BLOCKED) == 422
    assert post("k", LANTERN, "/refunds") == 422
    assert len(read_statement(service.url).charges) == 1


def test_refund_is_booked(service: Fated, post: Post) -> None:
    """
    Refunds have books and keys of their own.
    """
    assert [post("k", LANTERN, "/refunds"), post("k", LANTERN, "/refunds")] == [200, 200]
    assert read_statement(service.url).refunds == [Refund("T-1", 500)]


def test_request_without_key_is_not_understood(service: Fated, post: Post) -> None:
    """
    Money does not move without a key.
    """
    assert post("", LANTERN) == 400
    assert read_statement(service.url).requests == 0


@pytest.mark.parametrize(("fault", "booked"), [("503 before", 0), ("503 after", 1)])
def test_503_may_come_before_or_after_the_work(service: Fated, post: Post, fault: Fault, booked: int) -> None:
    """
    The caller cannot tell from a 503 whether money moved.
    """
    service.fates = [fault]

    assert post("k", LANTERN) == 503
    assert len(read_statement(service.url).charges) == booked
    assert post("k", LANTERN) == 200
    assert len(read_statement(service.url).charges) == 1


def test_dropped_connection_hides_a_charge(service: Fated, post: Post) -> None:
    """
    A request that was never answered has moved money all the same.
    """
    service.fates = ["dropped"]

    with pytest.raises(RemoteDisconnected):
        post("k", LANTERN)

    assert read_statement(service.url).charges == [Charge("T-1", 500, "charged")]


def test_troubles_are_those_of_the_seed(tmp_path: Path) -> None:
    """
    The n-th request for an order has the same fate under the same seed, and about the given share is spoiled.
    """
    with closing(Ledger(tmp_path / "payments.db")) as ledger:
        with Service(ledger, seed=7, fault_rate=0.3) as one, Service(ledger, seed=7, fault_rate=0.3) as other:
            fates = [one.fate("/charges", f"T-{n}") for n in range(200)]

            assert fates == [other.fate("/charges", f"T-{n}") for n in range(200)]
        spoiled = sum(fault is not None for _, fault in fates)
        assert 30 < spoiled < 90
