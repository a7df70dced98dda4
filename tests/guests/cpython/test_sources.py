"""What the guest is made of."""

from __future__ import annotations

import ast
import sys

import pytest

from torpor.guests.cpython.sources import LABELS, SHARED, boot_text, guest_sources

SOURCES = guest_sources()
GUEST_ONLY = {"_host", "annotationlib"}


def imports_of(name: str) -> set[str]:
    """Return the absolute names of the modules that a module of the guest's imports."""
    label, text = SOURCES[name]
    package = name if label.endswith("/__init__.py") else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: 1 - node.level or None]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found |= {
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in SOURCES else module for alias in node.names
            }
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_imports_are_there(name: str) -> None:
    """Every module of the guest's imports the standard library or another module of the guest's."""
    missing = {
        module
        for module in imports_of(name) - GUEST_ONLY
        if module not in SOURCES
        and module != "torpor._guest"
        and module.partition(".")[0] not in sys.stdlib_module_names
    }

    assert missing == set()


def test_nothing_is_there_in_vain() -> None:
    """Every shared module is needed by another one, a package by what is in it."""
    needed = {module for name in SOURCES for module in imports_of(name)}
    needed |= {module.rpartition(".")[0] for module in needed}

    assert [name for name in SHARED if f"torpor.{name}" not in needed] == []


def test_labels_are_torpors_own() -> None:
    """Frames of these files are left out of tracebacks by their labels."""
    assert all(label.startswith(LABELS) for label, _ in SOURCES.values())


def test_the_boot_text_compiles() -> None:
    """It needs nothing that a newer Python than the host's has."""
    compile(boot_text(), "boot", "exec")
