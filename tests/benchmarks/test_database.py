"""Every set of samples has a database of its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness.database import file_bytes, fresh
from benchmarks.harness.setting import Setting
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
