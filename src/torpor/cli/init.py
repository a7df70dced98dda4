"""``torpor init``: a small project that runs, with a test."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final

import typer

from torpor.cli.options import JsonOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.errors import ConfigurationError, UsageError

_LANGUAGES: Final = ("python", "javascript")
_SERVED: Final = {
    "fastapi": ("fastapi uvicorn", "uvicorn web:site"),
    "flask": ("flask", "flask --app web run"),
    "django": ("django uvicorn", "uvicorn web:application"),
}
"""Framework → packages that it takes, and the command that serves the site."""

_RENAMED: Final = {"gitignore": ".gitignore"}
"""Names that packaging tools would take as meant for them."""


@command
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made when it is not there.")] = Path(),
    language: Annotated[
        str, typer.Option("--language", metavar="NAME", help="Of the workflow: python or javascript.")
    ] = "python",
    framework: Annotated[
        str | None, typer.Option("--framework", metavar="NAME", help="Of a site, too: fastapi, flask or django.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """
    Make a small project: an application, and tests of it.

    Nothing that is there is changed: if one of the files exists, nothing is written.

    Example: torpor init shop && cd shop && torpor dev
    """
    if language not in _LANGUAGES:
        raise UsageError(f"there is no project in {language!r}; there are {' and '.join(_LANGUAGES)}")
    if framework is not None and framework not in _SERVED:
        raise UsageError(f"there is no project with {framework!r}; there are {', '.join(_SERVED)}")
    starter = files("torpor.cli") / "starter"
    parts = ["both", language] + ([framework] if framework else [])
    content = {name: text for part in parts for name, text in _files(starter / part)}
    there = [name for name in content if (folder / name).exists() and name != ".gitignore"]
    if there:
        raise UsageError(f"{folder / there[0]} exists, so nothing was written; name a new folder: torpor init FOLDER")
    made = [name for name in sorted(content) if not (folder / name).exists()]
    try:
        for name in made:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content[name], encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"the project cannot be written: {error}") from error
    if json:
        print_json({"folder": str(folder.resolve()), "files": made})
        return
    for name in made:
        say(("made ", "dim"), str(folder / name))
    say()
    say("Work on runs, and show what they do:")
    if folder != Path():
        say((f"  cd {folder}", "bold"))
    say(("  torpor dev", "bold"))
    say("In a second terminal, there:")
    say(("  torpor start checkout o-1 4200", "bold"))
    say(("  torpor hooks", "bold"), ("               what waits for somebody", "dim"))
    say(("  torpor resume approve:o-1 yes", "bold"))
    if framework is not None:
        packages, serve = _SERVED[framework]
        say(f"Serve the site (it needs pip install 'torpor[http]' {packages}):")
        say((f"  {serve}", "bold"))
    say("Run the tests (they need pip install pytest):")
    say(("  pytest", "bold"))


def _files(folder: Traversable, below: str = "") -> list[tuple[str, str]]:
    """Return the files of a starter: their paths in the project, and their text."""
    found = list[tuple[str, str]]()
    for each in folder.iterdir():
        name = below + _RENAMED.get(each.name, each.name)
        if each.is_dir():
            found += _files(each, f"{name}/") if each.name != "__pycache__" else []
        else:
            found.append((name, each.read_text(encoding="utf-8")))
    return found
