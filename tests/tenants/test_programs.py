"""Programs that come as text: what they may have, and what is told of those that may not be."""

from __future__ import annotations

import pytest

from tests.tenants.application import note
from torpor import Quotas, RunFailedError, Torpor
from torpor.codec.errors import remembered_traceback
from torpor.errors import ConfigurationError, CpuLimitError, ProgramError
from torpor.limits import SOURCE_CHARS_MAX

SECONDS = 30

PYTHON = """
from torpor import Torpor, sleep
from steps import note

app = Torpor()

TEXT = '''
async def nothing(): it is a text
'''

async def double(n: int) -> int:
    return n * 2

async def main(n: int, *, more: int = 0) -> list:
    await sleep("1ms")
    run = await app.start(double, n)
    return [await note(n + more), await run.result(), run.id.startswith("@acme:")]
"""

JAVASCRIPT = """
import { note } from "steps";
import { sleep, start } from "workflow";
export async function double(n) { "use workflow"; return n * 2; }
export async function main(n) {
  "use workflow";
  await sleep("1ms");
  const run = await start(double, [n]);
  return [await note(n), await run.returnValue];
}
"""

TYPESCRIPT = """
import { note } from "steps";
export async function main(n: number): Promise<unknown> { "use workflow"; return await note(n as number); }
"""


async def test_python_as_text(app: Torpor) -> None:
    """With a step, a wait, a child of its own program, and arguments by name; asking again starts nothing."""
    acme = app.tenant("acme", allow=[note])
    run = await acme.start(PYTHON, [3], kwargs={"more": 4}, run_id="one")
    assert run.id == "@acme:one"
    assert await run.result(timeout=SECONDS) == [7, 6, True]
    assert (await acme.start(PYTHON, [3], kwargs={"more": 4}, run_id="one")).id == run.id
    usage = (await acme.info()).usage
    assert (usage.runs, usage.open) == (2, 0)
    assert usage.cpu_us > 0
    assert usage.stored > len(PYTHON)


async def test_javascript_and_typescript_as_text(app: Torpor) -> None:
    """The same."""
    acme = app.tenant("acme", allow=[note])
    run = await acme.start(JAVASCRIPT, [3], language="javascript")
    assert await run.result(timeout=SECONDS) == [3, 6]
    run = await acme.start(TYPESCRIPT, [5], language="typescript")
    assert await run.result(timeout=SECONDS) == 5
    assert await acme.check(JAVASCRIPT, language="javascript") == ["double", "main"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1", "the program has no workflow 'main' (it has: none)"),
        ("async def other(): ...", "(it has: other)"),
        ("async def main(:\n pass", "SyntaxError"),
        ("import numpy\nasync def main(): ...", "No module named 'numpy'"),
        ("from steps import unlisted\nasync def main(): ...", "steps has no step 'unlisted' (steps: note)"),
        ("raise ValueError('no')\nasync def main(): ...", "ValueError: no"),
        ("   ", "a program is a text with a workflow in it"),
        ("async def main(): ...\n" + "#" * SOURCE_CHARS_MAX, "a program has up to"),
        ("async def main(): '\ud800'", "is no Unicode text"),
    ],
)
async def test_python_that_may_not_be(app: Torpor, source: str, told: str) -> None:
    """It is told, and nothing is stored: no run, no program."""
    acme = app.tenant("acme", allow=[note])
    before = await app.world.blob_sizes("program/")
    with pytest.raises(ConfigurationError) as caught:
        await acme.start(source)
    assert told in str(caught.value)
    assert await acme.list_runs() == []
    assert await app.world.blob_sizes("program/") == before


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("export const x = 1;", "the program has no workflow 'main' (it has: none)"),
        ('import { unlisted } from "steps";', "main.js:1: 'steps' has no step 'unlisted' (steps: note)"),
        ('\nimport x from "./application.py";', "main.js:2: cannot import './application.py'"),
        ('const fs = await import("fs");', "main.js:1: cannot import 'fs'"),
        ('import "../../../etc/passwd.js";', "main.js:1: cannot import"),
        ('throw new Error("no");', "Error: no"),
    ],
)
async def test_javascript_that_may_not_be(app: Torpor, source: str, told: str) -> None:
    """No file is read, whatever is imported."""
    acme = app.tenant("acme", allow=[note])
    main = '\nexport async function main() { "use workflow"; }' if "x = 1" not in source else ""
    with pytest.raises(ConfigurationError) as caught:
        await acme.start(source + main, language="javascript")
    assert told in str(caught.value)


async def test_a_text_that_computes_while_it_is_loaded_is_ended(app: Torpor) -> None:
    """Within the tenant's bounds, and the place is told."""
    acme = app.tenant("acme", quotas=Quotas(cpu_per_turn=0.1))
    with pytest.raises(CpuLimitError, match=r"main\.py"):
        await acme.start("while True: pass\nasync def main(): ...")


async def test_unknown_languages_and_steps_are_refused(app: Torpor) -> None:
    """The message says what there is."""
    with pytest.raises(ConfigurationError, match="there are javascript, python, typescript"):
        await app.tenant("acme").start("x", language="cobol")  # type: ignore[arg-type]  # what is tried
    with pytest.raises(ConfigurationError, match="which the application does not have"):
        await app.tenant("acme", allow=["step//./nowhere.py//nothing"]).start("async def main(): ...")
    with pytest.raises(ConfigurationError, match="an entry is a step"):
        app.tenant("acme", allow=["application//billing"])
    with pytest.raises(ConfigurationError, match="it is no step"):
        app.tenant("acme", allow=[len])
    with pytest.raises(ConfigurationError, match="is no name of a tenant"):
        app.tenant("Acme:1")


async def test_a_failure_tells_the_place_in_the_text(app: Torpor) -> None:
    """As the author counts lines."""
    acme = app.tenant("acme")
    with pytest.raises(RunFailedError, match="ZeroDivisionError") as caught:
        await (await acme.start("async def main():\n    return 1 / 0\n")).result(timeout=SECONDS)
    assert caught.value.__cause__ is not None
    assert 'main.py", line 2' in (remembered_traceback(caught.value.__cause__) or "")


async def test_programs_must_load_alone(app: Torpor) -> None:
    """Names of another text, and of the application, are not there."""
    acme = app.tenant("acme")
    with pytest.raises(ProgramError, match="No module named 'tests'"):
        await acme.start("import tests.tenants.application\nasync def main(): ...")
