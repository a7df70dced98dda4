"""The process that crash tests kill: a worker that starts its runs, each once however often it lives."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# All is imported before the fork, so that a new process is quick.
import torpor.guests.cpython
import torpor.guests.quickjs
import torpor.programs.javascript.builder  # see above
import torpor.programs.python
from torpor.lifecycle import RUN_TERMINAL
from torpor.testing.crash import CrashAt


def serve(url: str, ledger: str, starts: Mapping[str, list[Any]], point: str, nth: int) -> None:
    """
    Work until every run has ended, or until the crash point is reached for the *nth* time.

    Args:
        url: of the world.
        ledger: file that the steps write to.
        starts: by run id: name of the workflow and its arguments.
        point, nth: see :class:`torpor.testing.crash.CrashAt`.
    """
    os.environ |= {"TORPOR_WORLD": url, "CRASH_LEDGER": ledger, "CRASH_POINT": point, "CRASH_NTH": str(nth)}
    path = Path(__file__).with_name("application.py")
    spec = importlib.util.spec_from_file_location("application", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["application"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asyncio.run(_work(module.app, module.crash, starts))


async def _work(app: torpor.Torpor, crash: CrashAt, starts: Mapping[str, list[Any]]) -> None:
    async with app:
        runs = [await app.start(name, *args, run_id=run_id) for run_id, (name, *args) in starts.items()]
        async with app.worker(observers=[crash]):
            ended = [app.client.wait_ended(run.id) for run in runs]
            for run in await asyncio.gather(*ended):
                assert run.status in RUN_TERMINAL
