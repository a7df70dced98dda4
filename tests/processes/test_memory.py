"""How much memory this process takes."""

from __future__ import annotations

import mmap
import os
import sys

import pytest

from torpor.processes.memory import resident_bytes, taken_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has memory files and tells what is taken")

_SIZE = 32 << 20
_PLACES = 8


def test_a_page_counts_once_wherever_it_is_mapped() -> None:
    """As a guest's image is, which each VM maps twice: it is resident in each place, and taken once."""
    before = resident_bytes(), taken_bytes()
    assert before[1] is not None
    descriptor = os.memfd_create("image")
    places = []
    try:
        os.write(descriptor, bytes(_SIZE))
        for _ in range(_PLACES):
            place = mmap.mmap(descriptor, _SIZE, prot=mmap.PROT_READ)
            places.append(place)
            assert not any(place[at] for at in range(0, _SIZE, mmap.PAGESIZE))
        resident, taken = resident_bytes(), taken_bytes()
    finally:
        for place in places:
            place.close()
        os.close(descriptor)
    assert taken is not None
    assert resident - before[0] > (_PLACES - 1) * _SIZE
    assert _SIZE // 2 < taken - before[1] < 2 * _SIZE


def test_what_is_taken_is_never_more_than_what_is_resident() -> None:
    """So only what has more resident than it may needs to be counted."""
    taken = taken_bytes()
    assert taken is not None
    assert taken <= resident_bytes() + (1 << 20)


def test_a_process_that_is_not_there_tells_nothing() -> None:
    """It ended meanwhile, or belongs to somebody else."""
    assert taken_bytes(2**22 + 1) is None
