"""Two versions of the application, as they are at work side by side while one is deployed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Final

OLDER: Final = Path(__file__).parent
"""The folder of the version that is at work first."""

_FILES: Final = ("application.py", "flows/soak.js")
_CHECKED: Final = """\
@app.step(backoff=SOON, max_retries=RETRIES)
async def checked(value: int) -> int:
    '''Check a sum.'''
    ledger.note()
    return value


"""
_CHANGES: Final = {
    "application.py": (
        # a step gets a parameter that may be left out, and there is a step that only this version has
        ("async def add(a: int, b: int) -> int:", "async def add(a: int, b: int, scale: int = 1) -> int:"),
        ("    return a + b\n", "    return (a + b) * scale\n"),
        ("@app.step\nasync def fatal", f"{_CHECKED}@app.step\nasync def fatal"),
        (
            "        total = await add(total, i)\n    return total",
            "        total = await add(total, i, 1)\n    return await checked(total)",
        ),
    ),
    "flows/soak.js": (
        ("import { add, fatal,", "import { add, checked, fatal,"),
        (
            "total = await add(total, i);\n  return total;",
            "total = await add(total, i);\n  return await checked(total);",
        ),
    ),
}


def write_newer(folder: Path) -> None:
    """Write the next version into a folder."""
    for name in _FILES:
        text = (OLDER / name).read_text(encoding="utf-8")
        for old, new in _CHANGES[name]:
            assert text.count(old) == 1, f"{name} has {old!r} once"
            text = text.replace(old, new)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def load(folder: Path) -> ModuleType:
    """Import the application that is in a folder; a process has one version."""
    spec = importlib.util.spec_from_file_location("application", folder / "application.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["application"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
