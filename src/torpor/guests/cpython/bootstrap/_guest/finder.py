"""
Imports of what the host gave: Torpor's own modules and the program's, by dotted name.

Authors see their files under the labels of the program, with source lines, in every traceback. This module is the
first one inside the VM and imports nothing of Torpor's.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import CodeType, FrameType, ModuleType

import _host  # type: ignore[import-not-found]  # built into the VM

OWN = "<torpor>/"
"""How the labels of Torpor's own files begin."""

_HIDDEN = (OWN, "<frozen importlib")

_AUTHORS = ("./", "../")
"""How labels of the author's own files begin; those of bundled packages do not."""


@contextmanager
def deep() -> Iterator[None]:
    """Let Python read and compile code that is nested as deep as elsewhere, while the block runs."""
    _host.call(b"K1")
    try:
        yield
    finally:
        _host.call(b"K0")


class SourceFinder:
    """
    Finder and loader of modules from texts.

    Attributes:
        sources: dotted name → (label, text).
        labels: files of the program, as opposed to Torpor's own and the standard library.
        fallback: finds what the program lacks, before the rest of Python is asked.
        imported: what is to be done when a module of that name has been imported from the program.
    """

    def __init__(self) -> None:
        self.sources: dict[str, tuple[str, str]] = {}
        self.labels: set[str] = set()
        self.fallback: Callable[[str], ModuleSpec | None] = lambda _: None
        self.imported: dict[str, Callable[[ModuleType], None]] = {}
        self._packages: set[str] = set()

    def add(self, sources: dict[str, tuple[str, str]]) -> None:
        """Take modules: dotted name → (label, text)."""
        for name, (label, text) in sources.items():
            self.sources[name] = (label, text)
            parts = name.split(".")
            self._packages.update(".".join(parts[:end]) for end in range(1, len(parts)))

    def add_program(self, modules: dict[str, str], files: dict[str, str]) -> None:
        """Take the program: dotted name → label, label → text."""
        self.add({name: (label, files[label]) for name, label in modules.items()})
        for name in modules:
            sys.modules.pop(name, None)  # a file of the author's hides a module of Python's, as in any script
        for label, text in files.items():
            self.labels.add(label)
            lines = [f"{line}\n" for line in text.split("\n")]  # form feeds end no line
            linecache.cache[label] = (len(text), None, lines, label)

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.sources:
            label, _ = self.sources[name]
            spec = ModuleSpec(name, self, origin=label, is_package=label.endswith("/__init__.py"))  # type: ignore[arg-type]  # a loader by its methods
            spec.has_location = True
            return spec
        if name in self._packages:  # a folder without __init__.py
            return ModuleSpec(name, None, is_package=True)
        return self.fallback(name)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), vars(module))  # noqa: S102  # this is what a loader does
        if module.__name__ in self.imported:
            self.imported[module.__name__](module)

    def get_code(self, name: str) -> CodeType:
        label, text = self.sources[name]
        if label.startswith(OWN):
            self.sources[name] = (label, "")  # Torpor's own texts are read once
        with deep():
            return compile(text, label, "exec", dont_inherit=True)

    def get_source(self, name: str) -> str:
        return self.sources[name][1]


finder = SourceFinder()


def install(sources: dict[str, tuple[str, str]]) -> None:
    """Let imports find these modules, before all others."""
    finder.add(sources)
    sys.meta_path.insert(0, finder)


def is_hidden(file: str) -> bool:
    """Tell whether a file is Torpor's own or the import system's, which authors need not see."""
    return file.startswith(_HIDDEN)


def is_authors(file: str) -> bool:
    """Tell whether a file is the author's own, and of no bundled package."""
    return file.startswith(_AUTHORS)


def author_frame(frame: FrameType | None) -> FrameType | None:
    """Return the nearest frame, from this one outwards, that is the program's."""
    while frame is not None and frame.f_code.co_filename not in finder.labels:
        frame = frame.f_back
    return frame


def is_importing() -> bool:
    """Tell whether a module of the program is being evaluated; workflow code may import one late."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # there is no other way to ask
    while frame is not None and (frame.f_code.co_name != "<module>" or frame.f_code.co_filename not in finder.labels):
        frame = frame.f_back
    return frame is not None


def author_place(frame: FrameType | None = None) -> str | None:
    """Return ``file:line`` of the nearest frame of the program's, or None."""
    found = author_frame(frame or sys._getframe(1))  # noqa: SLF001  # there is no other way to ask
    return None if found is None else f"{found.f_code.co_filename}:{found.f_lineno}"
