"""What the guest has of the web and of JavaScript's library answers what Node 20 answers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.guests.quickjs.conftest import Author
from tests.guests.quickjs.node.record import MAJOR, ask, recorded
from torpor.guests.quickjs import QuickJS

CASES = recorded()


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
