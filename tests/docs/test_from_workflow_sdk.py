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


MIXED = """
import asyncio

from torpor import Torpor
from torpor.testing import Testbed

app = Torpor()


@app.step
async def invoice(order: str) -> str:
    return f"{order} is invoiced"


FRAGMENT


@app.workflow
async def pay(order: str) -> str:
    return await charge(order, 5)


async def main() -> None:
    async with Testbed(app, timeout=60) as torpor:
        print(await (await torpor.start("bill", "o-2")).result())
        print(await (await torpor.start(pay, "o-3")).result())


if __name__ == "__main__":
    asyncio.run(main())
"""

BILL = """
export async function bill(order: string) {
  "use workflow";
  return (await invoice(order)) as string;
}
"""


def _install(folder: Path) -> None:
    """Put an empty project there, with what npm installs."""
    (folder / "web" / "workflows").mkdir(parents=True)
    (folder / "web" / "package.json").write_text(json.dumps({"name": "web"}), "utf-8")
    (folder / "web" / "node_modules").symlink_to(modules(VERSIONS["5"]))


@pytest.mark.network
def test_the_new_project_does_what_the_page_says(tmp_path: Path) -> None:
    """The files run as they are pasted; what npm installs is what the page installs, from the tests' own cache."""
    install, *_ = [text for kind, text in BLOCKS if kind == "sh"]
    assert f"npm install workflow@{VERSIONS['5']}" in install
    _install(tmp_path)
    assert write_files(PAGE, tmp_path) == ["web/workflows/orders.ts", "app.py"]
    [printed] = [text for kind, text in BLOCKS if kind == ""]
    done = run_python(tmp_path, "app.py")
    assert done.stdout == printed, done.stderr


@pytest.mark.long
@pytest.mark.network
def test_steps_in_both_languages(tmp_path: Path) -> None:
    """Either calls the other's as the page shows."""
    _install(tmp_path)
    write_files(PAGE, tmp_path)
    typescript, python = (next(text for kind, text in BLOCKS if kind == name) for name in ("ts", "python"))
    (tmp_path / "web" / "workflows" / "bills.ts").write_text(typescript + BILL, "utf-8")
    (tmp_path / "app.py").write_text(MIXED.replace("FRAGMENT", python), "utf-8")
    done = run_python(tmp_path, "app.py")
    assert done.stdout == "o-2 is invoiced\no-3 paid 5\n", done.stderr


def test_what_is_told_is_so() -> None:
    """Settings are called what they are called."""
    assert f"`{NODE}`" in TEXT
