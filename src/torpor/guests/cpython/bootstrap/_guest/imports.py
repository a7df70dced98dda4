"""
What libraries do while the program imports them.

Many seed a generator, read the clock or draw entropy in module scope. That does not keep the image from being shared:
it is done once, with the clock and the entropy of the image, and what must differ between runs is made anew when a run
begins: generators that seeded themselves, and names that a bundled package bound to what it drew. Only the author's own
modules are evaluated for each run when they read or draw; they may keep a value that is to be a run's own.
"""

from __future__ import annotations

import ast
import os
import random
import struct
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import _bootstrap
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from .entropy import seed_numpy
from .finder import OWN, deep, finder, is_authors
from .host import derived, impurity

_NUMPY = "numpy.random"
"""Has a generator of its own, which is seeded anew."""

_HARMLESS = (_NUMPY, "multiprocessing.process")
"""Modules whose draws make no difference; the second one's is a password between processes, and there are none."""


class _Redone:
    """A statement of a library that is to be evaluated again in every run, and where else its values are known."""

    def __init__(self, code: CodeType, scope: dict[str, Any], names: list[str]) -> None:
        self._code, self._scope = code, scope
        values = [(name, scope[name]) for name in names]
        others = [vars(module) for module in list(sys.modules.values()) if vars(module) is not scope]
        self._copies = [(other, key, name) for name, value in values for other in others for key in _keys(other, value)]

    def __call__(self) -> None:
        exec(self._code, self._scope)  # noqa: S102  # the library's own statement, for the second time
        for other, key, name in self._copies:
            other[key] = self._scope[name]


class Imports:
    """
    Tells what libraries read and draw at their import from what the author's modules do.

    Attributes:
        place: ``file:line`` of a draw in a library that cannot be made anew for each run, None without one.
    """

    def __init__(self) -> None:
        self.place: str | None = None
        self._excused = (0, 0)  # reads of the clock, draws
        self._mark = (0, 0)
        self._state: object = None
        self._is_library = False
        self._generators: list[weakref.ref[random.Random]] = []
        self._draws: list[tuple[FrameType, int, str]] = []  # a library's module scope, the instruction, the place
        self._redone: list[_Redone] = []

    @property
    def own(self) -> tuple[int, int]:
        """How often the author's modules have read the clock and drawn entropy."""
        reads, draws = _counters()
        return reads - self._excused[0], draws - self._excused[1]

    @property
    def excused(self) -> bytes:
        """What is to be forgiven, for the host."""
        return struct.pack("<II", *self._excused)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch imports, generators and draws while the block runs."""
        find_and_load = vars(_bootstrap)["_find_and_load"]  # all imports go through it
        seed, draw = random.Random.seed, os.urandom
        changed: list[tuple[Any, str, Any, Any]] = [
            (_bootstrap, "_find_and_load", self._importing(find_and_load), find_and_load),
            (random.Random, "seed", self._seeding(seed), seed),
            (os, "urandom", self._drawing(draw), draw),
            (random, "_urandom", self._drawing(draw), draw),
        ]
        for owner, name, mine, _ in changed:
            setattr(owner, name, mine)
        try:
            yield
        finally:
            for owner, name, _, former in changed:
                setattr(owner, name, former)
        self._settle()

    def renew(self) -> None:
        """Make anew, with the entropy of a run that begins, what libraries made for the image."""
        self.reseed()
        for redo in self._redone:
            redo()

    def reseed(self) -> None:
        """Seed the generators of libraries with the run's own secret."""
        for number, generator in enumerate(self._generators):
            found = generator()
            if found is not None:
                random.Random.seed(found, derived(b"generator %d" % number))
        if _NUMPY in sys.modules:
            seed_numpy(sys.modules[_NUMPY])

    def _importing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def find_and_load(name: str, import_: Any) -> Any:
            is_library = not is_authors(finder.sources.get(name, ("",))[0])
            if is_library is self._is_library:
                return original(name, import_)
            self._enter(is_library)
            try:
                return original(name, import_)
            finally:
                self._enter(not is_library)

        return find_and_load

    def _enter(self, is_library: bool) -> None:
        now = _counters()
        if is_library:
            self._mark, self._state = now, random.getstate()
        else:
            (reads, draws), (from_reads, from_draws) = self._excused, self._mark
            self._excused = reads + now[0] - from_reads, draws + now[1] - from_draws
            if random.getstate() != self._state:
                random.setstate(self._state)  # type: ignore[arg-type]  # a state of it
        self._is_library = is_library

    def _seeding(self, original: Callable[..., None]) -> Callable[..., None]:
        def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
            if self._is_library and (a is None or _is_now(a)):
                self._generators.append(weakref.ref(generator))
            original(generator, a, version)

        return seed

    def _drawing(self, original: Callable[[int], bytes]) -> Callable[[int], bytes]:
        def urandom(size: int) -> bytes:
            frame = _module_scope(sys._getframe(1)) if self._is_library else None  # noqa: SLF001  # no other way to ask
            if frame is not None and not str(frame.f_globals.get("__name__")).startswith(_HARMLESS):
                self._draws.append((frame, frame.f_lasti, _place(sys._getframe(1), frame)))  # noqa: SLF001  # as above
            return original(size)

        return urandom

    def _settle(self) -> None:
        """See to what libraries drew in module scope."""
        for frame, instruction, place in self._draws:
            redone = _redone(frame, instruction)
            if redone is None:
                self.place = self.place or place
            else:
                self._redone.append(redone)
        self._draws.clear()


