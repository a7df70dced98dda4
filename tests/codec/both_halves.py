"""Values for both halves of the codec; it imports nothing that the Python guest lacks."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from torpor.codec.requests import Request
from torpor.codec.values import Kwargs, RunReference, StepFunction, WorkflowFunction

VALUES: list[Any] = [
    None,
    True,
    1,
    1.0,
    -0.0,
    1e300,
    float("inf"),
    "a<b\u2028\ud800",
    2**70,
    [1, [2]],
    {"a": {"b": (1, 2)}},
    {1: 2},
    {1, 2},
    frozenset({3}),
    b"ab",
    bytearray(b"c"),
    Decimal("1.10"),
    UUID(int=5),
    date(2024, 5, 6),
    timedelta(1, 2, 3),
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2024, 5, 6, tzinfo=UTC),
    1 + 2j,
    range(5),
    Path("a"),
    OrderedDict(a=1),
    Counter("aab"),
    deque([1], 2),
    defaultdict(list, a=[1]),
    Fraction(1, 3),
    ip_address("1.2.3.4"),
    ip_network("2001:db8::/32"),
    1e-7,
    -1.5e-9,
    1e-5,
    1e-10,
    1e16,
    1.5e22,
    ["e-07", 1e-7],
    Kwargs(a=1),
    RunReference("wrun_1"),
    StepFunction("step//./a.py//f", {"boundArgs": [1]}),
    Request.of({"url": "x"}),
    WorkflowFunction("workflow//./a.py//f"),
]
