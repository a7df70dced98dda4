"""
What a server remembers of those who have its world behind a URL. All of it may be lost: they ask again, or begin anew.

* Answers of requests that change something, by the ids of the requests: who did not get his answer gets it.
* What the holder of a claim knows of its run, so that it need not travel back with each commit.
* Snapshots that were uploaded and wait for the commit that names them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from torpor.errors import HostError
from torpor.limits import WORLD_UPLOADS_BYTES_MAX
from torpor.model import Commit, Entities
from torpor.worlds.http.faults import UploadMissingError

_ANSWERS_MAX: Final = 10_000
_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
_HELD_MAX: Final = 2_000
_UPLOADS_MAX: Final = 1_000


class Answer(NamedTuple):
    """
    An answer to a request.

    Attributes:
        status, body: of it.
        headers: of it, beside those of every answer.
        is_final: whether it would be the same another time; a failure of the world is not.
    """

    status: int
    body: bytes
    headers: dict[str, str]
    is_final: bool = True


class Answers:
    """The answers that were given last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, asyncio.Future[Answer]] = OrderedDict()
        self._bytes = 0

    async def once(self, request_id: str, carry_out: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the answer to a request, which is carried out if it was not, or is not just now."""
        found = self._kept.get(request_id)
        if found is None:
            found = self._kept[request_id] = asyncio.ensure_future(carry_out())
            found.add_done_callback(lambda done: self._answered(request_id, done))
        return await asyncio.shield(found)  # who goes away does not end what others may ask for again

    def _answered(self, request_id: str, done: asyncio.Future[Answer]) -> None:
        if done.cancelled() or done.exception() is not None or not done.result().is_final:
            del self._kept[request_id]
            return
        self._bytes += len(done.result().body)
        while len(self._kept) > _ANSWERS_MAX or self._bytes > _ANSWER_BYTES_MAX:
            oldest, kept = next(iter(self._kept.items()))
            if not kept.done():
                break
            del self._kept[oldest]
            self._bytes -= len(kept.result().body)


class Held:
    """What holders of claims know of their runs."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Entities] = OrderedDict()

    def of(self, commit: Commit) -> Entities | None:
        """Return what the committing turn knows of its run, None when that is not known here."""
        found = self._kept.pop(commit.run_id, None)
        fits = found is not None and (found.run.epoch, found.run.head) == (commit.epoch, commit.expected_head)
        return found if fits else None

    def keep(self, held: Entities | None) -> None:
        """Keep what a turn was told."""
        if held is None or not held.run.worker:
            return
        self._kept[held.run.id] = held
        self._kept.move_to_end(held.run.id)
        if len(self._kept) > _HELD_MAX:
            self._kept.popitem(last=False)


class Uploads:
    """Snapshots that no commit has named yet."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0

    def room(self, size: int) -> None:
        """
        Do nothing if there is room for so many more bytes.

        Raises:
            HostError: there is none now.
        """
        if self._bytes + size > WORLD_UPLOADS_BYTES_MAX:
            raise HostError("too many snapshots wait for their commits here; try again later")

    def put(self, run_id: str, address: str, data: bytes) -> None:
        """Keep one; the oldest goes when there are too many, and is asked for again."""
        self._drop((run_id, address))
        self._kept[run_id, address] = data
        self._bytes += len(data)
        if len(self._kept) > _UPLOADS_MAX:
            self._drop(next(iter(self._kept)))

    def named(self, run_id: str, address: str) -> bytes:
        """
        Return the one that a commit names.

        Raises:
            UploadMissingError: it is not here.
        """
        if (run_id, address) not in self._kept:
            raise UploadMissingError(f"snapshot {address} of run {run_id} was not uploaded to this server")
        return self._kept[run_id, address]

    def forget(self, run_id: str) -> None:
        """Forget those of a run, which one of its commits has made its own, or made useless."""
        for key in [key for key in self._kept if key[0] == run_id]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        self._bytes -= len(self._kept.pop(key, b""))


class Border:
    """All of that, and which process this is."""

    def __init__(self) -> None:
        self.server = secrets.token_hex(8)
        self.answers = Answers()
        self.held = Held()
        self.uploads = Uploads()
