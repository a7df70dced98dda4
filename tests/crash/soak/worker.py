"""The process that the soak torments: a worker until it is terminated."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from contextlib import AsyncExitStack
from typing import Final

# All is imported before the fork, so that a new process is quick.
import torpor.guests.cpython
import torpor.guests.quickjs
import torpor.programs.javascript.builder
import torpor.programs.python  # noqa: F401  # see above
from tests.crash.soak.clock import set_wrong
from tests.crash.soak.place import Place
from tests.crash.soak.rumours import spread
from tests.crash.soak.versions import load
from torpor import Torpor
from torpor.engine import liveness

_log = logging.getLogger(__name__)

REFUSED: Final = 3
"""Exit code of a worker that cannot come to work, and says why."""


def serve(place: Place, number: int, machine: str, *, newer: bool = False) -> None:
    """
    Work until SIGTERM.

    Args:
        place: where.
        number: which of the workers.
        machine: of which machine it says that it is, ``""`` for this one: others cannot see its process then, only hear
            its heartbeat.
        newer: it has the application's next version.
    """
    runner = asyncio.Runner()
    try:
        app = _prepared(place, number, machine, newer=newer)
        runner.get_loop()
    except OSError:  # robbed before it has begun
        _log.exception("cannot even wait for anything")
        os._exit(REFUSED)
    with runner:
        runner.run(_work(app))


def _prepared(place: Place, number: int, machine: str, *, newer: bool) -> Torpor:
    log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s", force=True)
    if machine:
        liveness.machine = lambda: machine  # type: ignore[assignment]  # the point of it
    set_wrong(place.clock_of(number))
    spread(random.Random(os.getpid()))
    application = load(place.application(newer=newer))
    application.ledger.open(place.ledger)
    application.app.settings = place.settings
    application.app.use_world(place.world())
    app: Torpor = application.app
    return app


async def _work(app: Torpor) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(app)
            await stack.enter_async_context(app.worker())
        except Exception:  # noqa: BLE001  # whatever it is, the verdict knows whether that is explained
            _log.exception("cannot come to work")
            os._exit(REFUSED)  # to end in order takes a thread, where there may be none left
        await stop.wait()
