"""Which world a URL opens, and what is said of a URL that opens none."""

from __future__ import annotations

from pathlib import Path

import pytest

from torpor.errors import ConfigurationError
from torpor.worlds import address_of, open_world
from torpor.worlds.memory import MemoryWorld
from torpor.worlds.postgres import url as postgres_url
from torpor.worlds.postgres.world import PostgresWorld
from torpor.worlds.redis import url as redis_url
from torpor.worlds.redis.world import RedisWorld
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.url import Settings, parse


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryWorld),
        ("memory://name", MemoryWorld),
        ("sqlite:///torpor.db", SqliteWorld),
        ("postgres://host/shop", PostgresWorld),
        ("postgresql://host/shop", PostgresWorld),
        ("postgres+embedded:///tmp/data", PostgresWorld),
        ("redis://host/1?world=shop", RedisWorld),
        ("rediss://host:6380", RedisWorld),
        ("redis+unix:///run/redis.sock", RedisWorld),
        ("redis+sentinel://one,two:26380/shop", RedisWorld),
    ],
)
def test_the_scheme_chooses_the_world(url: str, kind: type) -> None:
    """The world is not opened yet, and knows its URL."""
    world = open_world(url)
    assert type(world) is kind
    assert world.url == url


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlit:///x.db", "did you mean sqlite://?"),
        ("SQLITE:///x.db", "sqlite://?"),
        ("memroy://", "memory://?"),
        ("libsql:///x.db", "did you mean sqlite://?"),
    ],
)
def test_a_misspelt_scheme_is_recognised(url: str, hint: str) -> None:
    """The error says which one was probably meant, and which there are."""
    with pytest.raises(ConfigurationError) as caught:
        open_world(url)
    assert hint in str(caught.value)
    assert "http://, https://, memory://, postgres://, postgres+embedded://, postgresql://, redis://" in str(
        caught.value
    )


def test_an_unknown_scheme_is_told_the_known_ones() -> None:
    """Nothing is guessed when nothing is near."""
    with pytest.raises(ConfigurationError, match="Known are http://, https://, memory://, postgres") as caught:
        open_world("gopher://host")
    assert "did you mean" not in str(caught.value)


def test_a_world_in_memory_has_no_parameters() -> None:
    """One that nobody reads is told, as of other worlds."""
    with pytest.raises(ConfigurationError, match="a world in memory has none; leave them out"):
        open_world("memory://name?synchronous=full")


@pytest.mark.parametrize("url", ["", "torpor.db", "sqlite:torpor.db"])
def test_a_url_has_a_scheme(url: str) -> None:
    """A bare path is refused with an example."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///torpor\.db"):
        open_world(url)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("sqlite:///torpor.db", Settings("torpor.db", "full", 5_000)),
        ("sqlite:///data/my%20runs.db", Settings("data/my runs.db")),
        ("sqlite:////var/lib/torpor.db", Settings("/var/lib/torpor.db")),
        ("sqlite:///t.db?synchronous=normal", Settings("t.db", "normal")),
        ("sqlite:///t.db?busy_timeout_ms=250&synchronous=full", Settings("t.db", "full", 250)),
    ],
)
def test_a_sqlite_url_is_read(url: str, settings: Settings) -> None:
    """Three slashes are relative, four absolute; parameters set what they name."""
    assert parse(url) == settings


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///folder/", "names no file"),
        ("sqlite://host/torpor.db", "names no file"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///t.db?synchronous=off", "full or normal, not 'off'"),
        ("sqlite:///t.db?synchronous=", "full or normal, not ''"),
        ("sqlite:///t.db?synchronus=full", "did you mean synchronous?"),
        ("sqlite:///t.db?cache=shared", "Known are synchronous, busy_timeout_ms"),
        ("sqlite:///t.db?busy_timeout_ms=-1", "whole number"),
        ("sqlite:///t.db?busy_timeout_ms=²", "whole number"),
    ],
)
def test_a_wrong_sqlite_url_is_refused(url: str, message: str) -> None:
    """The error names what is wrong and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        open_world(url)
    assert message in str(caught.value)
    assert repr(url) in str(caught.value)


