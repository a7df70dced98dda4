"""What an application keeps of its runs, and for how long."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from torpor.durations import Duration, milliseconds
from torpor.errors import ConfigurationError
from torpor.lifecycle import RunStatus
from torpor.model import Event

NAMES_KEPT_MS: Final = 7 * 86_400_000
"""
How long a run's name is kept past its end at least, with how it ended, so that who starts it again under that name, or
resumes it under an id, is told what became of it.
"""

Archive = Callable[[str, Sequence[Event]], "Awaitable[None] | None"]
"""
Is given a run's id and events, as they are stored, before the events go. It may be asked twice for the same ones, which
their ``seq`` tells. What it raises stops the deletion until the next time.
"""


class KeepLog(msgspec.Struct, frozen=True):
    """
    What of the log of a run that goes on is kept.

    Attributes:
        events: how many of the newest at least; older ones go, as far as a snapshot makes up for them.
        archive: what is given them before: a folder, or a function, see :data:`Archive`.
    """

    events: int
    archive: str | Path | Archive | None = None


class Retention(msgspec.Struct, frozen=True):
    """
    How long runs are kept that have ended; None for ever.

    Attributes:
        completed, failed, cancelled: such as ``"30d"``, by how they ended.
        archive: what is given their logs before they go: a folder, or a function, see :data:`Archive`.
    """

    completed: Duration | None = None
    failed: Duration | None = None
    cancelled: Duration | None = None
    archive: str | Path | Archive | None = None

    def kept_ms(self) -> dict[RunStatus, int]:
        """
        Return for how many milliseconds, by status; without those that are kept for ever.

        Raises:
            ValueError: one is no duration.
        """
        given: dict[RunStatus, Duration | None] = {
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
        }
        return {status: milliseconds(kept) for status, kept in given.items() if kept is not None}


class Policy(msgspec.Struct, frozen=True):
    """What is kept of runs: of their logs while they go on, and of themselves when they have ended."""

    log: KeepLog | None = None
    retention: Retention | None = None


class Policies(msgspec.Struct, frozen=True):
    """
    The policies of an application.

    Attributes:
        default: for workflows that have none of their own.
        own: by the full names of workflows.
    """

    default: Policy = Policy()
    own: dict[str, Policy] = {}

    def scopes(self) -> list[tuple[str | None, tuple[str, ...], Policy]]:
        """Return each policy with the workflow that it is for, or None and the workflows that it is not for."""
        return [(None, tuple(self.own), self.default), *((name, (), policy) for name, policy in self.own.items())]


def checked_policy(retention: Retention | Duration | None = None, log: KeepLog | int | None = None) -> Policy:
    """
    Return a policy as it was asked for.

    Args:
        retention: one duration is for all runs.
        log: a number is how many events are kept.

    Raises:
        ConfigurationError: something is no duration, or no number of events.
    """
    kept = retention
    if kept is not None and not isinstance(kept, Retention):
        kept = Retention(kept, kept, kept)
    try:
        if kept is not None:
            kept.kept_ms()
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"retention={retention!r}: {error}") from error
    events = KeepLog(log) if isinstance(log, int) else log
    if events is not None and (isinstance(events.events, bool) or events.events < 0):
        raise ConfigurationError(f"log={log!r}: give how many events are kept, 0 or more")
    return Policy(events, kept)


def archive_of(given: str | Path | Archive | None) -> Archive | None:
    """Return the function that archives, for a folder one that appends to a file ``<run id>.jsonl`` in it."""
    return ArchiveFolder(Path(given)) if isinstance(given, str | Path) else given


class ArchiveFolder:
    """
    A folder with a file for each run, one event a line as JSON; payloads as they are stored, in base64.

    Args:
        folder: made when it is first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, run_id: str, events: Sequence[Event]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        # A run's name may be any text, and is a file's name here.
        file = self._folder / f"{run_id.replace('%', '%25').replace('/', '%2F')}.jsonl"
        with file.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(_line(event)) + "\n" for event in events)


def _line(event: Event) -> dict[str, Any]:
    return {name: _json(value) for name, value in msgspec.structs.asdict(event).items() if value}


def _json(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
