"""
What Node 20 answers to cases of JavaScript, recorded, so that tests need no Node.

``python -m tests.guests.quickjs.node.record`` asks the Node at hand again, and writes its answers down.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ANSWERS = Path(__file__).parent / "answers.json"
MEMBERS = Path(__file__).parent / "members.json"
LIST_MEMBERS = (Path(__file__).parent / "members.js").read_text("utf-8")
MAJOR = 20
_SCRIPT = Path(__file__).parent / "answers.mjs"
_ENGLAND = {"TZ": "UTC", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}


def recorded() -> dict[str, dict[str, Any]]:
    """Return case → its ``body``, that of an async function, and Node's ``answer``."""
    cases: dict[str, dict[str, Any]] = json.loads(ANSWERS.read_text("utf-8"))
    return cases


def members() -> list[str]:
    """Return the globals of Node and their members."""
    names: list[str] = json.loads(MEMBERS.read_text("utf-8"))
    return names


def ask_members(node: str) -> list[str]:
    """Return the globals and members that a Node has."""
    names: list[str] = ask(node, {"members": {"body": LIST_MEMBERS}})["members"]
    return names


def ask(node: str, cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a Node answers, in UTC and American English."""
    asked = json.dumps([[name, case["body"]] for name, case in cases.items()])
    run = subprocess.run(
        [node, str(_SCRIPT)], input=asked, capture_output=True, text=True, env=os.environ | _ENGLAND, check=True
    )
    answers: dict[str, Any] = json.loads(run.stdout)
    return answers


def main() -> None:
    """Ask the Node at hand, and write down what it says."""
    cases = recorded()
    for name, answer in ask("node", cases).items():
        cases[name]["answer"] = answer
    MEMBERS.write_text(json.dumps(ask_members("node"), indent=0) + "\n", "utf-8")
    ANSWERS.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