async def test_a_relative_path_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the time of opening."""
    world = open_world("sqlite:///torpor.db")
    monkeypatch.chdir(tmp_path)
    await world.open()
    await world.close()
    assert (tmp_path / "torpor.db").is_file()


async def test_a_new_file_in_the_working_folder_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its whole path, since in another folder the same URL is another world; one that exists is not."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        world = open_world("sqlite:///new.db")
        await world.open()
        await world.close()

    assert [record.getMessage() for record in caplog.records] == [
        f"made a new world in {tmp_path / 'new.db'}: sqlite:///new.db is relative to the working folder"
    ]


async def test_a_new_file_with_a_whole_path_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is where the URL says."""
    world = open_world(f"sqlite:///{tmp_path}/new.db")
    await world.open()
    await world.close()

    assert caplog.records == []


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("postgres://shop:secret@host:5433/db", postgres_url.Settings("postgresql://shop:secret@host:5433/db")),
        ("postgresql://host/db?sslmode=require", postgres_url.Settings("postgresql://host/db?sslmode=require")),
        ("postgres://h/db?connections=9", postgres_url.Settings("postgresql://h/db", connections=9)),
        ("postgres:///db", postgres_url.Settings("postgresql:///db")),
        ("postgres:///", postgres_url.Settings("postgresql:///")),
        (
            "postgres:///db?host=/run/pg&options=-c%20a=b",
            postgres_url.Settings("postgresql:///db?host=%2Frun%2Fpg&options=-c%20a%3Db"),
        ),
        (
            "postgres://h/db?prepare=off&listen=off",
            postgres_url.Settings("postgresql://h/db", prepare=False, listen=False),
        ),
        ("postgres+embedded:///var/my%20data", postgres_url.Settings("", "/var/my data")),
    ],
)
def test_a_postgres_url_is_read(url: str, settings: postgres_url.Settings) -> None:
    """What is not ours is libpq's."""
    assert postgres_url.parse(url) == settings


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgres://u:secret@h/db?connections=0", r"u:\*\*\*@h.*connections is a number from 1 to 100, not '0'"),
        ("postgres://h/db?connections=many", "a number from 1 to 100"),
        ("postgres://h/db?prepare=no", "prepare is on or off, not 'no'"),
        ("postgres://h/db?conections=3", "did you mean connections?"),
        ("postgres://u:secret@h/db?sslmod=require", 'none that libpq takes: .*"sslmod"'),
        ("postgres://u:secret@[::1/db", "begins with postgres:// is none: Invalid IPv6 URL"),
        ("postgres+embedded://host/data", "names no folder"),
        ("postgres+embedded:///", "names no folder"),
        ("postgres+embedded:///data?sslmode=require", "with no parameters but connections"),
    ],
)
def test_a_postgres_url_that_makes_no_sense_is_told(url: str, message: str) -> None:
    """With what would, and never with its password."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_world(url)
    assert "secret" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    """The world's URL is in messages; who opens the world elsewhere is told all of it."""
    url = "postgres://shop:secret@host/db"
    world = open_world(url)
    assert world.url == "postgres://shop:***@host/db"
    assert address_of(world) == url
    assert address_of(open_world("memory://name")) == "memory://name"


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("redis://h", redis_url.Settings("redis://h")),
        (
            "redis://:secret@h:6380/2?world=shop&connections=9",
            redis_url.Settings("redis://:secret@h:6380/2", "shop", 9),
        ),
        ("rediss://h?ssl_cert_reqs=none", redis_url.Settings("rediss://h?ssl_cert_reqs=none")),
        ("redis+unix:///run/redis.sock?db=1", redis_url.Settings("unix:///run/redis.sock?db=1")),
        ("redis://h?replicas=2", redis_url.Settings("redis://h", replicas=2)),
        (
            "redis+sentinel://u:secret@one,two:26380/shop/2?world=w&sentinel_username=s&sentinel_password=hidden",
            redis_url.Settings(
                "redis://u:secret@/2",
                "w",
                sentinels=redis_url.Sentinels(
                    (("one", 26379), ("two", 26380)), "shop", {"username": "s", "password": "hidden"}
                ),
            ),
        ),
        (
            "rediss+sentinel://one/shop?ssl_ca_certs=ca.pem&ssl_check_hostname=no",
            redis_url.Settings(
                "rediss:///?ssl_ca_certs=ca.pem&ssl_check_hostname=no",
                sentinels=redis_url.Sentinels(
                    (("one", 26379),),
                    "shop",
                    {
                        "username": None,
                        "password": None,
                        "ssl": True,
                        "ssl_ca_certs": "ca.pem",
                        "ssl_check_hostname": False,
                    },
                ),
            ),
        ),
    ],
)
def test_a_redis_url_is_read(url: str, settings: redis_url.Settings) -> None:
    """What is the client's goes there."""
    assert redis_url.parse(url) == settings


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://u:secret@h/0?connections=0", r"u:\*\*\*@h.*connections is a number from 1 to 100, not '0'"),
        ("redis://h/shop", r"a database of Redis is a number, not 'shop'; .*\?world="),
        ("redis://h?world=a b", "world is a name of up to 64 letters"),
        ("redis://h?wrold=shop", "unknown parameter 'wrold'; there are world, connections"),
        ("redis+unix://h/redis.sock", "names no socket"),
        ("redis+unix:///", "names no socket"),
        ("redis://h?replicas=all", "replicas is a number from 0 to 100, not 'all'"),
        ("redis://h?sentinel_password=secret", "unknown parameter 'sentinel_password'"),
        ("redis+sentinel://one:26379", "names no primary; write redis.sentinel://host:26379,host:26379/name"),
        ("redis+sentinel://one:x/shop", "'one:x' is no address of a sentinel; write host:26379"),
        ("redis+sentinel://one/shop/x?sentinel_password=secret", "a database of Redis is a number, not 'x'"),
    ],
)
def test_a_redis_url_that_makes_no_sense_is_told(url: str, message: str) -> None:
    """Its password is not."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_world(url)
    assert "secret" not in str(caught.value)
