"""
Finding the application that a command is about: ``app.py``, ``app.py:name``, ``pkg.mod`` or ``pkg.mod:name``, or the
folder of a project of the TypeScript Workflow SDK, which is an application by itself.

A file is imported under its normal module name with its folder first on the path, so that ``from app import app`` in a
step file gives the same object and registers its steps with it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import msgspec

import torpor
from torpor.cli.importing import keeping_all
from torpor.errors import ConfigurationError
from torpor.project import PROJECT_FILE, application_place

if TYPE_CHECKING:
    from torpor import Torpor

DEFAULT_FILE = "app.py"
"""What is taken when no application is named, if the working folder has it."""

SETTING = "TORPOR_APP"

_PROJECT_FILE = "package.json"

_FORMS = "a file (app.py, app.py:name), a module (pkg.mod, pkg.mod:name) or the folder of a Workflow SDK project"
_NOT_THE_USERS = ("<frozen importlib", importlib.__file__, str(Path(torpor.__file__).parent) + os.sep)


class AppImportError(ConfigurationError):
    """
    The application's module raised while it was imported.

    Attributes:
        trace: the traceback, beginning in the application's own code.
    """

    code = "CONFIGURATION"

    def __init__(self, message: str, trace: str) -> None:
        super().__init__(message)
        self.trace = trace


class NoAppError(ConfigurationError):
    """The module has no application."""

    code = "CONFIGURATION"


class Target(msgspec.Struct, frozen=True):
    """
    Where an application is.

    Attributes:
        text: as the user wrote it.
        folder: what comes first on the path.
        module: what is imported.
        file: the file that the module must be, None for one that was named as a module.
        attribute: the application's name in it, ``""`` to look for the only one.
        is_guess: nobody has named it.
        is_project: it is the folder of a project of the Workflow SDK.
    """

    text: str
    folder: Path
    module: str
    file: Path | None
    attribute: str
    is_guess: bool = False
    is_project: bool = False


def parse_target(text: str, folder: Path | None = None) -> Target:
    """
    Return what an application argument means; it is relative to *folder*, by default the working folder.

    Raises:
        ConfigurationError: it has none of the forms, or the file does not exist.
    """
    folder = folder or Path.cwd()
    if is_project(folder / text):
        return Target(text, (folder / text).resolve(), "", None, "", is_project=True)
    place, _, attribute = text.rpartition(":")
    if not place or not _is_dotted_name(attribute):
        place, attribute = text, ""
    if place.endswith(".py") or "/" in place or os.sep in place:
        return _file_target(text, folder, place, attribute)
    if not _is_dotted_name(place):
        raise ConfigurationError(f"application {text!r} is neither; give {_FORMS}")
    return Target(text, folder, place, None, attribute)


def default_target() -> Target | None:
    """
    Return the application that no command line needs to name, or None.

    ``TORPOR_APP`` names it, else ``app`` of ``[tool.torpor]`` in the nearest ``pyproject.toml`` of the working folder
    and those above it, relative to that file, else it is ``app.py`` of the working folder,
    or that folder itself if it is a project of the Workflow SDK.

    Raises:
        ConfigurationError: one of the first two names something that is not there.
    """
    if named := os.environ.get(SETTING):
        return _named_by(SETTING, named, Path.cwd())
    for folder in (Path.cwd(), *Path.cwd().parents):
        file = folder / PROJECT_FILE
        if file.is_file():
            named = _app_of_project(file)
            if named is not None:
                return _named_by(f"{file}", named, folder)
            break
    if Path(DEFAULT_FILE).is_file():
        return msgspec.structs.replace(parse_target(DEFAULT_FILE), is_guess=True)
    if is_project(Path.cwd()):
        return msgspec.structs.replace(parse_target("."), is_guess=True)
    return None


def required_target(text: str | None) -> Target:
    """
    Return what *text* means, or the default application.

    Raises:
        ConfigurationError: nothing is given and there is none, or as :func:`parse_target`.
    """
    target = parse_target(text) if text is not None else default_target()
    if target is None:
        raise ConfigurationError(
            f"no application is named, and {Path.cwd()} has no {DEFAULT_FILE}; name {_FORMS}, set {SETTING}, write app "
            f"in [tool.torpor] of {PROJECT_FILE}, or change the folder"
        )
    return target


def is_project(folder: Path) -> bool:
    """Return whether a folder is that of a project which names the Workflow SDK."""
    try:
        project = json.loads((folder / _PROJECT_FILE).read_text("utf-8"))
        return any("workflow" in project.get(kind, ()) for kind in ("dependencies", "devDependencies"))
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _project_app(folder: Path) -> Torpor:
    """Return an application that has a project of the Workflow SDK and nothing else."""
    from torpor import Torpor  # noqa: PLC0415  # as below

    app = Torpor(root=folder)
    app.sdk(".")
    return app


def _named_by(what: str, text: str, folder: Path) -> Target:
    try:
        return parse_target(text, folder)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: {error}") from error


def _app_of_project(file: Path) -> str | None:
    """Return what a project's file says that its application is, None if nothing."""
    named = application_place(file)
    if named is not None and not isinstance(named, str):
        raise ConfigurationError(f"{file}: app in [tool.torpor] is {named!r}; give {_FORMS}")
    return named


