"""The tables at the end. Every number in them was counted or measured in this very run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from examples.orders.audit import OUTCOMES
from examples.orders.measure import Log, executions, first_event, first_turn, wake_ups
from examples.orders.payments import Statement
from examples.orders.watch import Weight

COMPLAINTS_SHOWN = 60

LANGUAGES: Final = {"cpython": "Python", "quickjs": "JavaScript"}
"""Languages, by the guest that runs them."""


class Restart(msgspec.Struct, frozen=True):
    """
    A kill and what followed.

    Attributes:
        moment: while what the worker was killed.
        killed_at, started_at: epoch milliseconds; the next worker's process was started at the latter.
    """

    moment: str
    killed_at: int
    started_at: int


class Findings(msgspec.Struct, frozen=True):
    """
    What the demo found out.

    Attributes:
        outcomes: by order number.
        guests: by order number, the name of the VM that its run lived in.
        logs: events of each run.
        weights: of runs that were seen asleep.
        statement: of the payment service.
        restarts: kills survived.
        seconds: that it all took.
        complaints: what does not fit; empty when all is well.
    """

    outcomes: dict[str, str]
    guests: dict[str, str]
    logs: list[Log]
    weights: list[Weight]
    statement: Statement
    restarts: list[Restart]
    seconds: float
    complaints: list[str]


def tables(findings: Findings) -> Group:
    """Return what is printed at the end."""
    return Group(_orders(findings), Text(), _measures(findings), Text(), _verdict(findings))


def _orders(findings: Findings) -> Table:
    """Runs by outcome, beside what the payment service has in its ledger for those orders."""
    charges = Counter((findings.outcomes.get(each.order), each.status) for each in findings.statement.charges)
    refunds = Counter(findings.outcomes.get(each.order) for each in findings.statement.refunds)
    runs = Counter((outcome, findings.guests[order]) for order, outcome in findings.outcomes.items())
    table = Table(title="Orders", title_justify="left", show_footer=True)
    table.add_column("outcome", "all")
    for name, total in (
        *((language, Counter(findings.guests.values())[guest]) for guest, language in LANGUAGES.items()),
        ("charged", sum(count for (_, status), count in charges.items() if status == "charged")),
        ("refused", sum(count for (_, status), count in charges.items() if status == "refused")),
        ("refunded", refunds.total()),
    ):
        table.add_column(name, str(total), justify="right")
    for outcome in (*OUTCOMES, *sorted(set(findings.outcomes.values()) - set(OUTCOMES))):
        row = (
            *(runs[outcome, guest] for guest in LANGUAGES),
            charges[outcome, "charged"],
            charges[outcome, "refused"],
            refunds[outcome],
        )
        table.add_row(outcome, *(str(number) for number in row))
    return table


def _measures(findings: Findings) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(findings):
        table.add_row(Text(name, style="bold"), value)
    return table


def _rows(findings: Findings) -> list[tuple[str, str]]:
    statement, done = findings.statement, executions(findings.logs)
    spoiled = ", ".join(f"{count} {fault}" for fault, count in sorted(statement.faults.items())) or "none"
    requests = (
        f"{statement.requests}, of them {sum(statement.faults.values())} spoiled ({spoiled}); "
        f"{statement.repeated} came with a key that had its answer"
    )
    steps = (
        f"{done.steps}, executed {done.started} times: {done.repeated} of them more than once "
        f"({done.after_error} executions after an error, {done.after_kill} after a kill)"
    )
    return [
        ("payment requests", requests),
        ("steps", steps),
        *_weight_rows(findings.weights),
        *_wake_up_rows(findings),
        *_restart_rows(findings),
        ("elapsed", f"{findings.seconds:.1f} s"),
    ]


def _weight_rows(weights: list[Weight]) -> list[tuple[str, str]]:
    rows = []
    for guest, language in LANGUAGES.items():
        own = [weight for weight in weights if weight.guest == guest]
        rows += [
            (f"snapshot in {language}, stored", _spread([weight.stored for weight in own], "bytes")),
            ("memory it stands for", _spread([weight.memory for weight in own], "bytes")),
        ]
    return rows


def _wake_up_rows(findings: Findings) -> list[tuple[str, str]]:
    """Say how late sleeps ended; those that fell due while no worker could wake them had to wait for the next one."""
    logs = findings.logs
    gaps = [(restart, first_turn(logs, restart.started_at)) for restart in findings.restarts]
    heard, missed = [], []
    for wake_up in wake_ups(logs):
        for restart, ready in gaps:
            if restart.killed_at <= wake_up.due and (ready is None or wake_up.due < ready):
                missed.append(wake_up.at - restart.started_at)
                break
        else:
            heard.append(wake_up.at - wake_up.due)
    return [
        ("timer due → awake", _spread(heard, "ms")),
        ("due without a worker: restart → awake", _spread(missed, "ms")),
    ]


def _restart_rows(findings: Findings) -> list[tuple[str, str]]:
    logs, starts = findings.logs, [restart.started_at for restart in findings.restarts]
    moments = ", ".join(f"while {restart.moment}" for restart in findings.restarts)
    return [
        ("kills survived", f"{len(starts)} ({moments})" if starts else "0"),
        ("restart → first thing stored", _delays((first_event(logs, start), start) for start in starts)),
        ("restart → first run awake", _delays((first_turn(logs, start), start) for start in starts)),
    ]


def _delays(moments: Iterable[tuple[int | None, int]]) -> str:
    return ", ".join("never" if at is None else f"{at - start} ms" for at, start in moments) or "none"


def _verdict(findings: Findings) -> RenderableType:
    if not findings.complaints:
        return Text(
            "Every order was charged exactly once, by the payment service's own ledger, "
            "and the stock agrees with what was shipped.",
            style="bold green",
        )
    shown = [f"  {each}" for each in findings.complaints[:COMPLAINTS_SHOWN]]
    if more := len(findings.complaints) - len(shown):
        shown.append(f"  … and {more} more")
    return Text("\n".join(["Something is wrong:", *shown]), style="bold red")


def _spread(values: list[int], unit: str) -> str:
    if not values:
        return "none"
    if min(values) == max(values):
        return f"{values[0]:,} {unit} each (n = {len(values)})"
    return f"min {min(values):,}, median {median(values):,.0f}, max {max(values):,} {unit} (n = {len(values)})"
