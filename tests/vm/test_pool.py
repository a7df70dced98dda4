"""Instances are lent, reset, shared between images, and thrown away when they cannot be used again."""

from __future__ import annotations

import threading

import pytest

from torpor.errors import VmError
from torpor.vm.image import MemoryImage
from torpor.vm.limits import WASM_PAGE
from torpor.vm.pool import Pool

ONE, OTHER, LARGE = (MemoryImage(bytes(n * WASM_PAGE), n) for n in (1, 1, 2))


class Plain:
    """An instance that records what is done to it."""

    def __init__(self) -> None:
        self.image = ONE
        self.size = WASM_PAGE
        self.broken = False
        self.deeds: list[str] = []

    @property
    def reusable(self) -> bool:
        return not self.broken and self.fits(self.image)

    def fits(self, image: MemoryImage) -> bool:
        return self.size <= image.size

    def adopt(self, image: MemoryImage) -> None:
        self.image = image
        self.size = max(self.size, image.size)
        self.deeds.append("adopt")

    def reset(self) -> None:
        self.deeds.append("reset")

    def close(self) -> None:
        self.deeds.append("close")


def test_an_instance_is_used_again_after_a_reset() -> None:
    """
    The same image gets the same instance, adopted once and reset in between.
    """
    pool = Pool(Plain, 4)
    first = pool.lease(ONE)
    pool.give_back(first)

    assert pool.lease(ONE) is first
    assert first.deeds == ["adopt", "reset"]


def test_a_prepared_pool_creates_nothing_for_its_first_lease() -> None:
    """
    What takes long is done before anybody waits for it, and done once.
    """
    made: list[Plain] = []

    def create() -> Plain:
        made.append(Plain())
        return made[-1]

    pool = Pool(create, 4)
    pool.prepare(ONE)
    pool.prepare(ONE)
    assert len(made) == 1

    assert pool.lease(ONE) is made[0]
    assert len(made) == 1


def test_a_broken_instance_is_closed() -> None:
    """
    What trapped is never lent again.
    """
    pool = Pool(Plain, 1)
    first = pool.lease(ONE)
    first.broken = True
    pool.give_back(first)

    assert pool.lease(ONE) is not first
    assert first.deeds == ["adopt", "close"]


def test_an_outgrown_instance_is_closed() -> None:
    """
    An instance whose memory is larger than the image cannot be reset.
    """
    pool = Pool(Plain, 1)
    first = pool.lease(ONE)
    first.size *= 2
    pool.give_back(first)

    assert first.deeds == ["adopt", "close"]


def test_a_full_pool_gives_an_idle_instance_another_image() -> None:
    """
    Images share instances; the one idle for longest changes hands.
    """
    pool = Pool(Plain, 2)
    older, newer = pool.lease(ONE), pool.lease(ONE)
    pool.give_back(older)
    pool.give_back(newer)

    assert pool.lease(OTHER) is older
    assert older.image is OTHER


def test_an_idle_instance_that_is_too_large_is_replaced() -> None:
    """
    An instance that has had a larger image cannot take a smaller one.
    """
    pool = Pool(Plain, 1)
    first = pool.lease(LARGE)
    pool.give_back(first)

    second = pool.lease(ONE)

    assert (first.deeds[-1], second.size) == ("close", WASM_PAGE)


def test_more_leases_than_are_kept() -> None:
    """
    A lease never waits; of the instances that come back as many are kept as the pool may keep.
    """
    pool = Pool(Plain, 1)
    first, second = pool.lease(ONE), pool.lease(ONE)
    assert first is not second

    pool.give_back(first)
    pool.give_back(second)

    assert second.deeds == ["adopt", "reset", "close"]
    assert pool.lease(ONE) is first


def test_a_failed_creation_frees_its_place() -> None:
    """
    An error while an instance is made does not make the pool smaller.
    """
    failures = [OSError("no memory")]

    def create() -> Plain:
        if failures:
            raise failures.pop()
        return Plain()

    pool = Pool(create, 1)
    with pytest.raises(OSError, match="no memory"):
        pool.lease(ONE)

    assert pool.lease(ONE).image is ONE


def test_a_failed_reset_closes_the_instance() -> None:
    """
    An instance that cannot be reset is closed, and its place is free again.
    """

    class Stubborn(Plain):
        def reset(self) -> None:
            raise OSError("page map ended")

    pool: Pool[Plain] = Pool(Stubborn, 1)
    first = pool.lease(ONE)

    with pytest.raises(OSError, match="page map"):
        pool.give_back(first)

    assert first.deeds[-1] == "close"
    assert pool.lease(ONE) is not first


def test_a_closed_pool_lends_nothing() -> None:
    """
    Closing frees idle instances now and lent ones when they come back, and ends who waits.
    """
    pool = Pool(Plain, 2)
    idle, lent = pool.lease(ONE), pool.lease(ONE)
    pool.give_back(idle)
    pool.close()
    pool.give_back(lent)

    assert (idle.deeds[-1], lent.deeds[-1]) == ("close", "close")
    with pytest.raises(VmError, match="closed"):
        pool.lease(ONE)


def test_the_bound_holds_for_many_threads() -> None:
    """
    Never more instances than the bound, whatever threads do.
    """
    made: list[Plain] = []
    lent = []
    most = []

    def create() -> Plain:
        made.append(Plain())
        return made[-1]

    pool = Pool(create, 3)

    def work(number: int) -> None:
        for turn in range(200):
            instance = pool.lease((ONE, OTHER)[(number + turn) % 2])
            lent.append(instance)
            most.append(len(lent))
            lent.remove(instance)
            instance.broken = turn % 17 == 0
            pool.give_back(instance)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(most) <= 3
    assert sum("close" not in instance.deeds for instance in made) <= 3
