"""What the guest has of the web and of JavaScript's library answers what Node 20 answers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.guests.quickjs.conftest import Author
from tests.guests.quickjs.node.record import LIST_MEMBERS, MAJOR, ask, ask_members, members, recorded
from torpor.guests.quickjs import QuickJS

CASES = recorded()
PAGE = Path(__file__).parents[3] / "docs" / "javascript.md"


def node_20() -> str | None:
    """Return the Node at hand, if its answers are those that are recorded."""
    node = shutil.which("node")
    if node is None:
        return None
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return node if version.startswith(f"v{MAJOR}.") else None


@pytest.fixture(scope="module")
def answers(guest: QuickJS, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the guest answers to all cases, asked in one run."""
    bodies = "\n".join(f"async function case{n}() {{ {case['body']} }}" for n, case in enumerate(CASES.values()))
    names = ", ".join(f"case{n}" for n in range(len(CASES)))
    author = Author(guest, Path(tmp_path_factory.mktemp("node")))
    run = author.run(f"""{bodies}
export async function main() {{
  "use workflow";
  const answers = [];
  for (const body of [{names}]) {{
    try {{
      answers.push((await body()) ?? null);
    }} catch (error) {{
      answers.push(`${{error.name}}: ${{error.message}}`);
    }}
  }}
  return JSON.stringify(answers);
}}""")
    try:
        return dict(zip(CASES, json.loads(run.begin().value), strict=True))
    finally:
        author.release()


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_node_s(answers: dict[str, Any], name: str) -> None:
    """The same value, or an error of the same name and message."""
    assert answers[name] == CASES[name]["answer"]


@pytest.mark.skipif(node_20() is None, reason=f"there is no Node {MAJOR} here to ask")
def test_node_still_answers_so() -> None:
    """What is recorded is what the Node at hand says."""
    assert ask(str(node_20()), CASES) == {name: case["answer"] for name, case in CASES.items()}
    assert ask_members(str(node_20())) == members()


def test_the_page_lists_what_is_absent(author: Author) -> None:
    """Every global of Node's, and every member of one, is there or on the page, and nothing that is there is on it."""
    has = set(author.run(f'export async function main() {{ "use workflow"; {LIST_MEMBERS} }}').begin().value)
    lacks = [name for name in members() if name not in has]
    absent = [name for name in lacks if "." not in name]
    missing = [name for name in lacks if "." in name and name.partition(".")[0] not in absent]
    page = PAGE.read_text("utf-8")

    assert listed(page, "These globals are absent") == sorted(absent)
    assert listed(page, "These members of what is there are absent") == sorted(missing)
    refused = [name for name in ("setTimeout", "fetch", "clearTimeout", "setImmediate") if name in has]
    assert refused == ["setTimeout", "fetch", "clearTimeout", "setImmediate"]


def listed(page: str, heading: str) -> list[str]:
    """Return the names in the paragraph of code behind the one that begins so; names of one class stand together."""
    paragraphs = page.split("\n\n")
    at = next(place for place, text in enumerate(paragraphs) if text.startswith(heading))
    found = []
    for quoted in re.findall(r"``.+?``|`[^`]+`", paragraphs[at + 1], re.DOTALL):
        first, *others = quoted.strip("`").split() if not quoted.startswith("``") else quoted[2:-2].split()
        found += [first, *(f"{first.partition('.')[0]}.{name}" for name in others)]
    return sorted(found)
