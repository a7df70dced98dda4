"""What can be known of a SQLite world without opening it, which would make or migrate the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from torpor.errors import ConfigurationError
from torpor.worlds.sqlite.url import parse

SCHEME = "sqlite://"


def refuse_missing_file(url: str) -> None:
    """
    Do nothing for a world that exists, as far as can be told.

    Raises:
        ConfigurationError: it is a SQLite file that nobody has made yet; to look at it would leave an empty one behind.
    """
    if url.startswith(SCHEME) and not (file := Path(parse(url).path)).exists():
        raise ConfigurationError(
            f"world {url} does not exist: there is no file {file.absolute()}. "
            f"A worker or a start makes it; or name another world with --world"
        )


def schema_version(url: str) -> int | None:
    """Return the schema's version in a SQLite file; None where there is none, as in a world of another kind."""
    if not url.startswith(SCHEME):
        return None
    try:
        with closing(sqlite3.connect(f"{Path(parse(url).path).absolute().as_uri()}?mode=ro", uri=True)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error:  # opening the world will say what is wrong with the file
        return None
    return int(version)
