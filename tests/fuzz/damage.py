"""Bytes that nobody meant: arbitrary ones, and valid ones that something happened to."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = 150

bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""The same examples in every run, so that what fails here fails everywhere."""

_TELLING = [0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]


@st.composite
def damaged(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Draw one of some valid byte strings after a few accidents."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.integers(1, 16))
        match draw(st.sampled_from(["byte", "bytes", "cut", "end", "double", "number", "splice"])):
            case "byte" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "bytes":
                data[at : at + size] = draw(st.binary(max_size=16))
            case "cut":
                del data[at : at + size]
            case "end":
                del data[at:]
            case "double":
                data[at:at] = data[at : at + size]
            case "number":
                width = draw(st.sampled_from([2, 4, 8]))
                number = draw(st.sampled_from(_TELLING)) % (1 << 8 * width)
                data[at : at + width] = number.to_bytes(width, "little")
            case "splice":
                other = draw(st.sampled_from(originals))
                data[at:] = other[at : at + 64 * size]
    return bytes(data)


def anything(originals: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy for arbitrary bytes, also behind the beginning of a valid string, and for damaged ones."""
    beginnings = st.sampled_from([original[:size] for original in originals for size in (4, 8, 16)])
    behind = st.tuples(beginnings, st.binary(max_size=200)).map(b"".join)
    return st.one_of(st.binary(max_size=200), behind, damaged(originals))
