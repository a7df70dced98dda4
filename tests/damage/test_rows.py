"""Whatever is damaged in whatever row: nothing but the run that it belongs to is stopped, and doctor names it."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.damage.rows import KEYS, SHARED, damage
from tests.damage.story import VICTIM, carry_on, make

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world in which nothing is damaged."""
    file = tmp_path_factory.mktemp("sound") / "torpor.db"
    asyncio.run(make(f"sqlite:///{file}"))
    db = sqlite3.connect(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return file


@pytest.mark.parametrize("table", KEYS)
def test_a_damaged_row_stops_nothing_but_its_run(table: str, sound: Path, tmp_path: Path, rounds: int) -> None:
    """It crashes and hangs nobody, lists and claims pass it by, and who waits for ever because of it is named."""
    for number in range(rounds):
        file = tmp_path / f"{number}.db"
        shutil.copy(sound, file)
        told, makes_sense = damage(file, table, VICTIM, random.Random(f"{table}-{number}"))  # repeatable
        if not told:
            continue
        try:
            named, end = asyncio.run(carry_on(f"sqlite:///{file}", shared=table in SHARED))
        except Exception as error:
            raise AssertionError(f"{told}: {error!r}") from error
        if not makes_sense and table not in SHARED:
            assert end in ("as ever", "given back", "damaged", "gone", "waits"), f"{told}: {end}"
            assert end == "as ever" or named, f"{told}: it {end}, and nobody is told"


def test_every_table_is_damaged(sound: Path) -> None:
    """Who adds one says here how its rows are told apart."""
    db = sqlite3.connect(sound)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql <> ''")}
    db.close()
    assert {table for table in tables if not table.startswith("sqlite_")} == set(KEYS)
