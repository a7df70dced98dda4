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


RAISES = """
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it {}", "broke")
"""


def test_structlog_writes_into_the_runs_log(bundler: Bundler) -> None:
    """With levels, without a time of its own, tracebacks as everywhere in the log."""
    body = "log = structlog.get_logger()\nlog.info('sold', n=3)\nlog.bind(user='u').warning('few', left=[1])\n"
    body += "log.debug('x')\n"
    run = bundler.run("structlog", body + RAISES.replace('"it {}", ', ""), before="import structlog\n")

    assert [(line.level, line.text) for line in run.logs[:3]] == [
        ("info", "sold n=3"),
        ("warn", "few user='u' left=[1]"),
        ("debug", "x"),
    ]
    assert run.logs[3].level == "error"
    assert run.logs[3].text.startswith('broke\nTraceback (most recent call last):\n  File "./app.py", line ')
    assert run.logs[3].text.endswith("ZeroDivisionError: division by zero")


def test_structlog_as_the_program_sets_it_up(bundler: Bundler) -> None:
    """Processors of its own make the text, and the level is still known; the standard library's logging works too."""
    before = "import structlog, logging\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n"
    body = """
    structlog.get_logger().warning("few", n=1)
    own = structlog.stdlib
    structlog.configure(processors=[own.render_to_log_kwargs], logger_factory=own.LoggerFactory())
    structlog.get_logger("shop").error("none")
    """
    run = bundler.run("structlog", body, before=before)

    assert [(line.level, line.text) for line in run.logs] == [
        ("warn", '{"n": 1, "event": "few"}'),
        ("error", "shop: none"),
    ]


def test_loguru_writes_into_the_runs_log(bundler: Bundler) -> None:
    """With levels, without a time of its own, tracebacks as everywhere in the log."""
    body = "log.info('sold {}', 3)\nlog.bind(user='u').warning('few {x}')\nlog.debug('x')\nlog.success('y')\n"
    run = bundler.run("loguru", body + RAISES, before="from loguru import logger as log\n")

    assert [(line.level, line.text) for line in run.logs[:4]] == [
        ("info", "app: sold 3"),
        ("warn", "app: few {x}"),
        ("debug", "app: x"),
        ("info", "app: y"),
    ]
    assert run.logs[4].level == "error"
    assert run.logs[4].text.startswith('app: it broke\nTraceback (most recent call last):\n  File "./app.py", line ')
    assert run.logs[4].text.endswith("ZeroDivisionError: division by zero")


def test_loguru_as_the_program_sets_it_up(bundler: Bundler) -> None:
    """A sink of its own on stderr or stdout has its own format, and the level is still known."""
    before = "import sys\nfrom loguru import logger as log\nlog.remove()\n"
    before += "log.add(sys.stderr, format='<{message}>', colorize=False, level='INFO')\n"
    run = bundler.run("loguru", "log.debug('x')\nlog.info('a\\nb')\nlog.critical('c')", before=before)

    assert [(line.level, line.text) for line in run.logs] == [("info", "<a\nb>"), ("error", "<c>")]


def _newest(run: Run, kind: str) -> int:
    """Return the number of the newest op of a kind."""
    return max(op.n for op in run.ops if op.type == kind)
