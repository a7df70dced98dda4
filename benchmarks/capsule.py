"""A run with a long log, out of a world and into another one: as a capsule, and moved."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import timed_ms
from benchmarks.lists import LONG, store_log
from torpor.capsules import transfer
from torpor.capsules.shown import capsule_world
from torpor.codec.crypto.keys import Keyring
from torpor.worlds import open_world

EVENTS = 10_000
EVENTS_QUICK = 2_000


class Measured(msgspec.Struct, frozen=True):
    """
    Milliseconds of each sample, and the size of the capsule in bytes.

    Attributes:
        out: the run is taken out.
        back: and put into an empty file.
        opened: and opened, to be looked at.
        size: of the capsule.
    """

    out: list[float]
    back: list[float]
    opened: list[float]
    size: int


def run(setting: Setting) -> list[Row]:
    """Return ``export``, ``import`` and ``open`` of a long run, and the capsule's ``size``."""
    events = EVENTS_QUICK if setting.quick else EVENTS
    rows = Rows("capsule", setting)
    with fresh(setting) as place:
        measured = child.call(measure, place)
    rows.add("export", "ms", measured.out, {"events": events})
    rows.add("import", "ms", measured.back, {"events": events})
    rows.add("open", "ms", measured.opened, {"events": events})
    rows.add("size", "KiB", [measured.size / 1024], {"events": events})
    return rows.all


def measure(setting: Setting) -> Measured:
    """Take a run out and put it in, in this process."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    events = EVENTS_QUICK if setting.quick else EVENTS
    keyring = Keyring()
    back: list[float] = []
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-") as folder:
        file = Path(folder) / "long.capsule"
        async with working(setting) as app:
            await store_log(app, events)

            async def take_out() -> None:
                transfer.save(file, await transfer.take_out(app.world, LONG, keyring))

            out = [await timed_ms(take_out()) for _ in range(1 + setting.samples)][1:]
        for number in range(1 + setting.samples):
            world = open_world(f"sqlite:///{folder}/{number}.db")
            await world.open()
            back.append(await timed_ms(transfer.put_in(world, transfer.load(file), keyring)))
            await world.close()
        opened = [await timed_ms(capsule_world(file, keyring).open()) for _ in range(1 + setting.samples)]
        return Measured(out, back[1:], opened[1:], file.stat().st_size)
