"""The demo's audit: it finds what is wrong, and nothing else."""

from __future__ import annotations

import pytest

from examples.orders.audit import complaints, stock_complaints
from examples.orders.payments import Charge, Refund, Statement

OUTCOMES = {"T-1": "shipped", "T-2": "refused", "T-3": "out of stock"}
CENTS = {"T-1": 100, "T-2": 200, "T-3": 300}
CHARGES = [Charge("T-1", 100, "charged"), Charge("T-2", 200, "refused"), Charge("T-3", 300, "charged")]
REFUNDS = [Refund("T-3", 300)]


def audited(
    charges: list[Charge] = CHARGES, refunds: list[Refund] = REFUNDS, outcomes: dict[str, str] = OUTCOMES
) -> list[str]:
    """Return the complaints about books that are right but for what is given."""
    return complaints(Statement(charges, refunds, requests=0, repeated=0, faults={}), outcomes, CENTS)


def test_right_ledger_is_not_complained_of() -> None:
    """
    One charge for what was shipped, one refusal, one charge and its refund: all is well.
    """
    assert audited() == []


@pytest.mark.parametrize(
    ("charges", "refunds", "order"),
    [
        ([*CHARGES, CHARGES[0]], REFUNDS, "T-1"),
        (CHARGES[1:], REFUNDS, "T-1"),
        ([Charge("T-1", 99, "charged"), *CHARGES[1:]], REFUNDS, "T-1"),
        ([*CHARGES, Charge("T-2", 200, "charged")], REFUNDS, "T-2"),
        (CHARGES, [], "T-3"),
        (CHARGES, REFUNDS * 2, "T-3"),
        (CHARGES, [*REFUNDS, Refund("T-1", 100)], "T-1"),
        ([*CHARGES, Charge("T-9", 900, "charged")], REFUNDS, "T-9"),
    ],
    ids=["twice", "never", "amount", "refused-and-charged", "no-refund", "two-refunds", "shipped-for-free", "stranger"],
)
def test_mismatch_names_the_order(charges: list[Charge], refunds: list[Refund], order: str) -> None:
    """
    Whatever differs from what the outcome calls for is one complaint, which begins with the order's number.
    """
    (complaint,) = audited(charges, refunds)

    assert complaint.startswith(order)


def test_order_without_a_known_outcome_is_a_complaint() -> None:
    """
    A run that failed or has not ended is never well.
    """
    assert len(audited(outcomes={**OUTCOMES, "T-1": "failed"})) == 1
    assert len(audited(outcomes={"T-2": "refused", "T-3": "out of stock"})) == 1


def test_stock_must_agree_with_reservations_and_shipments() -> None:
    """
    Pieces do not get lost, and exactly what was shipped is reserved.
    """
    reserved = [("T-1", "kettle", 2)]

    assert stock_complaints({"kettle": 5}, {"kettle": 3}, reserved, OUTCOMES) == []
    assert len(stock_complaints({"kettle": 5}, {"kettle": 4}, reserved, OUTCOMES)) == 1
    assert len(stock_complaints({"kettle": 5}, {"kettle": 5}, [], OUTCOMES)) == 1
    assert len(stock_complaints({"kettle": 5}, {"kettle": 2}, [*reserved, ("T-2", "kettle", 1)], OUTCOMES)) == 1
