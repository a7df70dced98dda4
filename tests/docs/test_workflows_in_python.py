"""``docs/workflows-in-python.md``, followed in an empty directory: each file runs, and says what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import environment, run
from tests.docs.pages import DOCS, write_files

PAGE = "workflows-in-python.md"
TEXT = (DOCS / PAGE).read_text(encoding="utf-8")
FILES = [
    *("app.py", "main.py", "patterns.py", "flows/greet.js"),
    *("shop/application.py", "shop/pricing.py", "shop/flows.py", "shop/__main__.py"),
    *("billing.py", "application.py", "test_app.py", "typed.py", "parked.py"),
]
TOLD = dict(re.findall(r"^(\w+) -> (.*)$", TEXT, re.MULTILINE))
"""Workflows of ``patterns.py``, and what they return."""

PATTERNS = """
import asyncio, contextlib, sys, traceback
import patterns
from torpor.testing import Testbed

async def main():
    async with Testbed(patterns.app, world="sqlite:///patterns.db", timeout=60) as torpor:
        async def begin(name, *args):
            run = await torpor.start(getattr(patterns, name), *args)
            if name == "inbox":
                await run.waiting_for(hook="inbox:desk")
                for letter in ("a", "b", "stop"):
                    await torpor.resume_hook("inbox:desk", letter)
            if name == "watchdog":
                await run.waiting_for(hook="beats:pump")
                await torpor.skip("700ms")
                for beat in ("alive", "stop"):
                    await torpor.resume_hook("beats:pump", beat)
            return run
        given = {"inbox": ["desk"], "watchdog": ["pump"]}
        for name in sys.argv[1:]:
            print(name, "->", await (await begin(name, *given.get(name, []))).result())
        await (await torpor.start(patterns.logs, run_id="logs")).result()
        try:
            await (await torpor.start(patterns.order, "tea")).result()
        except Exception as error:
            print(*traceback.format_exception_only(error), sep="")

asyncio.run(main())
"""

PARKED = """
import asyncio
import parked
from torpor.testing import Testbed

async def main():
    async with Testbed(parked.app, world="sqlite:///parked.db") as torpor:
        run = await torpor.start(parked.approval, "desk")
        await run.waiting_for(hook="approve:desk")
        print(run.id)

asyncio.run(main())
"""

BILLING = """
import asyncio
import billing
from application import app
from torpor.testing import Testbed

async def main():
    async with Testbed(app) as torpor:
        run = await torpor.start(billing.give_back, "o-1")
        print(await run.result(), *app.step_names())

asyncio.run(main())
"""


def shown(first: str) -> str:
    """Return the block of the page that begins so."""
    (found,) = re.findall(rf"^```\w*\n({re.escape(first)}.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def alike(text: str) -> str:
    """Take out of a text what differs from machine to machine: ids, hashes, moments and sizes."""
    text = re.sub(r"\bwrun_[0-9A-Z]{26}|\b[0-9a-f]{64}\b|\b\d{4}-\d\d-\d\dT[\d:.]+Z", "…", text)
    return re.sub(r"(sortedcontainers/\w+\.py) .*", r"\1", text).strip()


def python(folder: Path, *args: str, given: str | None = None, returns: int = 0) -> str:
    """Return what Python prints in a folder, without settings for Torpor; with *given* as a terminal shows it."""
    errors = subprocess.PIPE if given is None else subprocess.STDOUT
    done = subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env=environment(),
        input=given,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == returns, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with all that the page shows."""
    assert write_files(PAGE, tmp_path) == FILES
    return tmp_path


def test_the_quick_start(folder: Path) -> None:
    """One process is worker and client."""
    assert python(folder, "main.py") == shown("$ python main.py\n").partition("\n")[2]


def test_each_pattern_returns_what_is_told(folder: Path) -> None:
    """And the log and the traceback are those of the page, to the line."""
    source = (folder / "patterns.py").read_text("utf-8")
    assert {*re.findall(r"^async def (\w+)", source, re.MULTILINE)} >= {*TOLD}
    printed = python(folder, "-c", PATTERNS, *TOLD)
    told = "".join(f"{name} -> {value}\n" for name, value in TOLD.items())
    assert printed.startswith(told), printed
    trace = printed.removeprefix(told).replace(f'"{folder}/', '"/srv/shop/')
    assert alike(trace) == alike(shown("torpor.errors.RunFailedError: "))
    inspected = run(folder, "inspect", "logs", "--logs", "--world", "sqlite:///patterns.db")
    assert alike(inspected) == alike(shown("2026-11-29T09:30:00.017Z  info   print works\n"))


@pytest.mark.long
def test_a_package_is_followed(folder: Path) -> None:
    """What workflow code reaches is in the program, and what is not is told with its reason."""
    (folder / "shop" / "__init__.py").touch()
    assert python(folder, "-m", "shop") == shown("$ python -m shop\n").partition("\n")[2]
    told = shown("$ torpor program show shop.flows\n").partition("\n")[2]
    assert alike(run(folder, "program", "show", "shop.flows")) == alike(told)


def test_a_registry_is_included(folder: Path) -> None:
    """Its steps are named by where they are."""
    printed = python(folder, "-c", BILLING)
    assert printed.startswith("refunded o-1 4200 ")
    (name,) = re.findall(r"as in\n?\s*`(step//[^`]+)`", TEXT)
    assert name in printed


@pytest.mark.long  # it starts a pytest with all of its plugins
def test_the_tests_pass(folder: Path) -> None:
    """As many as the page says."""
    printed = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py")
    assert shown("$ pytest -q test_app.py\n").splitlines()[1] in printed


@pytest.mark.long
def test_types_are_seen(folder: Path) -> None:
    """By a strict checker, which finds the mistakes and no other."""
    checked = python(folder, "-m", "mypy", "--strict", "--no-error-summary", "typed.py", returns=1)
    errors = [line for line in checked.splitlines() if line.startswith("typed.py") and "note: Possible" not in line]
    assert [line for line in errors if "note:     " not in line] == shown("typed.py:8: ").splitlines()


@pytest.mark.long  # it starts three processes
def test_a_parked_run_is_looked_into(folder: Path) -> None:
    """Its tasks and variables are shown, and a prompt takes them."""
    name = python(folder, "-c", PARKED).strip()
    world = ("--world", "sqlite:///parked.db")
    command, _, told = shown("$ torpor inspect wrun_01M7X13G1QF4JERCDA0KYJ2RPM --stack\n").partition("\n")
    assert alike(run(folder, "inspect", name, *command.split()[4:], *world)) == alike(told)
    line, _, answer = shown("$ printf ").partition("\n")
    (asked,) = re.findall("printf '(.*)' ", line)
    asks = asked.replace("\\n", "\n")
    assert alike(python(folder, "-P", "-m", "torpor.cli", "repl", name, *world, given=asks)) == alike(answer)
