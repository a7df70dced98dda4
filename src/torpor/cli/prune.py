"""``torpor prune``: delete what is not kept any longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import typer

from torpor.cli.opening import app_if_any, with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.cli.runs import StatusOption, WorkflowOption, parse_status
from torpor.client import Client
from torpor.durations import milliseconds
from torpor.engine.pruning import ArchiveFor, LivingLogs
from torpor.engine.pruning import prune as prune_runs
from torpor.errors import UsageError
from torpor.inspection.timestamps import clock_text
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import EndedFilter, Run
from torpor.programs.catalogue import short_name
from torpor.retention import NAMES_KEPT_MS, Archive, Policies, RunArchive, archive_of

_PAGE = 200
_LISTED_MAX = 100_000

Told = Callable[[Run, bool], None]


@command
def prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="TIME", help="Runs that ended longer ago, such as 30d.")
    ] = None,
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    archive: Annotated[
        str | None, typer.Option("--archive", metavar="FOLDER", help="Write their logs there before they go.")
    ] = None,
    capsules: Annotated[
        str | None,
        typer.Option("--capsules", metavar="PLACE", help="Write all of each there: a folder, or postgres://…"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Delete what is not kept any longer.

    Without --older-than that is what the application says: runs that ended long ago, and logs of runs that go on. With
    it, runs that ended longer ago go, whatever the application says; what it archives is archived.

    Workers do not wait for it: a few hundred rows go at a time. Of a run that ended within the last seven days its name
    and how it ended stay until then, so that nobody starts it a second time.

    With --capsules each run is first written into a capsule of its own, sorted by the months in which runs ended, from
    where torpor export RUN --from PLACE takes it.

    Example: torpor prune --older-than 30d --status completed
    """
    application = app_if_any(app, None) if app is not None or world is None else None
    policies = application.what_is_kept() if application is not None else None
    name = application.name if application is not None else ""
    done = _Done(dry_run, json)
    if older_than is None:
        if any(given is not None for given in (status, workflow, archive, capsules)):
            raise UsageError(
                "--status, --workflow, --archive and --capsules go with --older-than TIME; the application has its own"
            )
        if policies is None:
            raise UsageError(
                "no application says what is kept: give Torpor(retention=…, log=…), see docs/retention.md, name it by "
                "--app, or say how old the runs are that go, such as --older-than 30d"
            )
        with_client(app, world, lambda client: _by_policy(client, policies, name, done))
    else:
        kept_ms, statuses = _age(older_than), _statuses(status)
        place = _archive(archive, capsules)

        def archive_for(run: Run) -> Archive | RunArchive | None:
            own = policies is not None and run.app == name
            return place or (policies.of(run.workflow).archive_for(run) if policies is not None and own else None)

        async def by_age(client: Client) -> None:
            for full in await _full_names(client, workflow):
                where = EndedFilter(0, None, full, statuses, limit=_PAGE)
                await _ended(client, where, kept_ms, archive_for, done)

        with_client(app, world, by_age)
    done.sum_up()


class _Done:
    """What was done, or would be, told as it happens, or as one document."""

    def __init__(self, dry_run: bool, json: bool) -> None:
        self.dry_run, self._json = dry_run, json
        self._pruned: list[dict[str, Any]] = []
        self._shortened: list[dict[str, Any]] = []

    def deleted(self, run: Run, named: bool) -> None:
        """Tell of a run, and whether its name stays."""
        self._pruned.append(_data(run, named))
        if not self._json:
            _say(run, named, dry_run=self.dry_run)

    def shortened(self, run: Run, through: int) -> None:
        """Tell of a log that begins after a seq from now on."""
        self._shortened.append({"id": run.id, "workflow": run.workflow, "base": through, "dropped": through - run.base})
        if not self._json:
            what = "would be dropped" if self.dry_run else "dropped"
            say(f"{run.id}  {short_name(run.workflow)}  {run.status}  {through - run.base} events {what}")

    def sum_up(self) -> None:
        """Tell what it was in all."""
        if self._json:
            print_json({"pruned": self._pruned, "shortened": self._shortened, "dry_run": self.dry_run})
            return
        would = "would be" if self.dry_run else "were"
        logs = f", {len(self._shortened)} logs {would} shortened" if self._shortened else ""
        say(f"{len(self._pruned)} runs {would} deleted{logs}")


def _archive(folder: str | None, capsules: str | None) -> Archive | RunArchive | None:
    """Return what is given runs, or their logs, before they go."""
    if capsules is None:
        return archive_of(folder)
    if folder is not None:
        raise UsageError("--archive writes logs, --capsules all of a run with its log; give one of them")
    from torpor.capsules.archives import Capsules  # noqa: PLC0415  # it needs programs and guests

    return Capsules(capsules)


def _age(older_than: str) -> int:
    try:
        return milliseconds(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {older_than}: {error}") from error


def _statuses(status: str | None) -> tuple[RunStatus, ...]:
    wanted = parse_status(status)
    if wanted is not None and wanted not in RUN_TERMINAL:
        raise UsageError(f"runs that are {wanted} have not ended; select --status completed, failed or cancelled")
    return ("completed", "failed", "cancelled") if wanted is None else (wanted,)


async def _by_policy(client: Client, policies: Policies, app: str, done: _Done) -> None:
    """Prune as a worker of the application would."""

    async def verify(run: Run) -> bool:
        from torpor.inspection.archive import can_be_restored  # noqa: PLC0415  # it needs the VM

        return await can_be_restored(client, run)

    logs = LivingLogs(client.world, verify)
    for policy, chosen in policies.scopes(app):
        if policy.log is not None:
            async for run, through in logs.long(chosen, policy.log):
                if done.dry_run or await logs.drop(run, through, policy.log):
                    done.shortened(run, through)
        for where, kept_ms in policy.ended(chosen):
            await _ended(client, where, kept_ms, policy.archive_for, done)


async def _ended(client: Client, where: EndedFilter, kept_ms: int, archive_for: ArchiveFor, done: _Done) -> None:
    """Delete runs that ended longer ago than they are kept, or list them."""
    if done.dry_run:
        await _list(client, where, kept_ms, done.deleted)
    else:
        await prune_runs(client.world, where, kept_ms, archive_for=archive_for, told=done.deleted)


async def _full_names(client: Client, workflow: str | None) -> list[str | None]:
    """Return the full names that a short or a full one means; None, for any workflow, when none is given."""
    if workflow is None:
        return [None]
    known = {name for deployment in await client.world.deployments() for name in deployment.workflows}
    found: list[str | None] = [name for name in sorted(known) if workflow in (name, short_name(name))]
    return found or [workflow]


async def _list(client: Client, where: EndedFilter, kept_ms: int, told: Told) -> None:
    """Tell what would be deleted."""
    now = client.world.clock.now()
    asked = msgspec.structs.replace(where, before=now - kept_ms, limit=_LISTED_MAX)
    for run in await client.world.ended_runs(asked):
        named = run.ended_at >= now - NAMES_KEPT_MS
        if not named or run.base < run.head - 1:
            told(run, named)


def _data(run: Run, named: bool) -> dict[str, Any]:
    return {"id": run.id, "workflow": run.workflow, "status": run.status, "ended_at": run.ended_at, "name_kept": named}


def _say(run: Run, named: bool, *, dry_run: bool) -> None:
    what = "would be deleted" if dry_run else "deleted"
    kept = ", its name stays for now" if named else ""
    say(f"{run.id}  {short_name(run.workflow)}  {run.status} {clock_text(run.ended_at)}  {what}{kept}")
