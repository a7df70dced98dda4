"""
Runs hostile programs one after the other beside neighbours, and prints a line of JSON for each: ``python -m
tests.hostile.child FOLDER NAME …``.

The process is another than the one that looks at it, since a program that got out of its VM might end it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.hostile.application import app as application
from tests.hostile.application import big, echo, escaped
from tests.hostile.corpus import Hostile, corpus, text
from torpor import Quotas, RunFailedError, Tenant, Torpor
from torpor.errors import TorporError

SECONDS = 6
"""How long a program may take that neither ends nor is stopped; many of them sleep."""

PATIENCE = 30
"""After so many seconds a neighbour that does something trivial counts as harmed."""

QUOTAS = Quotas(cpu_per_turn=0.3, steps=2_000, runs=2, storage=64 << 20, starts="")


PLAIN = "from steps import echo\nasync def main(n):\n    return await echo(n + 1)\n"


class Neighbours:
    """A run of the application's own and one of another tenant's, again and again."""

    def __init__(self, app: Torpor, other: Tenant) -> None:
        self._app, self._other = app, other
        self.latencies: list[float] = []
        self.harm = ""

    async def go_on(self, until: asyncio.Event) -> None:
        """Start one after the other until the event is set, at least one of each."""
        n = 0
        while not self.harm and (n < 2 or not until.is_set()):
            n += 1
            begun = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE):
                    mine = n % 2
                    start = self._app.start("ours", n) if mine else self._other.start(PLAIN, [n])
                    run = await start
                    if await run.result() != n + 1:
                        self.harm = "a neighbour got another result"
            except TimeoutError:
                self.harm = f"a neighbour has waited for {PATIENCE} s"
            except TorporError as error:
                self.harm = f"a neighbour failed: {error}"
            self.latencies.append(time.perf_counter() - begun)
            with suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), 0.05)


async def outcome(tenant: Tenant, program: Hostile, somebody: str) -> tuple[str, str]:
    """Return what became of a program, and what it said."""
    args = [somebody] if program.takes else []
    try:
        run = await tenant.start(text(program.language), args, language=program.language, workflow=program.name)
    except TorporError as error:
        return "refused", str(error)
    try:
        return "ended", repr(await run.result(timeout=SECONDS))
    except RunFailedError as error:
        return error.failure, str(error)
    except TimeoutError:
        with suppress(TorporError):
            await run.cancel("it has had its time", force=True)
        return "cancelled", ""
    except TorporError as error:
        return "ended", str(error)


async def main(folder: Path, names: list[str], canary: str) -> None:
    """Run the programs of these names."""
    (folder / "secret.txt").write_text(canary, encoding="utf-8")
    programs = {program.name: program for program in corpus()}
    app = application.on(f"sqlite:///{folder}/torpor.db?synchronous=normal")
    async with app, app.worker():
        other = app.tenant("bolt", quotas=Quotas(starts=""), allow=[echo, big])
        somebody = await other.start("from torpor import hook\nasync def main():\n    await hook('approve')\n")
        first = app.tenant("first", quotas=QUOTAS, allow=[echo, big])  # what is compiled once is nobody's doing
        await (await first.start(text("python"), [1], workflow="ok_py")).result()
        await (await first.start(text("javascript"), [1], language="javascript", workflow="ok_js")).result()
        for name in names:
            evil = app.tenant(name.replace("_", "-"), quotas=QUOTAS, allow=[echo, big])  # what it uses up is its own
            neighbours, over = Neighbours(app, other), asyncio.Event()
            going = asyncio.create_task(neighbours.go_on(over))
            begun = time.perf_counter()
            what, said = await outcome(evil, programs[name], somebody.id)
            took = time.perf_counter() - begun
            over.set()
            await going
            if canary in said or await somebody.status() != "running":
                escaped.append("what is another's was read or ended")
            line = {
                "name": name,
                "outcome": what,
                "said": said[:300],
                "seconds": round(took, 2),
                "latencies": [round(each, 4) for each in neighbours.latencies],
                "harm": neighbours.harm,
                "escaped": list(escaped),
            }
            escaped.clear()
            print(json.dumps(line), flush=True)  # noqa: T201  # for the parent


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:], os.environ["HOSTILE_CANARY"]))
