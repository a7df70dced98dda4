"""Every set of samples has a database of its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness.costs import spent
from benchmarks.harness.database import file_bytes, fresh
from benchmarks.harness.setting import Setting
from tests.redis_server import shared_server
from torpor.worlds.redis.url import parse as parse_redis
from torpor.worlds.sqlite.url import parse


def test_sqlite_is_a_fresh_file_that_ends_with_the_block() -> None:
    """Parameters of the URL are kept, the path is made up, and nothing is left behind."""
    setting = Setting(world="sqlite://?synchronous=normal")

    with fresh(setting) as first, fresh(setting) as second:
        settings = parse(first.world)
        assert settings.synchronous == "normal"
        assert first.world != second.world
        folder = Path(settings.path).parent
        assert folder.is_dir()

    assert not folder.exists()


def test_a_world_with_an_address_is_used_as_it_is() -> None:
    """Only ``sqlite://`` without a path means a fresh file."""
    for url in ("memory://", "sqlite:///mine.db"):
        with fresh(Setting(world=url)) as setting:
            assert setting.world == url


def test_the_name_of_a_world_tells_no_path() -> None:
    """Reports may be shown to anybody."""
    with fresh(Setting(world="sqlite://?synchronous=normal")) as setting:
        assert urlsplit(setting.world).path
        assert setting.world_name == "sqlite?synchronous=normal"


def test_size_counts_the_file_and_its_log(tmp_path: Path) -> None:
    """A write-ahead log that was not folded in yet belongs to the size; a world that is no file has none."""
    (tmp_path / "torpor.db").write_bytes(bytes(100))
    (tmp_path / "torpor.db-wal").write_bytes(bytes(11))

    assert file_bytes(Setting(world=f"sqlite:///{tmp_path / 'torpor.db'}")) == 111
    assert file_bytes(Setting(world="memory://")) is None


def test_redis_has_a_fresh_name_whose_keys_go_with_the_block() -> None:
    """Whatever else is on the server stays."""
    server = shared_server()
    server.execute("FLUSHALL")
    server.execute("SET", "mine", "1")
    with (
        fresh(Setting(world=f"{server.url}?world=shop&connections=2")) as first,
        fresh(Setting(world=server.url)) as second,
    ):
        one, other = parse_redis(first.world), parse_redis(second.world)
        assert one.connections == 2
        assert len({one.name, other.name, "shop", "torpor"}) == 4
        assert first.world_name == "redis+unix?connections=2"
        server.execute("SET", f"{{{one.name}}}:created", "1")
    assert server.execute("KEYS", "*") == [b"mine"]
    server.execute("DEL", "mine")


def test_what_redis_did_is_counted() -> None:
    """Calls of scripts, commands and processor time; no log where none is written."""
    url = shared_server().url
    with spent(Setting(world=url)) as costs:
        shared_server().execute("PING")
    assert costs.totals["commands"][0] >= 1
    assert {*costs.totals} == {"calls", "commands", "server_cpu"}
