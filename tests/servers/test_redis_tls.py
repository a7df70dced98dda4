"""Worlds at ``rediss://`` and ``rediss+sentinel://`` URLs, before servers with a certificate authority of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.certificates import Authority
from tests.redis_server import RedisServer, started
from tests.servers.sentinels import free_port, watched
from torpor.errors import ConfigurationError, WorldError
from torpor.testing.worlds.story import RUN, begin, step
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world


class _Tls:
    """A server that talks to nobody without a certificate, and who may issue some."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.other = Authority(folder, "authority"), Authority(folder, "other")
        self.own, self.strange = self.authority.issue("client"), self.other.issue("stranger")
        its = self.authority.issue("server")
        self.options = (
            *("--tls-cert-file", str(its), "--tls-key-file", str(its)),
            *("--tls-ca-cert-file", str(self.authority.file), "--tls-auth-clients", "yes"),
        )

    def query(self, own: Path | None = None, authority: Path | None = None) -> str:
        """Return what a URL says of certificates."""
        shown = own or self.own
        return f"ssl_ca_certs={authority or self.authority.file}&ssl_certfile={shown}&ssl_keyfile={shown}"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> _Tls:
    """Return authorities and their certificates."""
    return _Tls(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tls: _Tls) -> Iterator[tuple[RedisServer, str]]:
    """Yield a server, and its address."""
    port = free_port()
    with started("--bind", "127.0.0.1", "--tls-port", str(port), *tls.options) as server:
        yield server, f"rediss://127.0.0.1:{port}"


async def test_a_server_with_certificates_of_its_own_keeps_a_world(server: tuple[RedisServer, str], tls: _Tls) -> None:
    """Commits, claims and news go by TLS; a cut connection is made anew by TLS."""
    running, address = server
    async with opened(open_world(f"{address}/0?{tls.query()}")) as world:
        turn = await begin(world)
        for kind in ("normal", "pubsub"):
            running.execute("CLIENT", "KILL", "TYPE", kind)
        assert (await turn.commit(step("step_created", 1))).stored
        assert (await world.get_run(RUN)).head == 3


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("another authority", "not vouched for; name who vouches by [?]ssl_ca_certs="),
        ("a stranger", "takes the certificate of [?]ssl_certfile="),
        ("another name", "not vouched for"),
    ],
)
async def test_who_is_not_trusted_is_refused(
    server: tuple[RedisServer, str], tls: _Tls, what: str, message: str
) -> None:
    """The error says whose certificate it is, and names the parameter."""
    _, address = server
    query = {
        "another authority": tls.query(authority=tls.other.file),
        "a stranger": tls.query(own=tls.strange),
        "another name": tls.query(),
    }[what]
    if what == "another name":
        address = address.replace("127.0.0.1", "localhost")
    with pytest.raises(WorldError, match=message):
        await open_world(f"{address}?{query}").open()


async def test_a_name_need_not_be_looked_at(server: tuple[RedisServer, str], tls: _Tls) -> None:
    """``ssl_check_hostname=false`` takes a certificate for another host of an authority that is trusted."""
    address = server[1].replace("127.0.0.1", "localhost")
    async with opened(open_world(f"{address}?{tls.query()}&ssl_check_hostname=false&world=other")) as world:
        await begin(world)


async def test_a_file_that_is_not_there_is_named(server: tuple[RedisServer, str], tls: _Tls) -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigurationError, match=r"ssl_ca_certs names /nowhere/ca[.]pem, which is not there"):
        await open_world(f"{server[1]}?{tls.query(authority=Path('/nowhere/ca.pem'))}").open()


async def test_sentinels_and_their_primary_are_asked_by_tls(tls: _Tls) -> None:
    """All connections have the same certificates; a password of the sentinels is theirs, and is not shown."""
    with watched(replicas=0, sentinels=1, tls=tls.options) as them:
        them.ask_for("hidden")
        url = f"{them.url}?{tls.query()}&sentinel_password=hidden"
        async with opened(open_world(url)) as world:
            turn = await begin(world)
            assert (await turn.commit(step("step_created", 1))).stored
            assert "hidden" not in world.url
        with pytest.raises(WorldError, match=r"no sentinel knows of a primary 'shop' that is up .*Authentication"):
            await open_world(f"{them.url}?{tls.query()}").open()
