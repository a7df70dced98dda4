"""Whether the schema of a world is up to date, without bringing it there: opening a world would."""

from __future__ import annotations

from torpor.errors import UsageError


def pending_migrations(url: str) -> list[str]:
    """
    Return the names of the migrations that have not run in a world, in their order; nothing is changed.

    Raises:
        UsageError: such a world has no schema of its own.
        ConfigurationError: the world belongs to a newer version, or is none.
        WorldError: it cannot be reached.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from torpor.worlds.sqlite.schema import pending  # noqa: PLC0415  # a scheme is imported when it is asked for

        return pending(url)
    if scheme in {"postgres", "postgresql", "postgres+embedded"}:
        from torpor.worlds import open_world  # noqa: PLC0415  # it says what to install where the driver is not there

        open_world(url)
        from torpor.worlds.postgres.schema import pending as pending_there  # noqa: PLC0415  # as above

        return pending_there(url)
    raise UsageError(
        f"world {url} has no schema of its own to migrate; give the sqlite:// or postgres:// URL of who keeps it"
    )
