"""
Travellers that are kept for a while: each holds a VM, and who moves the slider wants the one that is near.

They are few, and those that nobody has asked for some time are given back.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from torpor.http.service import Service
from torpor.inspection.reading import Reader

if TYPE_CHECKING:  # it needs the VM, and lists do not
    from torpor.travelling import Traveller

TRAVELLERS_MAX: Final = 3
IDLE_SECONDS: Final = 60.0


class _Kept:
    """A traveller, and until when it is kept by the event loop's clock."""

    def __init__(self) -> None:
        self.alone = asyncio.Lock()
        self.stack = AsyncExitStack()
        self.traveller: Traveller | None = None
        self.until = 0.0


class Travellers:
    """The travellers of a server, by run."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._watch: asyncio.Future[None] | None = None

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._kept)

    @asynccontextmanager
    async def of(self, service: Service, reader: Reader, run_id: str) -> AsyncIterator[Traveller]:
        """
        Have the traveller of a run alone, for the time of the block.

        Raises:
            UsageError: the run is encrypted, and nobody has asked to decrypt it, whoever did so before.
            TorporError: as :meth:`torpor.inspection.reading.Reader.travelling`.
        """
        await reader.require_opened(run_id)  # the one that is kept may be another reader's, who was let in
        kept = self._kept.setdefault(run_id, _Kept())
        self._kept.move_to_end(run_id)
        async with kept.alone:
            try:
                if kept.traveller is None:
                    async with service.asking:  # few VMs are made at once
                        kept.traveller = await kept.stack.enter_async_context(reader.travelling(run_id))
                yield kept.traveller
            except BaseException:
                await self._give_back(run_id)  # whatever is left of it is of no use
                raise
            kept.until = asyncio.get_running_loop().time() + IDLE_SECONDS
        if self._watch is None or self._watch.done():
            self._watch = service.later(self._look_after())

    async def _look_after(self) -> None:
        """Give back what is too much, or was not asked for; all of it when the server stops."""
        try:
            while self._kept:
                now = asyncio.get_running_loop().time()
                for run_id, kept in [*self._kept.items()]:
                    is_idle = not kept.alone.locked() and kept.until < now
                    if is_idle or (len(self._kept) > TRAVELLERS_MAX and not kept.alone.locked()):
                        await self._give_back(run_id)
                await asyncio.sleep(1.0)
        finally:
            for run_id in [*self._kept]:
                await self._give_back(run_id)

    async def _give_back(self, run_id: str) -> None:
        kept = self._kept.pop(run_id, None)
        if kept is not None:
            kept.traveller = None
            await kept.stack.aclose()
