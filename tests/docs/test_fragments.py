"""Every block of code in ``docs/`` is run, as a file of its page or after what it presumes, or says why it is not."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from symtable import symtable

import pytest

from tests.codec import classes_of_an_application as application
from tests.docs.fragments import Block, Presumes, blocks, run_fragment
from tests.docs.pages import DOCS
from tests.docs.presumed import NOT_RUN, PRESUMED
from tests.docs.test_pages import WITH_EXAMPLES
from torpor.codec.types.classes import registration_named, registration_of
from torpor.errors import TorporError

BLOCKS = blocks()
CODE = ("python", "js", "javascript", "ts", "typescript")
FRAGMENTS = [block for block in BLOCKS if block.kind in CODE and not block.title]
TESTS = "\n".join(each.read_text(encoding="utf-8") for each in Path(__file__).parent.glob("test_*.py"))


def told_of(fragment: Block) -> list[str]:
    """Return the pieces by which the tables know a fragment."""
    known = [(each.page, each.piece) for each in PRESUMED] + list(NOT_RUN)
    return [piece for page, piece in known if page == fragment.page and piece in fragment.text]


def test_every_fragment_says_what_it_presumes() -> None:
    """A new one gets an entry in ``presumed.py``, or becomes a whole file; an entry that fits nothing goes."""
    unknown = [fragment.place for fragment in FRAGMENTS if len(told_of(fragment)) != 1]
    assert unknown == [], "say in tests/docs/presumed.py what they presume, or give them a title and run the file"
    found = [piece for fragment in FRAGMENTS for piece in told_of(fragment)]
    assert sorted(found) == sorted([each.piece for each in PRESUMED] + [piece for _, piece in NOT_RUN])


def test_a_new_fragment_is_unknown() -> None:
    """One that nobody has an entry for is told; so is one that two entries fit."""
    assert told_of(Block("agents.md", 1, "python", "", "agent = Agent('house')\n")) == []
    assert len(told_of(Block("values.md", 1, "python", "", "class Account: ...\ndef migrate(): ...\n"))) == 2


def test_a_fragment_that_is_wrong_fails(tmp_path: Path) -> None:
    """With the error of its program, which is made although nothing is started."""
    text = (
        "import os\n\nFEE = int(os.environ.get('FEE', '7'))\n\n@app.workflow\nasync def fee() -> int:\n    return FEE\n"
    )
    wrong = Block("deploying.md", 1, "python", "", text)
    with pytest.raises(TorporError, match="environ"):
        run_fragment(wrong, Presumes("deploying.md", "", before="from torpor import Torpor\napp = Torpor()"), tmp_path)


def test_a_fragment_registers_classes_of_its_own(tmp_path: Path) -> None:
    """Whatever others have registered under that name, which is theirs again behind it."""
    theirs = "shop.Money"
    text = f"import torpor\n\n@torpor.serializable(name={theirs!r})\nclass Money:\n    pass\n"
    for line in (1, 2):
        run_fragment(Block("values.md", line, "python", "", text), Presumes("values.md", ""), tmp_path)
    assert registration_named(theirs).cls is application.Money
    assert registration_of(application.Money) is registration_named(theirs)


@pytest.mark.parametrize(
    "presumes",
    [
        pytest.param(each, id=f"{each.page}-{each.piece}", marks=[pytest.mark.long] if each.long else [])
        for each in PRESUMED
    ],
)
def test_a_fragment_runs(presumes: Presumes, tmp_path: Path) -> None:
    """After what it presumes it does what its page says."""
    (fragment,) = [each for each in FRAGMENTS if each.page == presumes.page and presumes.piece in each.text]
    run_fragment(fragment, presumes, tmp_path)


def test_every_page_with_files_is_followed() -> None:
    """By a test that writes them; those that are named by a comment are found by ``test_pages.py``."""
    with_files = {block.page for block in BLOCKS if block.title and block.page not in WITH_EXAMPLES}
    assert [page for page in sorted(with_files) if f'"{page}"' not in TESTS] == []


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.kind == "python"], ids=lambda each: each.place)
def test_python_compiles(block: Block) -> None:
    """And what it imports of Torpor is there."""
    for node in ast.walk(block.tree()):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] == "torpor":
                for alias in node.names:
                    assert _is_there(module, alias.name), f"{module} has no {alias.name}"
            case ast.Import():
                for alias in node.names:
                    if alias.name.partition(".")[0] == "torpor":
                        assert _is_module(alias.name), f"there is no {alias.name}"


@pytest.mark.parametrize(
    ("module", "name", "there"),
    [
        ("torpor", "Torpor", True),
        ("torpor", "errors", True),
        ("torpor", "Torpid", False),
        ("torpor.integrations.litestar", "TorporPlugin", True),
        ("torpor.integrations.litestar", "fasten", False),
        ("torpor.integrations.litestar", "len", False),
        ("torpor.integrations.heron", "TorporPlugin", False),
        ("torpor.heron.flask", "Torpor", False),
    ],
)
@pytest.mark.parametrize("is_installed", [True, False])
def test_what_torpor_has_is_known_without_the_framework(
    module: str, name: str, there: bool, is_installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong name is told where the framework is missing too, and where it is not."""
    if not is_installed:
        monkeypatch.setitem(sys.modules, "litestar", None)
        monkeypatch.delitem(sys.modules, "torpor.integrations.litestar", raising=False)
    assert _is_there(module, name) is there


def _is_module(name: str) -> bool:
    """Tell whether there is a module, which is not imported: it may need a framework that is not installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even its package
        return False


def _is_there(module: str, name: str) -> bool:
    """Tell whether a module of Torpor has a name, by its text where what it imports is not installed."""
    if not _is_module(module):
        return False
    try:
        found = hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "torpor":
            raise
        found = name in _defined_by(module)
    return found or _is_module(f"{module}.{name}")


def _defined_by(module: str) -> set[str]:
    """Return the names that the text of a module gives a meaning."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    names = symtable(text, spec.origin, "exec").get_symbols()
    return {each.get_name() for each in names if each.is_assigned() or each.is_imported()}


@pytest.mark.parametrize("block", [each for each in BLOCKS if each.kind == "json"], ids=lambda each: each.place)
def test_json_parses(block: Block) -> None:
    """Whatever it is an example of."""
    json.loads(block.text)


def test_none_is_overlooked() -> None:
    """A fence in a language of code that is neither a file nor a fragment would be one that nobody looks at."""
    pages = {block.page for block in BLOCKS}
    count = sum(
        len(re.findall(rf"^ *```(?:{'|'.join(CODE)})\b", (DOCS / page).read_text("utf-8"), re.MULTILINE))
        for page in pages
    )
    assert count == sum(block.kind in CODE for block in BLOCKS)
