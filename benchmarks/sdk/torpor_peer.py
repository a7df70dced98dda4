"""
Torpor as a process that does nothing else: ``python -m benchmarks.sdk.torpor_peer JSON``, an :class:`Application`.

It speaks as ``server.mjs`` does: a line of standard input says what to run, one of standard output what became of it.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import importlib
import os
import sys
import time
from typing import Any, Final, Literal

import msgspec

from benchmarks.sdk.definitions import Sample, Work
from torpor import ReadableStream, Torpor

_STEPS: Final = ("wait", "echo", "lines", "shouted", "generated", "xored", "summary")


class Application(msgspec.Struct, frozen=True):
    """
    Where the runs are, and which steps they have.

    Attributes:
        world: URL.
        steps: in which language they are.
        project: folder of the workflows, with the steps, and for those in Node the SDK's packages.
    """

    world: str
    steps: Literal["python", "node"]
    project: str


class Ready(msgspec.Struct, frozen=True):
    """The first line, and the one behind each answer."""

    ready: bool = True


def application(peer: Application) -> Torpor:
    """Return the application with the workflows and steps of a peer."""
    app = Torpor(peer.world, root=peer.project)
    if peer.steps == "node":
        app.sdk(".")
        return app
    sys.path.insert(0, peer.project)
    steps = importlib.import_module("steps")
    for name in _STEPS:
        app.step(getattr(steps, name))
    app.workflows("workflows/*.ts")
    return app


async def measured(app: Torpor, work: Work) -> Sample:
    """Return what a run of a workflow took, from the call of ``start`` to the result in hand, streams read."""
    begun = time.perf_counter()
    run = await app.start(work.workflow, *work.args, runtime=work.runtime)
    value = await run.result()
    if isinstance(value, ReadableStream):
        sample = await _read(value, begun)
    else:
        sample = Sample(wall_ms=_since(begun), value=value)
    info = await run.info()
    assert info.ended_at is not None
    return msgspec.structs.replace(sample, run_ms=info.ended_at - info.created_at)


async def _read(stream: ReadableStream[Any], begun: float) -> Sample:
    chunks: list[bytes] = []
    first = 0.0
    async for chunk in stream:
        first = first or _since(begun)
        chunks.append(chunk)
    wall = _since(begun)
    whole = b"".join(chunks)
    return Sample(wall_ms=wall, first_ms=first, bytes=len(whole), sha256=hashlib.sha256(whole).hexdigest())


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


async def _serve(peer: Application, answers: int) -> None:
    def answer(told: Any) -> None:
        os.write(answers, msgspec.json.encode(told) + b"\n")

    app = application(peer)
    async with app, app.worker():
        answer(Ready())
        while asked := await asyncio.to_thread(sys.stdin.buffer.readline):
            try:
                answer(await measured(app, msgspec.json.decode(asked, type=Work)))
            except Exception as error:  # noqa: BLE001  # whoever asked tells it
                answer(Sample(error=f"{type(error).__name__}: {error}"))
            gc.collect()  # what this one has left is not the next one's to clear away
            answer(Ready())


def main() -> None:
    """Serve until standard input ends."""
    answers = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(_serve(msgspec.json.decode(sys.argv[1], type=Application), answers))


if __name__ == "__main__":
    main()
