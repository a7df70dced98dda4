"""Where and how a benchmark runs."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

import msgspec

from torpor.model import Runtime

Backend = Literal["cow", "portable"]

RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
BACKENDS: tuple[Backend, ...] = get_args(Backend)
WORLD_DEFAULT = "sqlite://"
GUEST_DEFAULT = "quickjs"

_SAMPLES = 5
_SAMPLES_QUICK = 3


class Setting(msgspec.Struct, frozen=True):
    """
    Where and how a benchmark runs.

    Attributes:
        world: URL of the world; ``sqlite://`` without a path means a fresh file for every set of samples, and on a
            Postgres server each has a fresh database, on a Redis server a fresh name.
        guest: name of the guest language.
        runtime: of the runs; None lets a benchmark that compares them have both, and others the product's default.
        backend: how VM memory is kept, for ``vm``; None for both.
        processes: how many worker processes there are beside the client; 1 for client and worker in one.
        quick: fewer samples and smaller numbers, to see that all of it works.
        only: what the user has named of a benchmark that has parts; empty for all of it.
    """

    world: str = WORLD_DEFAULT
    guest: str = GUEST_DEFAULT
    runtime: Runtime | None = None
    backend: Backend | None = None
    processes: int = 1
    quick: bool = False
    only: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """How many samples count; one more, not counted, comes before them."""
        return _SAMPLES_QUICK if self.quick else _SAMPLES

    @property
    def scheme(self) -> str:
        """The kind of world, such as ``sqlite``; an embedded server, or a socket, is one of its kind."""
        scheme = urlsplit(self.world).scheme.removesuffix("+embedded")
        return "redis" if scheme.partition("+")[0] in ("redis", "rediss") else scheme

    @property
    def world_name(self) -> str:
        """The kind of world and its parameters, without paths, hosts and secrets: ``sqlite?synchronous=normal``."""
        parts = urlsplit(self.world)
        query = "&".join(each for each in parts.query.split("&") if not each.startswith("world="))
        return f"{parts.scheme}?{query}" if query else parts.scheme
