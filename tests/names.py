"""Names of parameters: the same in every process, so that tests may be shared out among several."""

from __future__ import annotations

import os
import re

FRESH_SEED = int((os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(4).hex())[:8], 16)
"""A number that is another one whenever the tests run, and the same in all processes of a run."""


def short(value: object) -> str:
    """
    Return the beginning of what Python prints for a value, without the place that it has in memory; of a set the
    members in order.
    """
    if isinstance(value, set | frozenset) and value:
        return f"{{{', '.join(sorted(map(repr, value)))}}}"[:40]
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:40]
