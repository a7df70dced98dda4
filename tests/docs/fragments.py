"""Blocks of code in pages, and fragments of them, which are run after what they presume."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from tests.django_database import django_file
from tests.docs.pages import DOCS
from torpor.codec.types import classes
from torpor.codec.wire.reducers import forget_classes
from torpor.testing import Testbed
from torpor.testing.model_server import Answer, ModelServer

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w+)(?P<rest>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r'^ title="([^"]+)"$')
_COMMENT = re.compile(r"^# (\w+\.py)\n")
_EXTENSIONS = {"js": "js", "javascript": "js", "ts": "ts"}
_AWAITS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
ROOT = DOCS.parent
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Block:
    """
    A block of a page.

    Attributes:
        page: name of the file.
        line: of its first line of text.
        kind: its language, as the page says.
        title: the file that it is, or a part of; empty for a fragment.
        text: without the indentation of the block.
    """

    page: str
    line: int
    kind: str
    title: str
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"docs/{self.page}:{self.line}"

    def tree(self) -> ast.Module:
        """Return what it is in Python, where ``await`` may stand outside of functions."""
        found = compile(self.text, self.place, "exec", flags=_AWAITS)
        assert isinstance(found, ast.Module)
        return found


def blocks() -> list[Block]:
    """Return the blocks of all pages that have a language."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for each in _FENCE.finditer(text):
            inner = textwrap.dedent(each["text"])
            title = _TITLE.match(each["rest"]) or _COMMENT.match(inner)
            line = text.count("\n", 0, each.start("text")) + 1
            found.append(Block(page.name, line, each["kind"], title[1] if title else "", inner))
    return found


@dataclass(frozen=True)
class Presumes:
    """
    What a fragment presumes, and what it does then.

    In texts ``{folder}`` is the folder of the test, ``{tests}`` that of all tests, ``{python}`` the Python that runs,
    ``{django}`` the file of Django's database, and ``{name}`` the module that is made of *before*, the fragment,
    *behind* and the check. A fragment in JavaScript is in a file of its own with *before* and *behind*, and *beside* is
    the module.

    Attributes:
        page: where it is.
        piece: a piece of its text, which no other fragment of the page has.
        before: code in front of it, in its language.
        behind: code after it.
        within: the head of the function that it is the body of; one of the check by default, if it awaits.
        beside: of a fragment in JavaScript, the module in Python.
        first: what the check does before it awaits.
        check: body of an ``async def`` with the testbed ``torpor``, run at last.
        instead: what stands in for pieces that lead outside.
        files: others in the folder, by their names.
        world: where its application lives.
        long: it is run where tests that take long are.
    """

    page: str
    piece: str
    before: str = ""
    behind: str = ""
    within: str = ""
    beside: str = ""
    first: str = ""
    check: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    world: str = "memory://"
    long: bool = False

    def write(self, fragment: Block, folder: Path) -> str:
        """Write the files into a folder, and return the name of the module."""
        name = f"{fragment.page.removesuffix('.md').replace('-', '_')}_{fragment.line}"

        def told(text: str) -> str:
            return filled(text, folder).replace("{name}", name)

        text = fragment.text
        for piece, other in self.instead.items():
            assert piece in text, f"{fragment.place} has no {piece!r}"
            text = text.replace(piece, told(other))
        for file, content in self.files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(content, encoding="utf-8")
        before, behind, beside, first, check = map(
            told, (self.before, self.behind, self.beside, self.first, self.check)
        )
        if fragment.kind != "python":
            script = folder / f"{name}.{_EXTENSIONS[fragment.kind]}"
            script.write_text(f"{before}\n{text}\n{behind}\n", encoding="utf-8")
            before, text, behind = beside, "", ""
        elif self.within:
            text = f"{self.within}\n{textwrap.indent(text, '    ')}"
        elif _awaits(text):
            check, text = f"{first}\n{text}\n{check}", ""
        check = "async def check(torpor):\n" + textwrap.indent(f"{check}\nreturn", "    ")
        source = f"{before}\n\n{text}\n\n{behind}\n\n{check}\n"
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        return name


def filled(text: str, folder: Path) -> str:
    """Put what is this machine's into a text."""
    text = text.replace("{folder}", str(folder)).replace("{python}", sys.executable).replace("{tests}", str(ROOT))
    return text.replace("{django}", str(django_file())) if "{django}" in text else text


def _awaits(text: str) -> bool:
    try:
        compile(text, "a fragment", "exec")
    except SyntaxError:
        return True
    return False


def run_fragment(fragment: Block, presumes: Presumes, folder: Path) -> None:
    """Import it, have the programs of its application made, and check what it does."""
    with _importing(presumes.write(fragment, folder), folder) as module:
        asyncio.run(_check(module, filled(presumes.world, folder)))


async def _check(module: ModuleType, world: str) -> None:
    app = getattr(module, "app", None)
    if app is None:
        await module.check(None)
        return
    async with Testbed(app, world=world, timeout=TIMEOUT_SECONDS) as torpor:
        await app.store_programs()
        await module.check(torpor)


@contextmanager
def _importing(name: str, folder: Path) -> Iterator[ModuleType]:
    """Import a module of a folder, and forget it, others from there, and what they register, behind the block."""
    with _registering(), pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.chdir(folder)
        try:
            yield importlib.import_module(name)
        finally:
            for each, module in list(sys.modules.items()):
                if str(folder) in str(getattr(module, "__path__", None) or getattr(module, "__file__", None)):
                    del sys.modules[each]


@contextmanager
def _registering() -> Iterator[None]:
    """
    Let a block register classes as in a process of its own, whatever applications of other tests have registered.

    Behind it those are back. What modules that stay have registered meanwhile stays too: they are not run again.
    """
    before = list(classes._by_name.values())
    _register_only(each for each in before if _is_ours(each))
    try:
        yield
    finally:
        meanwhile = [each for each in classes._by_name.values() if each.cls.__module__ in sys.modules]
        _register_only([*before, *meanwhile])


def _is_ours(registration: classes.Registration) -> bool:
    return registration.cls.__module__.partition(".")[0] == "torpor"


def _register_only(registrations: Iterable[classes.Registration]) -> None:
    by_name = {each.name: each for each in registrations}
    classes._by_name.clear()
    classes._by_class.clear()
    classes._by_name.update(by_name)
    classes._by_class.update({each.cls: each for each in by_name.values()})
    forget_classes()


@contextmanager
def model(answer: Answer) -> Iterator[ModelServer]:
    """Let a function answer for OpenAI's models."""
    with ModelServer(answer) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", server.url)
        patch.setenv("OPENAI_API_KEY", "none")
        yield server
