"""What a parcel must be like, before a world stores anything of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
import pytest_asyncio
from msgspec.structs import replace

from torpor.errors import CapsuleError, LimitExceededError
from torpor.limits import PARCEL_STREAM_BYTES_MAX
from torpor.model import Parcel, WholeStream
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.parcels import live
from torpor.testing.worlds.story import OTHER, RUN, T, snapshot
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.parcels import check, check_streams


@pytest_asyncio.fixture
async def sent() -> Parcel:
    """Return a run that has all kinds of things, as it leaves a world."""
    world = MemoryWorld(clock=ManualClock(T))
    await live(world)
    return await world.parcel(RUN)


def _of_run(**changes: object) -> Callable[[Parcel], Parcel]:
    return lambda parcel: replace(parcel, entities=replace(parcel.entities, run=replace(parcel.run, **changes)))


def _of_step(**changes: object) -> Callable[[Parcel], Parcel]:
    def change(parcel: Parcel) -> Parcel:
        steps = parcel.entities.steps
        return replace(
            parcel,
            entities=replace(parcel.entities, steps={**steps, "step_01": replace(steps["step_01"], **changes)}),
        )

    return change


def _of_hook(**changes: object) -> Callable[[Parcel], Parcel]:
    def change(parcel: Parcel) -> Parcel:
        hooks = parcel.entities.hooks
        return replace(
            parcel,
            entities=replace(parcel.entities, hooks={**hooks, "hook_04": replace(hooks["hook_04"], **changes)}),
        )

    return change


def _of_stream(change: Callable[[WholeStream], WholeStream]) -> Callable[[Parcel], Parcel]:
    return lambda parcel: replace(parcel, streams=(*parcel.streams[:-1], change(parcel.streams[-1])))


NONSENSE: Final[dict[str, Callable[[Parcel], Parcel]]] = {
    "no id": _of_run(id=""),
    "another id": _of_run(id=f"{RUN}Z"),
    "a short seed": _of_run(seed=b"s"),
    "a log that ends later": _of_run(head=99),
    "a log that begins later": _of_run(base=1),
    "an end without an event": _of_run(status="completed", ended_at=T),
    "a number below zero": _of_run(redeliveries=-1),
    "a number that nobody counts to": _of_run(epoch=2**63),
    "too many attributes": _of_run(attributes={f"a{n}": "" for n in range(65)}),
    "an attribute that is too long": _of_run(attributes={"a": "x" * 257}),
    "a hole in the log": lambda parcel: replace(parcel, log=(*parcel.log[:2], *parcel.log[3:])),
    "times that go back": lambda parcel: replace(parcel, log=(replace(parcel.log[0], at=T + 9), *parcel.log[1:])),
    "a second creation": lambda parcel: replace(
        parcel, log=(*parcel.log[:-1], replace(parcel.log[0], seq=parcel.log[-1].seq, at=parcel.log[-1].at))
    ),
    "a snapshot of the future": lambda parcel: replace(parcel, snapshot=replace(snapshot(), cursor=99)),
    "a step of another run": _of_step(run_id=OTHER),
    "a step under another name": _of_step(id="step_09"),
    "a step in no state": _of_step(status="completed"),
    "a step without its input": _of_step(seq=1),
    "a step beyond the log": _of_step(seq=99),
    "a hook in no state": _of_hook(status="disposed"),
    "a hook with a key of its own": _of_hook(public=b"key"),
    "a message twice": lambda parcel: replace(parcel, messages=("m1", "m1")),
    "a line twice": lambda parcel: replace(parcel, lines=(*parcel.lines, parcel.lines[0])),
    "a stream twice": lambda parcel: replace(parcel, streams=parcel.streams[:1] * 2),
    "a stream that lacks chunks": _of_stream(lambda whole: replace(whole, chunks=whole.chunks[1:])),
    "a stream of another size": _of_stream(lambda whole: replace(whole, stream=replace(whole.stream, size=1))),
    "a stream of nobody": _of_stream(lambda whole: replace(whole, writers=())),
    "a chunk of nobody": _of_stream(
        lambda whole: replace(whole, chunks=(replace(whole.chunks[0], writer="step_09"), *whole.chunks[1:]))
    ),
}
"""What comes from a file that somebody has written, or damaged, with a hash that fits."""


def test_what_a_world_sends_makes_sense(sent: Parcel) -> None:
    """Nothing is refused."""
    check(sent)


@pytest.mark.parametrize("what", list(NONSENSE))
def test_nonsense_is_refused(sent: Parcel, what: str) -> None:
    """With the run that it is of, and what is wrong."""
    with pytest.raises(CapsuleError, match=r"does not fit together: .*; nothing was stored"):
        check(NONSENSE[what](sent))


def test_streams_are_bounded(sent: Parcel) -> None:
    """A run with more than what is sent at once stays where it is."""
    large = replace(sent.streams[0].stream, size=PARCEL_STREAM_BYTES_MAX + 1)
    with pytest.raises(LimitExceededError, match=RUN):
        check_streams(RUN, [large])
