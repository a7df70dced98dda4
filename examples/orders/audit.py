"""The check that nothing was lost and nothing done twice: outcomes beside the payment ledger and the stock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from examples.orders.payments import Statement

Booked = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""What one order has in the ledger, in cents: charged, refused, refunded."""

OUTCOMES: Final = ("shipped", "refused", "out of stock")


def complaints(statement: Statement, outcomes: Mapping[str, str], cents: Mapping[str, int]) -> list[str]:
    """
    Compare the payment service's ledger with what became of each order, and say what does not fit.

    Args:
        statement: everything that the service booked.
        outcomes: by order number.
        cents: what each order costs.
    """
    booked = _booked(statement)
    found = [f"{order}: the ledger knows it, the shop does not" for order in sorted(booked.keys() - cents.keys())]
    for order, price in cents.items():
        outcome = outcomes.get(order, "not ended")
        want, have = _due(outcome, price), booked.get(order, ((), (), ()))
        if want is None:
            found.append(
                f"{order}: its run should end {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}, but it is {outcome}"
            )
        elif want != have:
            found.append(f"{order} ({outcome}): the ledger should have {_told(want)}, but has {_told(have)}")
    return found


def stock_complaints(
    before: Mapping[str, int],
    now: Mapping[str, int],
    reserved: Iterable[tuple[str, str, int]],
    outcomes: Mapping[str, str],
) -> list[str]:
    """
    Compare the stock with the reservations, and those with the orders that were shipped.

    Args:
        before, now: pieces by item.
        reserved: order number, item and quantity of each reservation.
        outcomes: by order number.
    """
    taken: Counter[str] = Counter()
    orders = set()
    for order, item, quantity in reserved:
        taken[item] += quantity
        orders.add(order)
    found = [
        f"{item}: {before[item]} pieces, {taken[item]} reserved, but {left} left"
        for item, left in now.items()
        if before[item] - taken[item] != left
    ]
    shipped = {order for order, outcome in outcomes.items() if outcome == "shipped"}
    found += [f"{order}: shipped without a reservation" for order in sorted(shipped - orders)]
    found += [f"{order}: has a reservation but was not shipped" for order in sorted(orders - shipped)]
    return found


def _booked(statement: Statement) -> dict[str, Booked]:
    orders = {charge.order for charge in statement.charges} | {refund.order for refund in statement.refunds}
    return {
        order: (
            tuple(charge.cents for charge in statement.charges if (charge.order, charge.status) == (order, "charged")),
            tuple(charge.cents for charge in statement.charges if (charge.order, charge.status) == (order, "refused")),
            tuple(refund.cents for refund in statement.refunds if refund.order == order),
        )
        for order in orders
    }


def _due(outcome: str, cents: int) -> Booked | None:
    match outcome:
        case "shipped":
            return (cents,), (), ()
        case "refused":
            return (), (cents,), ()
        case "out of stock":
            return (cents,), (), (cents,)
        case _:
            return None


def _told(booked: Booked) -> str:
    parts = [
        f"{name} {len(amounts)}x ({', '.join(map(str, amounts))} cents)"
        for name, amounts in zip(("charged", "refused", "refunded"), booked, strict=True)
        if amounts
    ]
    return ", ".join(parts) or "nothing"
