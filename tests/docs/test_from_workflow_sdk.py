"""``docs/from-workflow-sdk.md``, followed in an empty directory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, run_python, write_files
from tests.sdk.installed import VERSIONS, modules
from torpor.programs.javascript.sdk_project import NODE

PAGE = "from-workflow-sdk.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.network
def test_the_new_project_does_what_the_page_says(tmp_path: Path) -> None:
    """The files run as they are pasted; what npm installs is what the page installs, from the tests' own cache."""
    install, *_ = [text for kind, text in BLOCKS if kind == "sh"]
    assert f"npm install workflow@{VERSIONS['5']}" in install
    (tmp_path / "web" / "workflows").mkdir(parents=True)
    (tmp_path / "web" / "package.json").write_text(json.dumps({"name": "web"}), "utf-8")
    (tmp_path / "web" / "node_modules").symlink_to(modules(VERSIONS["5"]))
    assert write_files(PAGE, tmp_path) == ["web/workflows/orders.ts", "app.py"]
    [printed] = [text for kind, text in BLOCKS if kind == ""]
    done = run_python(tmp_path, "app.py")
    assert done.stdout == printed, done.stderr


def test_what_is_told_is_so() -> None:
    """Settings are called what they are called."""
    assert f"`{NODE}`" in TEXT
