"""Which of CPython's test modules are run, and which files they need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from torpor.vm.guest import Program

ASYNCIO: Final = tuple(
    f"test.test_asyncio.test_{name}"
    for name in """
    buffered_proto context eager_task_factory futures futures2 graph locks pep492 protocols queues runners staggered
    streams taskgroups tasks threads timeouts transports waitfor
    """.split()  # noqa: SIM905  # a list to read
)

OTHERS: Final = tuple(
    f"test.test_{name}"
    for name in """
    abc argparse array asyncgen base64 binascii bisect bool builtin bytes calendar cmath codecs collections colorsys
    complex configparser context contextlib contextlib_async copy coroutines csv dataclasses datetime decimal
    defaultdict deque dict difflib email enum exception_group except_star exceptions float fnmatch format fractions
    fstring functools generators genericalias getopt graphlib hashlib heapq hmac html int ipaddress isinstance iter
    itertools json keyword list listcomps long math named_expressions operator ordered_dict pathlib patma pickle
    pprint quopri random range re reprlib sched secrets set shlex slice sort sqlite3 statistics str string
    strptime struct super textwrap tomllib traceback tuple types typing unicodedata urlparse uuid weakref
    with xml_etree yield_from zlib zoneinfo
    """.split()  # noqa: SIM905  # as above
)

ALL: Final = (*ASYNCIO, *OTHERS)

ENTRY: Final = "conformance_inside"
WORKFLOW: Final = "workflow//conformance//main"

_ALWAYS: Final = ("test", "test.support", "test.support.os_helper")
_DATA: Final = {"test.test_math": "mathdata", "test.test_cmath": "mathdata"}
"""Folders of ``test`` whose files a module reads at once; all other files are missing in the guest."""

_FROM: Final = re.compile(r"^\s*from\s+(\.*)([\w.]*)\s+import\s+(\([^)]*\)|[^\n#;]*)", re.MULTILINE)
_IMPORT: Final = re.compile(r"^\s*import\s+([\w., ]+)", re.MULTILINE)
_TEXT: Final = re.compile(r"[\"'](test\.[\w.]+)[\"']")


def parts_of(folder: Path, module: str) -> list[str]:
    """Return the modules whose tests belong to a module: itself, and those of a package."""
    package = folder.joinpath(*module.split("."))
    return [module, *(_dotted(folder, path) for path in sorted(package.rglob("test_*.py")))]


def data_of(folder: Path, module: str) -> dict[str, str]:
    """Return the files that a module finds in the guest: path → text."""
    found = sorted((folder / "test" / _DATA[module]).glob("*")) if module in _DATA else []
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in found}


def program_of(folder: Path, module: str, build: str) -> Program:
    """
    Return a program that runs the tests of a module.

    Args:
        folder: where CPython's package ``test`` lies.
        module: dotted name, such as ``test.test_json``.
        build: the guest's.

    Raises:
        FileNotFoundError: there is no such module.
    """
    if _file(folder, module) is None:
        raise FileNotFoundError(f"{folder} has no module {module}")
    files = {"conformance/inside.py": (Path(__file__).parent / "inside.py").read_text("utf-8")}
    modules = {ENTRY: "conformance/inside.py"}
    for name, path in _reached(folder, [*_ALWAYS, *parts_of(folder, module)]):
        label = path.relative_to(folder).as_posix()
        files[label], modules[name] = path.read_text("utf-8"), label
    return Program(
        guest="cpython",
        build=build,
        files=files,
        entries=[ENTRY],
        workflows={WORKFLOW: (ENTRY, "main")},
        modules=modules,
    )


def _reached(folder: Path, todo: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield names and files of modules, and of those of ``test`` that they import, as far as their texts tell."""
    seen = set[str]()
    while todo:
        name = todo.pop()
        path = _file(folder, name)
        if name in seen or path is None:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        todo += [parent, *_imported(path.read_text("utf-8"), name if path.name == "__init__.py" else parent)]
        yield name, path


def _imported(text: str, package: str) -> Iterator[str]:
    for dots, base, names in _FROM.findall(text):
        above = package.split(".")[: len(package.split(".")) + 1 - len(dots)] if dots else []
        name = ".".join([*above, *filter(None, [base])])
        yield name
        yield from (f"{name}.{each.split()[0]}" for each in names.strip("()").split(",") if each.split())
    for names in _IMPORT.findall(text):
        yield from (each.split()[0] for each in names.split(",") if each.split())
    yield from _TEXT.findall(text)  # what is imported by a text


def _file(folder: Path, name: str) -> Path | None:
    if name != "test" and not name.startswith("test."):
        return None
    path = folder.joinpath(*name.split("."))
    candidates = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((each for each in candidates if each.is_file()), None)


def _dotted(folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
