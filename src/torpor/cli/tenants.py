"""``torpor tenants``: whose programs came as text, what they may use, and what they have used."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show_table
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.errors import UsageError
from torpor.model.tenants import TenantInfo
from torpor.tenants import delete_tenant

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the tenant.")]


@command
def list_tenants(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    List tenants, and what they have used.

    Example: torpor tenants list
    """
    found = with_client(app, world, lambda client: client.world.tenants(client.app))
    if json:
        print_json([_data(info) for info in found])
        return
    if not found:
        say("no tenant is here; make one in code: await app.tenant(NAME).save()", err=True)
        return
    show_table(
        "tenant",
        "application",
        "runs",
        "open",
        "cpu",
        "steps",
        "stored",
        rows=[
            (
                info.tenant.name,
                info.tenant.app or "-",
                str(info.usage.runs),
                _of(info.usage.open, info.tenant.quotas.open_runs),
                _of(f"{info.usage.cpu_us / 1e6:.2f}", info.tenant.quotas.cpu, " s"),
                str(info.usage.steps),
                _of(_size(info.usage.stored), _size(info.tenant.quotas.storage)),
            )
            for info in found
        ],
        right=frozenset({"runs", "open", "cpu", "steps", "stored"}),
    )


@command
def show_tenant(name: NameArgument, app: AppOption = None, world: WorldOption = None) -> None:
    """
    Show a tenant as JSON: what it may use and call.

    Example: torpor tenants show acme
    """
    print_json(_data(with_client(app, world, lambda client: client.world.tenant(name))))


@command
def delete(
    name: NameArgument,
    app: AppOption = None,
    world: WorldOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete all runs of the tenant, whatever they do.")] = False,
) -> None:
    """
    Delete a tenant with all of its runs.

    Those that go on are cancelled. All that they have stored goes.

    Example: torpor tenants delete acme --yes
    """

    async def gone(client: Client) -> int:
        info = await client.world.tenant(name)
        if not yes:
            raise UsageError(
                f"tenant {name!r} has {info.usage.runs} runs, which would all be deleted; say so with --yes"
            )
        return await delete_tenant(client, name)

    say(f"{name}: deleted, with {with_client(app, world, gone)} runs")


def _of(used: object, most: object, unit: str = "") -> str:
    return (
        f"{used}/{most:g}{unit}"
        if isinstance(most, int | float) and most
        else f"{used}/{most}"
        if most
        else f"{used}{unit}"
    )


def _size(size: int) -> str:
    if not size:
        return ""
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.0f} MiB"


def _data(info: TenantInfo) -> dict[str, Any]:
    tenant, usage = info.tenant, info.usage
    return {
        "name": tenant.name,
        "app": tenant.app,
        "created_at": tenant.created_at,
        "allow": list(tenant.allow),
        "quotas": msgspec.to_builtins(tenant.quotas),
        "usage": {**msgspec.to_builtins(usage), "cpu": usage.cpu_us / 1e6},
    }
