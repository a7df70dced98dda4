"""``torpor tokens``: who may do what by HTTP."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show_table
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.durations import milliseconds
from torpor.errors import NotFoundError, UsageError
from torpor.http.tokens import ROLES, Made, Role, Token, list_tokens, make_token, revoke_token, store_token
from torpor.inspection.timestamps import clock_text, iso
from torpor.tenant_names import checked_tenant, queue_of


@command
def create_token(
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            metavar="ROLE",
            help="read, operate, decrypt or work (all but to decrypt), which may read, or steps (for step workers); "
            "may be repeated.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call it; the audit has it.")] = "",
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="NAME", help="Only for runs in this queue; may be repeated.")
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", metavar="NAME", help="Only for this tenant's runs; may be repeated."),
    ] = None,
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", metavar="NAME", help="Only for runs of this workflow; may be repeated."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DURATION", help="Valid for so long, such as 90d.")
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Make a token, and print it: nobody can print it again.

    Example: torpor tokens create --role operate --name ci --expires 90d
    """
    unknown = [each for each in role if each not in ROLES]
    if unknown:
        raise UsageError(f"there is no role {unknown[0]!r}; use {', '.join(ROLES)}")
    roles = cast("tuple[Role, ...]", tuple(dict.fromkeys(role)))
    try:
        valid_ms = None if expires is None else milliseconds(expires)
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from None

    queues = (*(queue or ()), *(queue_of(checked_tenant(each)) for each in tenant or ()))

    async def make(client: Client) -> Made:
        now = client.world.clock.now()
        made = make_token(
            now,
            roles,
            name=name,
            queues=queues,
            workflows=tuple(workflow or ()),
            expires_at=0 if valid_ms is None else now + valid_ms,
        )
        await store_token(client.world, made.token)
        return made

    made = with_client(app, world, make)
    print(made.text)  # noqa: T201  # for a file or a variable, to the letter
    say((f"token {made.token.id} may {', '.join(roles)}; it is not shown again", "dim"), err=True)


@command
def list_all_tokens(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    List the tokens that are valid; secrets are not kept.

    Example: torpor tokens list
    """
    found = with_client(app, world, lambda client: list_tokens(client.world))
    if json:
        print_json([_data(token) for token in found])
    elif found:
        show_table(
            "token",
            "name",
            "may",
            "about",
            "created",
            "expires",
            rows=[
                (
                    token.id,
                    token.name or "-",
                    ", ".join(token.roles),
                    _about(token),
                    clock_text(token.created_at),
                    clock_text(token.expires_at),
                )
                for token in found
            ],
            free=frozenset({"about"}),
        )
    else:
        say("no tokens; make one with: torpor tokens create --role read", err=True)


@command
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id; torpor tokens list shows it.")],
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Make a token invalid, from the next request on.

    Example: torpor tokens revoke 3f9c02ab17d4e586
    """

    async def forget(client: Client) -> None:
        if not await revoke_token(client.world, token):
            raise NotFoundError(
                f"no token {token!r} in world {client.world.url}; torpor tokens list shows those there are"
            )

    with_client(app, world, forget)
    say(f"{token}: revoked")


def _about(token: Token) -> str:
    told = [f"queue {name}" for name in token.queues] + [f"workflow {name}" for name in token.workflows]
    return ", ".join(told) or "everything"


def _data(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "roles": token.roles,
        "queues": token.queues,
        "workflows": token.workflows,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
    }
