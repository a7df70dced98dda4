"""
Whose work goes on, as a ``traceparent`` of W3C Trace Context: what comes with a request, goes along with one, and is
noted by a run that is started.

What knows of traces is an integration (:mod:`torpor.integrations.otel`), which is put in here; without one there are
none.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple, Protocol

HEADER: Final = "traceparent"
_CHARS_MAX: Final = 128
_TRACE_DIGITS: Final = 32
_SPAN_DIGITS: Final = 16


class Propagation(Protocol):
    """What knows of traces."""

    def current(self) -> str:
        """Return the ``traceparent`` of what goes on here, ``""`` when nothing is traced."""
        ...

    def entered(self, traceparent: str) -> AbstractContextManager[object]:
        """Let what goes on in the block be a part of another trace."""
        ...


_known: list[Propagation] = []


class SpanIds(NamedTuple):
    """Ids of a trace, and of a span in it, as hexadecimal text."""

    trace: str
    span: str


def ids_of(run_id: str) -> SpanIds:
    """Return the ids of a run's trace and of its own span; they are made of its id, so that every worker knows them."""
    digest = hashlib.sha256(f"torpor run {run_id}".encode()).hexdigest()
    return SpanIds(digest[:_TRACE_DIGITS], digest[_TRACE_DIGITS : _TRACE_DIGITS + _SPAN_DIGITS])


def use(propagation: Propagation | None) -> None:
    """Have traces from now on, or none any more; a process has one at a time."""
    _known[:] = [] if propagation is None else [propagation]


def current() -> str:
    """Return the ``traceparent`` of what goes on here, ``""`` when there is none."""
    return _known[0].current() if _known else ""


def headers() -> dict[str, str]:
    """Return the headers that go along with a request."""
    told = current()
    return {HEADER: told} if told else {}


def entered(traceparent: str) -> AbstractContextManager[object]:
    """Let what goes on in the block be a part of the trace that a request came with; of none when it names none."""
    is_one = bool(_known and traceparent) and len(traceparent) <= _CHARS_MAX
    return _known[0].entered(traceparent) if is_one else nullcontext()
