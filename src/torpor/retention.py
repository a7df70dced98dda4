"""What an application keeps of its runs, and for how long."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from torpor.durations import Duration, milliseconds
from torpor.errors import ConfigurationError
from torpor.expecting import expect
from torpor.lifecycle import RunStatus
from torpor.model import EndedFilter, Event, Run
from torpor.world import World

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


@runtime_checkable
class RunArchive(Protocol):
    """Keeps whole runs that have ended, before they go, as :class:`torpor.Capsules` does."""

    async def keep(self, world: World, runs: Sequence[Run]) -> list[Run]:
        """
        Keep runs, each once, and return those that are kept now; the others stay where they are.

        What it raises stops the deletion until the next time.
        """
        ...


class KeepLog(msgspec.Struct, frozen=True):
    """
    What of the log of a run that goes on is kept; the rest goes, as far as its newest snapshot makes up for it.

    Attributes:
        events: how many of the newest at least.
        age: such as ``"7d"``; at least what is not older than that, counted back from the newest snapshot.
        archive: what is given the others before they go: a folder, or a function, see :data:`Archive`.
    """

    events: int | None = None
    age: Duration | None = None
    archive: str | Path | Archive | None = None

    def age_ms(self) -> int:
        """
        Return the age in milliseconds, 0 for any.

        Raises:
            ValueError: it is no duration.
        """
        return 0 if self.age is None else milliseconds(self.age)


class Retention(msgspec.Struct, frozen=True):
    """
    How long runs are kept that have ended; None for ever.

    Attributes:
        completed, failed, cancelled: such as ``"30d"``, by how they ended.
        archive: what is given their logs before they go: a folder, or a function, see :data:`Archive`; or what keeps
            all of them, such as :class:`torpor.Capsules`.
    """

    completed: Duration | None = None
    failed: Duration | None = None
    cancelled: Duration | None = None
    archive: str | Path | Archive | RunArchive | None = None

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


class Chosen(msgspec.Struct, frozen=True):
    """
    Whose runs a policy is for.

    Attributes:
        app: of which application.
        workflow: of which workflow, by its full name; None for all but those *besides*.
        besides: full names.
    """

    app: str
    workflow: str | None = None
    besides: tuple[str, ...] = ()


class Policy(msgspec.Struct, frozen=True):
    """What is kept of runs: of their logs while they go on, and of themselves when they have ended."""

    log: KeepLog | None = None
    retention: Retention | None = None

    def ended(self, chosen: Chosen) -> list[tuple[EndedFilter, int]]:
        """Return which runs that have ended go, and for how many milliseconds they are kept."""
        kept = self.retention.kept_ms() if self.retention is not None else {}
        about = chosen.app, chosen.workflow
        return [(EndedFilter(0, *about, (status,), besides=chosen.besides), ms) for status, ms in kept.items()]

    def archive_for(self, _run: Run) -> Archive | RunArchive | None:
        """Return what is given runs that have ended, or their logs, before they go."""
        archive = self.retention.archive if self.retention is not None else None
        return archive if isinstance(archive, RunArchive) else archive_of(archive)


class Policies(msgspec.Struct, frozen=True):
    """
    The policies of an application.

    Attributes:
        default: for workflows that have none of their own.
        own: by the full names of workflows.
    """

    default: Policy = Policy()
    own: dict[str, Policy] = {}

    def scopes(self, app: str) -> list[tuple[Policy, Chosen]]:
        """Return each policy with the runs of an application that it is for."""
        own = [(policy, Chosen(app, name)) for name, policy in self.own.items()]
        return [(self.default, Chosen(app, None, tuple(self.own))), *own]

    def of(self, workflow: str) -> Policy:
        """Return the policy for the runs of a workflow, by its full name."""
        return self.own.get(workflow, self.default)


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
    return Policy(None if log is None else _checked_log(log), kept)


def _checked_log(given: KeepLog | int) -> KeepLog:
    log = (
        KeepLog(given) if isinstance(given, int) else expect("log", given, KeepLog, "a number of events, or KeepLog(…)")
    )
    count = log.events
    if (count is None and log.age is None) or isinstance(count, bool) or (count is not None and count < 0):
        raise ConfigurationError(
            f"log={given!r}: give how many events are kept, 0 or more, or up to which age: KeepLog(1000, '7d')"
        )
    if isinstance(log.archive, RunArchive):
        raise ConfigurationError(
            f"log={given!r}: {type(log.archive).__name__} keeps whole runs, and these go on; give Retention(archive=…) "
            "that, and KeepLog a folder or a function"
        )
    try:
        log.age_ms()
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"log={given!r}: {error}") from error
    return log


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
