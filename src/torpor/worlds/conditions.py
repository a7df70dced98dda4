"""In which condition the place is that a world is in: settings, room, load and clocks, apart from what it stores."""

from __future__ import annotations

from torpor.worlds.condition import Condition


def conditions(url: str) -> list[Condition]:
    """
    Look at the place of a world that is there; nothing is changed, and other processes may be at work.

    Args:
        url: of the world, with its password if that has one.

    Raises:
        WorldError: it cannot be reached.
        ConfigurationError: it lets us not in.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from torpor.worlds.sqlite.condition import look  # noqa: PLC0415  # a scheme is imported when it is asked for

        return look(url)
    if scheme in {"postgres", "postgresql", "postgres+embedded"}:
        from torpor.worlds.postgres.condition import look as look_there  # noqa: PLC0415  # as above

        return look_there(url)
    return []
