"""What a command works on: an application, or a world alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torpor.capsules import SCHEME as CAPSULE
from torpor.capsules import SUFFIX as CAPSULE_FILE
from torpor.cli.loading import AppImportError, NoAppError, default_target, load_app, parse_target, required_target
from torpor.client import Client
from torpor.codec.crypto.keys import Keyring
from torpor.errors import ConfigurationError, UsageError
from torpor.inspection.reading import Reader
from torpor.world import World
from torpor.worlds import WORLD_DEFAULT, open_world
from torpor.worlds.sqlite.url import parse

if TYPE_CHECKING:  # who names only a world needs none of it
    from torpor import Torpor

T = TypeVar("T")

SCHEME = "sqlite://"


def app_on(app: str | None, world: str | None) -> Torpor:
    """
    Return the application, on the world that the command line names, else on its own.

    Raises:
        ConfigurationError: there is no such application or world.
    """
    loaded = load_app(required_target(app))
    if world is not None:
        loaded.use_world(world)
    return loaded


def app_if_any(app: str | None, world: str | None) -> Torpor | None:
    """
    Return the application as :func:`app_on` does, or None when the command line names none and none is here.

    Raises:
        ConfigurationError: there is no such application or world.
    """
    target = parse_target(app) if app is not None else default_target()
    if target is None:
        return None
    try:
        loaded = load_app(target)
    except NoAppError:
        if not target.is_guess:
            raise
        return None  # somebody else's app.py
    if world is not None:
        loaded.use_world(world)
    return loaded


def with_client(
    app: str | None,
    world: str | None,
    work: Callable[[Client], Coroutine[Any, Any, T]],
    *,
    of_app: str | None = None,
    may_be_new: bool = False,
) -> T:
    """
    Do *work* in the world that the command line names, else the application's, else the default one; return its result.

    The application is imported before the event loop runs, since its module may run one itself.

    Args:
        app, world: what the command line names.
        work: what to do.
        of_app: name of the application whose workflows are meant, that of any by default.
        may_be_new: make the world if it does not exist yet.

    Raises:
        ConfigurationError: there is no such world, or nothing of it can be seen from this process.
    """
    found, keyring = _found(app, world)
    require_durable(found)
    if not may_be_new:
        refuse_missing_file(found.url)
    return asyncio.run(_opened(found, keyring, work, of_app))


def with_reader(
    app: str | None, world: str | None, work: Callable[[Reader], Coroutine[Any, Any, T]], *, decrypt: bool = False
) -> T:
    """Do *work* with what reads the world's runs, and return its result; see :func:`with_client`."""
    return with_client(app, world, lambda client: work(Reader(client, decrypt=decrypt)))


def run_or_capsule(run: str | None, world: str | None) -> tuple[str | None, str | None]:
    """
    Return which run in which world a command line means by its argument, which may be the file of a capsule: then its
    run, in a world that has only that.
    """
    if run is None or not run.endswith(CAPSULE_FILE) or not Path(run).is_file():
        return run, world
    from torpor.capsules import file, transfer  # noqa: PLC0415  # who looks at a world needs none of it

    return file.read(transfer.load(run)).manifest.run, f"{CAPSULE}{run}"


def _named_world(url: str, keyring: Keyring) -> World:
    if not url.startswith(CAPSULE):
        return open_world(url)
    from torpor.capsules import shown  # noqa: PLC0415  # as above

    return shown.capsule_world(shown.path_of(url), keyring)


async def named_run(reader: Reader, run: str | None, *, last: bool) -> str:
    """
    Return the id of the run that a command line names, by its id, the beginning of its id, or ``--last``.

    Raises:
        UsageError: it names none, or one and the newest, or several.
        RunNotFoundError: there is no such run.
    """
    if (run is not None) == last:
        raise UsageError("name a run by its id or the beginning of its id, or give --last for the newest; not both")
    return await (reader.newest() if run is None else reader.find(run))


async def _opened(
    world: World, keyring: Keyring, work: Callable[[Client], Coroutine[Any, Any, T]], of_app: str | None
) -> T:
    await world.open()
    try:
        return await work(Client(world, keyring, app=of_app))
    finally:
        await world.close()


def found_world(app: str | None, world: str | None) -> World:
    """
    Return the world that a command line means, not opened.

    Raises:
        ConfigurationError: there is no such application or world.
    """
    return _found(app, world)[0]


def _found(app: str | None, world: str | None) -> tuple[World, Keyring]:
    """Return the world, and the keys of the application that it is from or that was named, else of the environment."""
    if world is not None:
        named = None if app is None else load_app(parse_target(app))
        keyring = named.keyring if named is not None else Keyring.from_environment()
        return _named_world(world, keyring), keyring
    target = default_target() if app is None else parse_target(app)
    if target is None:
        return open_world(WORLD_DEFAULT), Keyring.from_environment()
    try:
        loaded = load_app(target)
        return loaded.world, loaded.keyring
    except NoAppError:
        if not target.is_guess:
            raise
        return open_world(WORLD_DEFAULT), Keyring.from_environment()  # somebody else's app.py
    except AppImportError as error:
        raise AppImportError(f"{error}. With --world URL this command does without it", error.trace) from error


def require_durable(world: World) -> None:
    """
    Do nothing for a world that other processes see.

    Raises:
        ConfigurationError: it is none.
    """
    if not world.capabilities.durable:
        raise ConfigurationError(
            f"world {world.url} lives inside the process that opened it, so a command sees nothing of it; "
            f"give a durable one, such as --world {WORLD_DEFAULT}"
        )


def world_is_missing(url: str) -> bool:
    """Tell whether a world is a SQLite file that nobody has made yet."""
    return url.startswith(SCHEME) and not Path(parse(url).path).exists()


def refuse_missing_file(url: str) -> None:
    """
    Do nothing for a world that exists, as far as can be told.

    Raises:
        ConfigurationError: it is a SQLite file that nobody has made yet; to look at it would leave an empty one behind.
    """
    if world_is_missing(url):
        raise ConfigurationError(
            f"world {url} does not exist: there is no file {Path(parse(url).path).absolute()}. "
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
