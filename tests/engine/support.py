"""Applications made of files, and waiting for what a run or a worker does."""

from __future__ import annotations

import asyncio
import logging
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from torpor import RunHandle, Torpor
from torpor.cli.loading import load_app, parse_target
from torpor.engine.failpoints import Failpoint
from torpor.engine.observer import Observation
from torpor.engine.step_deadlines import Deadlines
from torpor.errors import HookNotFoundError

TIMEOUT = 30
"""Seconds that anything here may take on a busy machine."""

LOOK_AGAIN = 0.01
"""Seconds between two looks at a world: a commit that neither makes work nor ends a run tells nobody."""

PATIENCE = 10
"""Seconds after which a run that takes far less counts as stuck."""

T = TypeVar("T")


def no_deadlines(_step: str) -> Deadlines:
    """Let every step take as long as it likes."""
    return Deadlines()


async def keep_nothing(*_told: object) -> None:
    """Store no progress of attempts, which belong to no run of a world."""


async def until(app: Torpor, condition: Callable[[], Awaitable[T]]) -> T:
    """Return the first true answer of *condition*, which is asked anew after each notice and every while."""
    changed = asyncio.Event()
    unsubscribe = app.world.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                changed.clear()
                if answer := await condition():
                    return answer
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_AGAIN)
    finally:
        unsubscribe()


async def result(app: Torpor, workflow: str, *args: object) -> Any:
    """Start a run and return what it returns."""
    run = await app.start(workflow, *args)
    return await run.result(timeout=TIMEOUT)


async def resumed(app: Torpor, token: str, payload: object) -> RunHandle:
    """Resume a hook as soon as a run has made it."""

    async def resume() -> RunHandle | None:
        try:
            return await app.resume_hook(token, payload)
        except HookNotFoundError:
            return None

    found = await until(app, resume)
    assert found is not None
    return found


async def has_event(app: Torpor, run: RunHandle, kind: str) -> None:
    """Return once the run's log has an event of this kind."""

    async def there() -> bool:
        return any(event.type == kind for event in await run.events())

    await until(app, there)


@contextmanager
def logged(logger: str, words: str) -> Iterator[asyncio.Event]:
    """Give an event that is set once *logger* has said *words* on the event loop."""
    said = asyncio.Event()

    class Ear(logging.Handler):
        """Hears the words."""

        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                said.set()

    ear = Ear(logging.WARNING)
    logging.getLogger(logger).addHandler(ear)
    try:
        yield said
    finally:
        logging.getLogger(logger).removeHandler(ear)


class Passages:
    """
    An observer of a worker: *passed* is set when the point was passed so many times.

    Args:
        point: of the engine.
        count: how many times.
    """

    def __init__(self, point: Failpoint, count: int = 1) -> None:
        self.passed = asyncio.Event()
        self._point = point
        self._left = count

    def __call__(self, observation: Observation) -> None:
        """Count a passage."""
        self._left -= observation == self._point
        if self._left <= 0:
            self.passed.set()


def write_app(folder: Path, **files: str) -> Torpor:
    """Return the application of the ``*_app.py`` among these files; ``__`` in a name stands for ``/``."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    (module,) = (folder / f"{name}.py" for name in files if name.endswith("_app"))
    return load_app(parse_target(str(module)))
