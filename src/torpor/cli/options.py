"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Final

import typer


def _or_global(context: typer.Context, value: str | None) -> str | None:
    """Return the command's own option, else the one given before the command or in the environment."""
    given: str | None = value if value is not None else context.obj
    return given


_APP_HELP: Final = (
    "The application: app.py, app.py:name or pkg.mod:name. By default TORPOR_APP, then app of [tool.torpor] in "
    "pyproject.toml, then app.py in this folder."
)
AppArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[APP]",
        show_default=False,
        help=_APP_HELP,
    ),
]
AppOption = Annotated[
    str | None,
    typer.Option(
        "--app",
        "-a",
        metavar="APP",
        show_default=False,
        help=_APP_HELP,
    ),
]
WorldOption = Annotated[
    str | None,
    typer.Option(
        "--world",
        metavar="URL",
        show_default=False,
        callback=_or_global,
        help="Where runs live, such as sqlite:///torpor.db. By default TORPOR_WORLD, then what the application says.",
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        show_default=False,
        help="For a world that is a server's: what it lets you in by. Better TORPOR_TOKEN, which nobody else sees.",
    ),
]
RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="RUN", show_default=False, help="Its id, or the beginning of it; torpor runs shows it."),
]
LastOption = Annotated[bool, typer.Option("--last", "-l", help="Take the newest run.")]
DecryptOption = Annotated[
    bool, typer.Option("--decrypt", help="Show what is encrypted, with the keys of TORPOR_KEYS or the application.")
]
PromptOption = Annotated[
    bool, typer.Option("--prompt", help="Let who operates run code in copies of runs, on their pages.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
