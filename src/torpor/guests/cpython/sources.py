"""
What the Python guest is made of beside CPython itself: module name → (file label, text).

Workflow code imports ``torpor``, which inside the VM is ``bootstrap/api.py``. Errors, durations and the codec are the
host's own files, so that one table of types serves both sides; they are read by path, since this room must not import
the codec. Labels begin with ``<torpor>/``: frames of such files are left out of what authors see.

To boot a VM, run :func:`boot_text` in ``__main__`` and answer its one request ``I`` with :func:`guest_sources` as JSON.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

LABELS: Final = "<torpor>/"

SHARED: Final = (
    "errors",
    "limits",
    "durations",
    "clock",
    "codec.guest",
    "codec.advice",
    "codec.binary_types",
    "codec.class_types",
    "codec.classes",
    "codec.collection_types",
    "codec.custom_types",
    "codec.error_types",
    "codec.errors",
    "codec.exception_types",
    "codec.flatten",
    "codec.hashing",
    "codec.hydrate",
    "codec.instances",
    "codec.javascript_types",
    "codec.json_text",
    "codec.model_types",
    "codec.one_level",
    "codec.paths",
    "codec.python_types",
    "codec.reducers",
    "codec.references",
    "codec.registrations",
    "codec.repeats",
    "codec.table",
    "codec.values",
    "codec.zones",
)
"""Modules of the host that the guest runs verbatim; none of them needs more than the standard library."""

_EMPTY_PACKAGE: Final = '"""The value half of the codec; see torpor.codec.guest."""\n'


def guest_sources() -> dict[str, tuple[str, str]]:
    """Return the guest's own modules by dotted name, in a fixed order."""
    bootstrap = files("torpor.guests.cpython") / "bootstrap"
    sources = {
        "torpor": (f"{LABELS}__init__.py", _text(bootstrap / "api.py")),
        "torpor.codec": (f"{LABELS}codec/__init__.py", _EMPTY_PACKAGE),
        "pydantic": (f"{LABELS}pydantic.py", _text(bootstrap / "pydantic.py")),
    }
    for name in SHARED:
        path = f"{name.replace('.', '/')}.py"
        sources[f"torpor.{name}"] = (f"{LABELS}{path}", _text(files("torpor") / path))
    for entry in sorted((bootstrap / "_guest").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".py"):
            name = f"torpor._guest.{entry.name.removesuffix('.py')}"
            sources[name] = (f"{LABELS}_guest/{entry.name}", _text(entry))
    return sources


def boot_text() -> str:
    """Return what is run in ``__main__`` of a new VM."""
    return _text(files("torpor.guests.cpython") / "bootstrap" / "boot.py")


def _text(file: Traversable) -> str:
    return file.read_text("utf-8")
