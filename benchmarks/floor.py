"""What the machine allows to any engine; see :mod:`benchmarks.harness.floor`."""

from __future__ import annotations

import msgspec

from benchmarks.harness.floor import COMMIT_BYTES, PAGES, measured
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting


def run(setting: Setting) -> list[Row]:
    """Return ``durable_commit`` (ms), ``guest_call`` and ``faults`` (µs)."""
    rows = Rows("floor", msgspec.structs.replace(setting, world="none://"))
    floor = measured()
    rows.add("durable_commit", "ms", floor.durable_commit, {"bytes": COMMIT_BYTES})
    rows.add("guest_call", "µs", floor.guest_call)
    rows.add("faults", "µs", floor.faults, {"pages": PAGES})
    return rows.all
