"""
What CPython runs first, inside the guest: the standard library is made ready, the guest's own modules are put in.

Everything that is imported here is part of the boot image, which all VMs share; a module that is imported later is read
from the zip, compiled code and all, into the memory of each run that does so.
"""

import sys

for _finder in sys.path_importer_cache.values():  # the interpreter was saved when the library was another one
    _finder.invalidate_caches()  # type: ignore[union-attr]  # it is the one of the library's zip

import _imp
import asyncio
import gc
import importlib
import json
from asyncio.events import _set_running_loop

import _host  # type: ignore[import-not-found]  # a module that only the guest has

PRELOADED = (
    "abc argparse array ast asyncio base64 bisect calendar collections collections.abc concurrent.futures contextlib"
    " contextvars copy csv dataclasses datetime decimal difflib email.utils enum fractions functools graphlib hashlib"
    " heapq hmac html importlib.metadata importlib.resources inspect io itertools json keyword linecache locale logging"
    " math numbers operator os pathlib pickle pprint queue random re reprlib secrets shlex statistics string struct"
    " tempfile textwrap threading time timeit traceback types typing unicodedata urllib.parse uuid warnings weakref"
    " zlib zoneinfo"
)


REHEARSALS = 40
"""Enough for the interpreter to specialise what is run so often."""

_NAME = "rehearsal"  # tasks without a name would count, and a run's first task is to be Task-1


class _Stage(asyncio.BaseEventLoop):
    """A loop to rehearse on; nothing of it stays."""

    def time(self) -> float:
        return 0.0

    def pump(self) -> None:
        """Run until nothing is ready."""
        _set_running_loop(self)
        try:
            while self._ready:  # type: ignore[attr-defined]  # of the base class
                self._ready.popleft()._run()  # type: ignore[attr-defined]  # noqa: SLF001  # a loop works inside asyncio
        finally:
            _set_running_loop(None)


async def _act(stage: _Stage, futures: list[asyncio.Future[int]]) -> int:
    async def wait() -> int:
        futures.append(stage.create_future())
        return await futures[-1]

    async with asyncio.timeout(None), asyncio.TaskGroup() as group:
        tasks = [group.create_task(wait(), name=_NAME) for _ in range(2)]
    more = [stage.create_task(wait(), name=_NAME) for _ in range(2)]
    return sum(task.result() for task in tasks) + sum(await asyncio.gather(*more))


def rehearse() -> None:
    """Do a little of what every run does, so that the image holds the bytecode as it becomes by being run."""
    stage, futures = _Stage(), list[asyncio.Future[int]]()
    for _ in range(REHEARSALS):
        task = stage.create_task(_act(stage, futures), name=_NAME)
        while not task.done():
            stage.pump()
            while futures:
                futures.pop().set_result(1)
        json.loads(json.dumps({"text": [1, 2.5, None, True]}))
    stage.close()


def start() -> None:
    """Make everything ready and tell the host which function takes its messages."""
    # When the interpreter was saved it had more modules in C than every build has.
    sys.builtin_module_names = tuple(filter(_imp.is_builtin, sys.builtin_module_names))
    sys.executable = ""  # as Python says where it knows none; `platform` would look into the file
    for name in PRELOADED.split():
        importlib.import_module(name)
    rehearse()
    text = _host.call(b"G")
    exec(compile(text, "torpor boot", "exec", dont_inherit=True), {"__name__": "__main__"})  # noqa: S102  # our own
    main = importlib.import_module("torpor._guest.main")
    for _ in range(REHEARSALS):
        main.rehearse()
    _host.call(b"A" + id(main.turn).to_bytes(4, "little"))
    gc.collect()
    gc.freeze()


start()
