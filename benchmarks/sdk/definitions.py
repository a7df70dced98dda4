"""
The 21 benchmarks by which the SDK compares its runtimes.

The workflows are those of ``project/workflows``; their steps in ``project/steps.ts``, in Python in ``steps.py``.
Waits are in milliseconds.
"""

from __future__ import annotations

import base64
import hashlib
import random
from typing import Any, Final

import msgspec

from benchmarks.sdk.steps import KEY, line, told
from torpor.model import Runtime

MIB: Final = 1 << 20
CHUNK: Final = 64 * 1024
TEXT_BYTES: Final = 10_240

_MANY: Final = (10, 25, 50)


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a peer is to run, by the workflow's own name; *runtime* is for Torpor."""

    workflow: str
    args: list[Any]
    runtime: Runtime = "snapshot"


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What became of a run.

    Attributes:
        wall_ms: from the call of ``start`` to the result in hand, a returned stream read to its end.
        run_ms: from the run's creation to its end, as its world notes it.
        first_ms: until the first chunk of a returned stream.
        cpu_ms: processor time of the peer's processes meanwhile.
        value: what was returned, where it was no stream.
        bytes, sha256: of the stream otherwise.
        error: why there is nothing else.
    """

    wall_ms: float = 0
    run_ms: float = 0
    first_ms: float = 0
    cpu_ms: float = 0
    value: Any = None
    bytes: int = 0
    sha256: str = ""
    error: str = ""


class Definition(msgspec.Struct, frozen=True):
    """
    One of the benchmarks.

    Attributes:
        name: as the SDK's report has it, but for figures that are in all of them.
        workflow, args: what is run.
        waits_ms: the waits that must pass one after another.
        moved: bytes that pass from one to the next, each time counted; none for texts, which are few.
        expects: what a run returns, or the content of the stream that it returns.
    """

    name: str
    workflow: str
    args: list[Any]
    expects: Any
    waits_ms: float = 0
    moved: int = 0

    @property
    def work(self) -> Work:
        """What is to be run."""
        return Work(self.workflow, self.args)

    def is_met_by(self, sample: Sample) -> bool:
        """Return whether a run has returned what it ought to."""
        if not isinstance(self.expects, bytes):
            return bool(sample.value == self.expects)
        return sample.sha256 == hashlib.sha256(self.expects).hexdigest()


def definitions(waits: float = 1) -> list[Definition]:
    """
    Return all 21.

    Args:
        waits: what the waits of steps are multiplied by, for a quick look: what an engine adds does not depend on them.
    """
    return [*_waits(waits), *_payloads(), *_streams()]


def _waits(factor: float) -> list[Definition]:
    second = 1000 * factor
    found = [
        Definition("no steps", "noSteps", [21], 42),
        Definition("1 step", "oneAfterAnother", [1, second], 1, waits_ms=second),
    ]
    for steps, ms in zip(_MANY, (second, second / 2, second / 5), strict=True):
        found.append(
            Definition(f"{steps} sequential steps", "oneAfterAnother", [steps, ms], _sum(steps), waits_ms=steps * ms)
        )
    for name, workflow in (("Promise.all", "allAtOnce"), ("Promise.race", "race")):
        found += [
            Definition(f"{name} {steps}", workflow, [steps, second], _sum(steps), waits_ms=second) for steps in _MANY
        ]
    return found


def _payloads() -> list[Definition]:
    text = _text()
    return [
        Definition(f"{steps} {how} steps of 10 KB", workflow, [steps, text], steps * TEXT_BYTES)
        for how, workflow in (("sequential", "payloadsOneAfterAnother"), ("concurrent", "payloadsAtOnce"))
        for steps in _MANY
    ]


def _streams() -> list[Definition]:
    chunks, pause, transforms, streams = 50, 10, 5, 10
    paced = [MIB, CHUNK, 1]
    made = MIB // CHUNK * 1  # ms
    text = b"".join(map(line, range(chunks))).upper()
    piped = b"".join(bytes((number ^ KEY,)) * CHUNK for number in range(MIB // CHUNK))
    summary = told(streams, MIB)
    return [
        Definition("stream", "stream", [chunks, pause], text, waits_ms=chunks * pause, moved=2 * len(text)),
        Definition(
            f"pipeline of {transforms} transforms, 1 MB",
            "pipeline",
            [transforms, *paced],
            piped,
            waits_ms=made,
            moved=(1 + transforms) * MIB,
        ),
        Definition(
            f"{streams} parallel streams, 1 MB each",
            "parallelStreams",
            [streams, *paced],
            summary,
            waits_ms=made,
            moved=streams * MIB,
        ),
        Definition(
            f"fan-out fan-in of {streams} streams, 1 MB each",
            "fanOutFanIn",
            [streams, *paced],
            summary,
            waits_ms=made,
            moved=2 * streams * MIB,
        ),
    ]


def _sum(steps: int) -> int:
    """Return the sum of the numbers of steps, which begin with one."""
    return steps * (steps + 1) // 2


def _text() -> str:
    """Return base64 of random bytes: text that compression can do little about."""
    noise = random.Random(1).randbytes(TEXT_BYTES * 3 // 4)  # noqa: S311  # a benchmark's data, no secret
    return base64.b64encode(noise).decode()
