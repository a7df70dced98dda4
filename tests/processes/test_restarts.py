"""When a process that has ended is started again."""

from __future__ import annotations

from torpor.processes.restarts import Restarts
from torpor.retries import Backoff


def test_pauses_grow_until_there_is_no_hope() -> None:
    """A process that ends at once is started again so many times, later each time."""
    restarts = Restarts(Backoff(first=1, factor=10, most=1000), most=3)

    delays = [restarts.delay_ms(0) for _ in range(3)]

    assert delays == sorted(delays)
    assert not restarts.hopeless
    restarts.delay_ms(0)
    assert restarts.hopeless


def test_a_process_that_was_at_work_for_long_counts_anew() -> None:
    """One that works and dies once a day is started again for ever, soon."""
    restarts = Restarts(Backoff(first=1, factor=10, most=1000), quick_seconds=10, most=3)
    for _ in range(3):
        restarts.delay_ms(9.9)

    assert restarts.delay_ms(10) <= 1000
    assert not restarts.hopeless