imports = Imports()


def _counters() -> tuple[int, int]:
    reads, draws = struct.unpack("<II", impurity())
    return reads, draws


def _is_now(seed: object) -> bool:
    """Tell whether a generator is seeded by the time, which stands still while the image is made."""
    now = time.time_ns()
    return isinstance(seed, int | float) and any(int(seed) == now // unit for unit in (10**9, 10**6, 10**3, 1))


def _module_scope(frame: FrameType | None) -> FrameType | None:
    """Return the frame of the module whose evaluation has led here."""
    while frame is not None and (frame.f_code.co_name != "<module>" or frame.f_code.co_filename.startswith(OWN)):
        frame = frame.f_back
    return frame


def _place(frame: FrameType | None, scope: FrameType) -> str:
    """Return ``file:line`` of the frame nearest to a draw that is in the file of a module scope."""
    while frame is not None and frame.f_code.co_filename != scope.f_code.co_filename:
        frame = frame.f_back
    return f"{scope.f_code.co_filename}:{(frame or scope).f_lineno}"


def _redone(frame: FrameType, instruction: int) -> _Redone | None:
    """Return how to do again what a module does at an instruction; None unless it is a plain assignment to names."""
    scope, file = frame.f_globals, frame.f_code.co_filename
    label, text = finder.sources.get(str(scope.get("__name__")), ("", ""))
    line, _, column, _ = next(islice(frame.f_code.co_positions(), instruction // 2, None), (None,) * 4)
    if label != file or line is None or column is None:  # only bundled packages have sources
        return None
    with deep():
        tree = ast.parse(text)
    for statement in tree.body:
        begin, end = (statement.lineno, statement.col_offset), (statement.end_lineno, statement.end_col_offset)
        if begin <= (line, column) < end:
            match statement:
                case ast.Assign(targets=targets):
                    pass
                case ast.AnnAssign(target=target, value=ast.expr()):
                    targets = [target]
                case _:
                    return None
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if len(names) < len(targets) or not scope.keys() >= set(names):
                return None
            code = compile(ast.Module([statement], []), file, "exec", dont_inherit=True)
            return _Redone(code, scope, names)
    return None


def _keys(scope: dict[str, Any], value: object) -> list[str]:
    return [key for key, found in list(scope.items()) if found is value]