def load_app(target: Target) -> Torpor:
    """
    Import the target's module and return its application.

    Raises:
        AppImportError: the module raised.
        NoAppError: it has no application.
        ConfigurationError: the module cannot be found, or has several applications.
    """
    if target.is_project:
        return _project_app(target.folder)
    module = _import(target)
    if target.attribute:
        return _named(module, target)
    found = applications(module)
    if not found:
        raise NoAppError(f"{target.text} has no Torpor application; write `app = Torpor()` in it")
    if len(found) > 1:
        names = ", ".join(f"{target.text}:{name}" for name in sorted(found))
        raise ConfigurationError(f"{target.text} has several applications; name one of {names}")
    return next(iter(found.values()))


def applications(module: ModuleType) -> dict[str, Torpor]:
    """Return a module's applications by name; one that has several names appears under the first."""
    from torpor import Torpor  # noqa: PLC0415  # a module that has one has imported this

    found: dict[str, Torpor] = {}
    for name, value in vars(module).items():
        if isinstance(value, Torpor) and not any(value is known for known in found.values()):
            found[name] = value
    return found


def _file_target(text: str, folder: Path, place: str, attribute: str) -> Target:
    path = folder / place
    if not path.is_file():
        raise ConfigurationError(f"application file {place} does not exist (looked in {folder}); give {_FORMS}")
    file = path.resolve()
    if file.suffix != ".py" or "." in file.stem:
        raise ConfigurationError(f"application file {place} cannot be imported by that name; name it like app.py")
    return Target(text, file.parent, file.stem, file, attribute)


def _import(target: Target) -> ModuleType:
    folder = str(target.folder)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    try:
        with keeping_all():
            module = importlib.import_module(target.module)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{target.module}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"application module {target.module} is not found from {target.folder}; give {_FORMS}"
            ) from error
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if target.file is not None and "no known parent package" in what:
            package = f"{target.folder.name}.{target.module}"
            what += f"; it is part of a package, so name it as a module, from the folder above: {package}"
        raise AppImportError(f"{target.text} cannot be imported: {what}", users_traceback(error)) from error
    origin = getattr(module, "__file__", None)
    if target.file is not None and (origin is None or Path(origin).resolve() != target.file):
        raise ConfigurationError(
            f"application file {target.text} has the name of another module, {target.module} "
            f"({origin or 'built into Python'}); rename the file"
        )
    return module


def _named(module: ModuleType, target: Target) -> Torpor:
    from torpor import Torpor  # noqa: PLC0415  # as above

    value: object = module
    for name in target.attribute.split("."):
        value = getattr(value, name, None)
    if not isinstance(value, Torpor):
        known = ", ".join(sorted(applications(module))) or "none"
        raise ConfigurationError(
            f"{target.text}: {target.attribute} is no Torpor application; applications in {target.module}: {known}"
        )
    return value


def users_traceback(error: BaseException) -> str:
    """Return a traceback without the frames of Torpor and of Python's import machinery."""
    shown = traceback.TracebackException.from_exception(error)
    ahead = [shown]
    while ahead:
        one = ahead.pop()
        kept = [frame for frame in one.stack if not frame.filename.startswith(_NOT_THE_USERS)]
        one.stack = traceback.StackSummary.from_list(kept)
        ahead += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "".join(shown.format()).rstrip("\n")


def _is_dotted_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
