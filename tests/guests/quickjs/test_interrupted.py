"""Where workflow code was when its CPU time was over, told by the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guests.quickjs.conftest import Author
from torpor.codec.errors import remembered_traceback
from torpor.errors import CpuLimitError
from torpor.guests.quickjs import QuickJS
from torpor.vm.limits import Limits

SPIN = "function spin(n) {\n  n = Math.abs(n);\n  for (;;)\n    n = Math.abs(n);\n}"
"""What is told of a loop is what comes before it, or a call in it: lines 2 and 4."""


@pytest.fixture(scope="module")
def hasty() -> Iterator[QuickJS]:
    """A guest with little time."""
    guest = QuickJS(limits=Limits(cpu_seconds=0.3), pool_size=1)
    yield guest
    guest.close()


@pytest.fixture
def author(hasty: QuickJS, tmp_path: Path) -> Iterator[Author]:
    """An author whose runs have little time."""
    author = Author(hasty, tmp_path)
    yield author
    author.release()


def told(author: Author, body: str, before: str = "", file: str = "flow.js") -> list[str]:
    """Return the lines that are told of a workflow that passes its limit."""
    flow = f'{before}\nexport async function main(input) {{ "use workflow";\n{body}\n}}\n'
    with pytest.raises(CpuLimitError) as raised:
        author.run({file: flow}).begin({})
    return (remembered_traceback(raised.value) or "").split("\n")


def frames(lines: list[str]) -> list[tuple[str, str, int]]:
    """Return function, file and line of each frame."""
    found = [re.fullmatch(r"    at (\S+) \((\S+?)(?::(\d+))?(?::\d+)?\)", line) for line in lines[1:]]
    return [(each[1], each[2], int(each[3] or 0)) for each in found if each]


@pytest.mark.parametrize(
    ("body", "before", "names", "lines", "caller"),
    [
        ("spin(1);", SPIN, ["spin", "main"], {2, 4}, 7),
        ("input.n;\nfor (;;)\n  Math.abs(1);", "", ["main"], {3, 5}, 0),
        ("[2, 1].sort(() => {\n spin(1); });", SPIN, ["spin", "<anonymous>", "sort", "main"], {2, 4}, 8),
        ("new A().m(input);", "class A { m(x) { x.n; for (;;) x.n; } }", ["m", "main"], {1}, 3),
        ("await null;\nawait spin(1);", f"async {SPIN}", ["spin", "main"], {2, 4}, 8),
        ("await spin();", "async function spin() {\n  for (;;) await null;\n}", ["spin"], {1, 2}, 0),
        ("/(a+)+$/.test('a'.repeat(60) + 'b');", "", ["exec", "test", "main"], {0}, 0),
        ("try { spin(1); } catch {} finally { input.n; }", SPIN, ["spin", "main"], {2, 4}, 7),
        ("const a = new Array(100_000).fill(1);\nfor (;;) JSON.stringify(a);", "", ["main"], {3, 4}, 0),
    ],
    ids=["function", "loop", "callback", "method", "resumed", "microtasks", "pattern", "caught", "long rounds"],
)
def test_the_functions_that_time_went_to(
    author: Author, body: str, before: str, names: list[str], lines: set[int], caller: int
) -> None:
    """
    Innermost first, as JavaScript shows them, with the author's lines and none of Torpor's.

    Nothing catches it. Where rounds are long, the engine would ask only after minutes.
    """
    shown = told(author, body, before)

    assert shown[0].startswith(
        "torpor.errors.CpuLimitError: a turn used more than 0.3 s of CPU time; look for an endless"
    )
    assert [name for name, _, _ in frames(shown)] == names
    assert frames(shown)[0][2] in lines
    assert {file for _, file, _ in frames(shown)} <= {"./flow.js", "native"}
    if caller:
        assert frames(shown)[1][2] == caller


def test_a_program_that_never_loads(author: Author) -> None:
    """The error says which program, and where it was: there is no run yet that could tell."""
    with pytest.raises(
        CpuLimitError, match=r"^the program \./flow\.js does not load: a turn used more than 0\.3 s"
    ) as raised:
        author.run({"flow.js": f'{SPIN}\nspin(1);\nexport async function main() {{ "use workflow"; }}\n'})

    shown = frames(str(raised.value).split("\n"))
    assert [name for name, _, _ in shown][:2] == ["spin", "<anonymous>"]
    assert shown[0][2] in {2, 4}
    assert shown[1][1:] == ("./flow.js", 6)


def test_code_that_makes_stacks_of_its_own(author: Author) -> None:
    """The calls are known all the same, but for how far the innermost function came."""
    shown = told(author, "Error.prepareStackTrace = () => { for (;;); };\nspin(1);", SPIN)

    assert frames(shown) == [("spin", "./flow.js", 0), ("main", "./flow.js", 8)]


def test_lines_of_typescript(author: Author) -> None:
    """Types are blanked where they stand."""
    before = "interface A {\n  n: number;\n}\nfunction spin(a: A): never {\n  for (;;) a.n;\n}"

    assert frames(told(author, "spin({ n: 1 });", before, "flow.ts"))[1:] == [("main", "./flow.ts", 8)]
