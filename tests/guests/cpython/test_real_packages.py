"""Packages from the index, bundled as an application bundles them, in the real VM."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.guests.cpython.conftest import Author, Run
from tests.programs.python.projects import Project
from torpor.guests.cpython import CPython

HEAD = "from torpor import Torpor, hook\napp = Torpor()\n@app.step\nasync def twice(n): ...\n"


class Bundler:
    """Makes runs of one workflow, with packages bundled."""

    def __init__(self, guest: CPython, author: Author, folder: Path) -> None:
        self._guest, self._author, self._folder = guest, author, folder

    def run(self, packages: str, body: str, *, before: str = "") -> Run:
        """Return a run, begun, of a workflow with this body; *before* stands at the beginning of its file."""
        project = Project(self._folder, packages.split())
        workflow = "@app.workflow\nasync def main():\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
        project.write("app.py", f"{before}{HEAD}{workflow}\n")
        program = project.made().program
        return self._author.run(self._guest.load(program)).begin()


@pytest.fixture
def bundler(guest: CPython, author: Author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundler:
    """What bundles."""
    monkeypatch.syspath_prepend(tmp_path)
    return Bundler(guest, author, tmp_path)


def test_task_groups_of_anyio(bundler: Bundler) -> None:
    """They wait for steps, cancel, and time out; anyio imports ssl and socket when the first one is made."""
    body = """
    out = []
    async def work(n):
        out.append(await twice(n))
    async with anyio.create_task_group() as group:
        group.start_soon(work, 1)
        group.start_soon(work, 2)
    with anyio.move_on_after(1) as scope:
        await hook("never")
    out.append(scope.cancelled_caught)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1000)
            await twice(3)
            raise KeyError("k")
    except* KeyError:
        out.append("group")
    return out
    """
    run = bundler.run("anyio idna", body, before="import anyio\n")
    run.complete(2, 4).complete(1, 2)
    run.wake(_newest(run, "wait"), 1000)
    run.complete(_newest(run, "step"), 6)

    assert run.value == [4, 2, True, "group"]


def _newest(run: Run, kind: str) -> int:
    """Return the number of the newest op of a kind."""
    return max(op.n for op in run.ops if op.type == kind)
