"""
What the Python guest is made of beside CPython itself: module name → (file label, text).

Workflow code imports ``torpor``, which inside the VM is ``bootstrap/api.py``. Errors, times, retries and the codec are
the host's own files, so that one table of types serves both sides; they are read by path, as none of them is run here.
Labels begin with ``<torpor>/``: frames of such files are left out of what authors see.

To boot a VM, run :func:`boot_text` in ``__main__`` and answer its one request ``I`` with :func:`guest_sources` as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

LABELS: Final = "<torpor>/"

SHARED: Final = (
    "agents",
    "agents.agent",
    "agents.budget",
    "agents.mcp",
    "agents.messages",
    "agents.models",
    "agents.schemas",
    "agents.tools",
    "compat.vercel",
    "compat.vercel.errors",
    "compat.vercel.facts",
    "compat.vercel.hooks",
    "compat.vercel.runs",
    "compat.vercel.streams",
    "compat.vercel.times",
    "compat.vercel.values",
    "errors",
    "limits",
    "durations",
    "attributes",
    "starting",
    "clock",
    "retries",
    "stream_names",
    "webhook_options",
    "codec.guest",
    "codec.errors",
    "codec.requests",
    "codec.values",
    "codec.types",
    "codec.types.binary",
    "codec.types.classes",
    "codec.types.custom",
    "codec.types.datetimes",
    "codec.types.errnos",
    "codec.types.errors",
    "codec.types.javascript",
    "codec.types.models",
    "codec.types.native",
    "codec.types.python",
    "codec.types.records",
    "codec.types.references",
    "codec.types.table",
    "codec.typing",
    "codec.typing.annotations",
    "codec.typing.containers",
    "codec.typing.conversion",
    "codec.typing.hints",
    "codec.typing.records",
    "codec.typing.scalars",
    "codec.wire",
    "codec.wire.bounds",
    "codec.wire.flatten",
    "codec.wire.hydrate",
    "codec.wire.json_text",
    "codec.wire.reducers",
)
"""Modules of the host that the guest runs verbatim; none of them needs more than the standard library."""

_EMPTY_PACKAGE: Final = '"""The value half of the codec; see torpor.codec.guest."""\n'
_ASKING: Final = "from torpor._guest.agents import ask_host, hook, start\n"
"""The seam between an agent's loop and its run, see :mod:`torpor.agents.asking`."""
_SIDE: Final = "from torpor._guest.vercel import *\n"
"""The seam between the names of another SDK and their run, see :mod:`torpor.compat.vercel.side`."""


@dataclass(frozen=True, slots=True)
class GuestCode:
    """
    The Python that a guest is made of beside CPython.

    Attributes:
        text: run once; it may ask for the message, which is the modules as JSON, and must make them importable.
        modules: dotted name → (label, text); ``torpor._guest.main`` has ``turn``, which takes the host's messages.
    """

    text: str
    modules: Mapping[str, tuple[str, str]]


def torpor_code() -> GuestCode:
    """Return Torpor's own."""
    return GuestCode(boot_text(), guest_sources())


def guest_sources() -> dict[str, tuple[str, str]]:
    """Return the guest's own modules by dotted name."""
    bootstrap = files("torpor.guests.cpython") / "bootstrap"
    sources = {
        "torpor": (f"{LABELS}__init__.py", _text(bootstrap / "api.py")),
        "torpor.agents.asking": (f"{LABELS}agents/asking.py", _ASKING),
        "torpor.compat.vercel.side": (f"{LABELS}compat/vercel/side.py", _SIDE),
        "torpor.codec": (f"{LABELS}codec/__init__.py", _EMPTY_PACKAGE),
    }
    for name in SHARED:
        path = name.replace(".", "/")
        path = f"{path}/__init__.py" if (files("torpor") / path).is_dir() else f"{path}.py"
        sources[f"torpor.{name}"] = (f"{LABELS}{path}", _text(files("torpor") / path))
    for package in ("_guest", "_pydantic"):
        for entry in sorted((bootstrap / package).iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                name = f"torpor.{package}.{entry.name.removesuffix('.py')}".removesuffix(".__init__")
                sources[name] = (f"{LABELS}{package}/{entry.name}", _text(entry))
    return sources


def boot_text() -> str:
    """Return what is run in ``__main__`` of a new VM."""
    return _text(files("torpor.guests.cpython") / "bootstrap" / "boot.py")


def startup_text() -> str:
    """Return what prepares the interpreter before that."""
    return _text(files("torpor.guests.cpython") / "bootstrap" / "startup.py")


def _text(file: Traversable) -> str:
    return file.read_text("utf-8")
