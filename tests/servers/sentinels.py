"""Redis servers that Sentinels watch: a primary, its replicas, and who lets one of these take over."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import redis

from tests.redis_server import RedisServer, started
from tests.servers.databases import wait_until

SERVICE = "shop"
DOWN_MS = 500
"""After how long a server that does not answer counts as down."""


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def role(server: RedisServer) -> object:
    """Return what a server says that it is."""
    said = server.execute("ROLE")
    assert isinstance(said, list)
    return said[0]


class Watched:
    """
    Servers and their sentinels.

    Args:
        servers: by port; the first one is the primary to begin with.
        sentinels: by port.
        is_tls: they are reached by TLS.
    """

    def __init__(self, servers: dict[int, RedisServer], sentinels: dict[int, RedisServer], *, is_tls: bool) -> None:
        self.servers = servers
        self.sentinels = sentinels
        addresses = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        self.url = f"redis{'s' if is_tls else ''}+sentinel://{addresses}/{SERVICE}"

    @property
    def primary(self) -> RedisServer:
        """The server that the sentinels tell of."""
        return self.servers[self._state(next(iter(self.sentinels.values())))["port"]]

    def take_over(self) -> None:
        """Let a replica become the primary while the old one is there; return once the old one knows it."""
        old = self.primary
        next(iter(self.sentinels.values())).execute("SENTINEL", "FAILOVER", SERVICE)
        wait_until(lambda: self.primary is not old and role(self.primary) == b"master", "another one is the primary")
        wait_until(lambda: role(old) == b"slave", "the old primary follows it")

    def kill(self) -> None:
        """Kill the primary, and start it again once the sentinels have made another one of a replica."""
        old = self.primary
        old.kill()
        wait_until(lambda: self.primary is not old and role(self.primary) == b"master", "another one is the primary")
        old.start()

    def ask_for(self, password: str) -> None:
        """Let the sentinels talk only to who has a password."""
        for sentinel in self.sentinels.values():
            sentinel.execute("ACL", "SETUSER", "default", "on", "resetpass", f">{password}")

    def wait_ready(self, replicas: int) -> None:
        """Return once the sentinels know one another and all replicas, and these follow."""

        def knows_all(sentinel: RedisServer) -> bool:
            state = self._state(sentinel)
            return (state["num-slaves"], state["num-other-sentinels"]) == (replicas, len(self.sentinels) - 1)

        def follow() -> bool:
            about = str(self.primary.execute("INFO", "replication"))
            return about.count("state=online") + about.count("'state': 'online'") == replicas

        wait_until(follow, "the replicas follow")
        wait_until(lambda: all(knows_all(each) for each in self.sentinels.values()), "the sentinels know all")

    def _state(self, sentinel: RedisServer) -> dict[str, Any]:
        with redis.Redis(unix_socket_path=str(sentinel.socket), protocol=2) as client:
            known: dict[str, dict[str, Any]] = client.sentinel_masters()
        return known[SERVICE]


@contextmanager
def watched(*options: str, replicas: int, sentinels: int, tls: Sequence[str] = ()) -> Iterator[Watched]:
    """
    Have servers and sentinels for the time of the block.

    Args:
        options: of the servers.
        replicas, sentinels: how many.
        tls: options for certificates; without, they are reached without TLS.
    """
    reach = "--tls-port" if tls else "--port"
    local = ("--bind", "127.0.0.1", *tls, *(("--tls-replication", "yes") if tls else ()))
    keeping = ("--appendonly", "yes", "--repl-diskless-sync-delay", "0")
    with ExitStack() as stack:
        servers: dict[int, RedisServer] = {}
        for _ in range(1 + replicas):
            port = free_port()
            following = ("--replicaof", f"127.0.0.1 {next(iter(servers))}") if servers else ()
            servers[port] = stack.enter_context(started(reach, str(port), *local, *keeping, *following, *options))
        needed = sentinels // 2 + 1
        watching: dict[int, RedisServer] = {}
        for _ in range(sentinels):
            port = free_port()
            config = (
                f"sentinel monitor {SERVICE} 127.0.0.1 {next(iter(servers))} {needed}\n"
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
                f"sentinel failover-timeout {SERVICE} 1000\n"
            )
            watching[port] = stack.enter_context(started(reach, str(port), *local, sentinel=config))
        them = Watched(servers, watching, is_tls=bool(tls))
        them.wait_ready(replicas)
        yield them
