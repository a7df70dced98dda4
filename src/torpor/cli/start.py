"""``torpor start``, ``resume`` and ``send``: give a value to a run that begins, to a hook, or to a run's mailbox."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from torpor import Torpor
from torpor.cli.opening import app_if_any, with_client
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.cli.runs import parse_attributes
from torpor.client import Client
from torpor.errors import ConfigurationError, RunFailedError, UsageError
from torpor.inspection.readable import place_of, readable
from torpor.inspection.reading import Reader
from torpor.run_handle import RunHandle
from torpor.worlds import WORLD_DEFAULT

_JSON_BEGINNINGS = ("{", "[", '"')
VALUE_HELP = 'as JSON, or else a text as it is; what begins with {, [ or " must be JSON.'
"""How words of the command line become values; the same for every command."""


@command
def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its short or full name.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARG]", help=f"Its arguments, each {VALUE_HELP}"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the result as JSON.")] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run-id", metavar="ID", help="An id of your own, any text; asked again, it starts no second run."
        ),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", metavar="RUNTIME", help="snapshot (the default) or replay.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it begins, such as 2026-11-21T17:30:00Z.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="DURATION", help="After how long it begins, such as 1h 30m.")
    ] = None,
    queue: Annotated[str, typer.Option("--queue", metavar="NAME", help="In which queue.")] = "",
    queue_key: Annotated[
        str, typer.Option("--queue-key", metavar="KEY", help="Of whom it is there: keys take turns.")
    ] = "",
    priority: Annotated[
        int, typer.Option("--priority", help="From -100 to 100; of what is ready the highest is taken first.")
    ] = 0,
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", metavar="TIME", help="When it fails if it has not ended: a time, or a duration."),
    ] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="NAME=VALUE", help="To find it by; may be repeated."),
    ] = None,
    app: AppOption = None,
    app_name: Annotated[
        str | None,
        typer.Option("--app-name", metavar="NAME", help="Of which deployed application it is, without --app."),
    ] = None,
    world: WorldOption = None,
) -> None:
    """
    Start a run of a workflow, and print its id.

    A worker carries it out, in this process's absence too. Where there is no application, the deployment of the
    workers in the world says what the workflow is.

    Example: torpor start checkout o-1 4200 '{"gift": true}' --wait
    """
    values = [value_of(text) for text in arguments or ()]
    # An unknown runtime is for those who start to refuse.
    options: dict[str, Any] = {
        "run_id": run_id,
        "runtime": runtime,
        "at": at,
        "delay": delay,
        "queue": queue,
        "queue_key": queue_key,
        "priority": priority,
        "deadline": deadline,
        "attributes": parse_attributes(attribute or ()),
    }
    application = None if app_name is not None else app_if_any(app, world)

    async def by_name(client: Client) -> None:
        await _finish(client, await client.start(workflow, *values, **options), wait=wait)

    async def by_application(application: Torpor) -> None:
        async with application:
            await _finish(application.client, await application.start(workflow, *values, **options), wait=wait)

    if application is None:
        with_client(app, world, by_name, of_app=app_name)
        return
    if not application.world.capabilities.durable:
        raise ConfigurationError(
            f"world {application.world.url} ends with this command, and the run with it; "
            f"give a durable one, such as --world {WORLD_DEFAULT}"
        )
    asyncio.run(by_application(application))


async def _finish(client: Client, run: RunHandle, *, wait: bool) -> None:
    """Print the id of a run that was started, or wait for its end and print what it returns."""
    if not wait:
        say(run.id)
        return
    await _announce(client, run)
    try:
        print_json(await _output(client, run))
    except RunFailedError as error:
        raise _placed(error) from error.__cause__


@command
def resume(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The hook's token; torpor inspect shows it.")],
    payload: Annotated[
        str, typer.Argument(metavar="[VALUE]", help=f"What the workflow receives, {VALUE_HELP}")
    ] = "null",
    resume_id: Annotated[
        str | None,
        typer.Option("--resume-id", metavar="ID", help="With the same id again, the payload is received once."),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option("--wait", metavar="TIME", help="Wait so long, such as 1h, for a hook that is not there yet."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Deliver a payload to a hook, and print the id of its run.

    Example: torpor resume approval-o-1 '{"approved": true}' --wait 1h
    """
    value = value_of(payload)
    run = with_client(app, world, lambda client: client.resume_hook(token, value, resume_id=resume_id, wait=wait))
    say(run.id)


@command
def send(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The mailbox, as in receive(NAME).")],
    payload: Annotated[
        str, typer.Argument(metavar="[VALUE]", help=f"What the workflow receives, {VALUE_HELP}")
    ] = "null",
    message_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="With the same id again, the message is received once."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Send a message to a run, which keeps it until it is received.

    Example: torpor send order-17 address '{"city": "Ghent"}'
    """
    value = value_of(payload)
    with_client(app, world, lambda client: client.send(run, name, value, id=message_id))


@command
def resolve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id.")],
    op: Annotated[str, typer.Argument(metavar="OP", help="The step's number; torpor inspect shows it.")],
    value: Annotated[str, typer.Argument(metavar="[VALUE]", help=f"What the step returns, {VALUE_HELP}")] = "null",
    failed: Annotated[
        str | None, typer.Option("--failed", metavar="WHY", help="The step has failed; the workflow is told why.")
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Say how a step ended that a run is blocked on.

    Nobody knew: its worker died while it ran, or it said so itself. Look whether what it does has happened, then tell.

    Example: torpor resolve order-17 3 '"receipt-2231"'
    """
    if failed is not None and value != "null":
        raise UsageError("a step returns a value, or has failed; give one of them")
    result = value_of(value)
    step = int(op) if op.isascii() and op.isdigit() else op
    with_client(app, world, lambda client: client.run(run).resolve(step, result, failed=failed))


def _placed(error: RunFailedError) -> RunFailedError:
    """Return the error with the place in the author's files that it comes from, if it names one."""
    place = place_of(readable(error.__cause__))
    said = f"{error} (at {place})" if place else str(error)
    return RunFailedError(said, run_id=error.run_id, failure=error.failure)


def value_of(text: str) -> Any:
    """
    Return the value that a word of the command line stands for: what it says as JSON, else the text itself.

    Raises:
        UsageError: it begins as only JSON would, and is none. What was given to a run cannot be taken back, so a typing
            error must not become a text.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        if text.lstrip().startswith(_JSON_BEGINNINGS):
            raise UsageError(
                f"{text:.200} begins like JSON and is none ({error}); if it is meant as a text, write it as one: "
                f"{json.dumps(text, ensure_ascii=False):.200}"
            ) from error
        return text


def _refuse(constant: str) -> Any:
    """Refuse NaN and Infinity, which Python's parser takes and JSON does not have."""
    raise ValueError(f"{constant} is not JSON")


async def _output(client: Client, run: RunHandle) -> Any:
    """Return what a run returns, once it does, as JSON data; or raise what it ended with."""
    if (await client.wait_ended(run.id)).run.status != "completed":
        await run.result()
    reader = Reader(client, decrypt=True)
    return (await reader.summaries([await reader.info(run.id)]))[0].output


async def _announce(client: Client, run: RunHandle) -> None:
    say((f"started {run.id}, waiting for its end", "dim"), err=True)
    living, _ = await Reader(client).workers()
    if not living:
        say(("no worker is at work in this world; start one with: torpor worker", "yellow"), err=True)
