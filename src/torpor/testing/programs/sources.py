"""Programs as sources: the same tree in Python and in JavaScript, one function for each node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

from torpor.testing.programs.script import RETRY_MS, Made, Script, nodes

_PYTHON: Final = f"""
import asyncio
import time
from datetime import timedelta
from pathlib import Path

from torpor import FatalError, RetryableError, Torpor, current_step, hook, sleep

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")


@app.step
async def echo(value):
    return ["echo", value]


@app.step
def thread(value):
    return ["thread", value]


@app.step
async def flaky(value):
    if current_step().attempt == 1:
        raise RetryableError("not yet", retry_after={RETRY_MS / 1000})
    return ["flaky", value]


@app.step
async def fatal(value):
    raise FatalError(f"refuses {{value}}")


async def all_of(*parts):
    return list(await asyncio.gather(*parts))


async def race(*parts):
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        index = min(tasks.index(task) for task in done)
        return [index, tasks[index].result()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def refused(part):
    try:
        return await part
    except FatalError:
        return "refused"


async def received(token, ms):
    async with hook(token=token) as awaited:
        try:
            async with asyncio.timeout(ms / 1000):
                return await awaited
        except TimeoutError:
            return "nobody"
"""

_JAVASCRIPT: Final = """
import {{ createHook, sleep, start }} from "workflow";
import {{ echo, thread, flaky, fatal }} from "../{module}.py";

const race = (parts) => Promise.race(parts.map(async (part, index) => [index, await part]));

async function refused(part) {{
  try {{
    return await part;
  }} catch {{
    return "refused";
  }}
}}

async function received(token, ms) {{
  const awaited = createHook({{ token }});
  try {{
    return await Promise.race([awaited, sleep(ms).then(() => "nobody")]);
  }} finally {{
    awaited.dispose();
  }}
}}
"""


def write(folder: Path, module: str, programs: Iterable[Made]) -> None:
    """
    Write an application with these programs into a folder.

    Args:
        folder: an empty one.
        module: the name of the application's module.
        programs: each becomes the workflows ``python_<seed>`` and ``javascript_<seed>``.
    """
    made = list(programs)
    (folder / f"{module}.py").write_text("".join([_PYTHON, *map(python, made)]), encoding="utf-8")
    flows = folder / "flows"
    flows.mkdir()
    text = "".join([_JAVASCRIPT.format(module=module), *map(javascript, made)])
    (flows / "programs.js").write_text(text, encoding="utf-8")


def python(made: Made) -> str:
    """Return a program in Python."""
    text = ""
    for name, root in _workflows(made):
        for n, node, parts in _functions(name, root):
            text += f"\n\nasync def n{name}_{n}(began):\n    {_python_body(node, parts)}\n"
        text += f"\n\n@app.workflow\nasync def python_{name}():\n    return await n{name}_0(time.time())\n"
    return text


def _python_body(node: Script, parts: list[str]) -> str:
    match node.kind:
        case "step":
            return f"return await refused({node.name}({node.number}))"
        case "sleep":
            return f"await sleep(timedelta(milliseconds={node.number}))"
        case "hook":
            return f"return await received({node.name!r}, {node.number})"
        case "clock":
            return "return round((time.time() - began) * 1000)"
        case "child":
            return f"return await (await app.start(python_{node.name})).result()"
        case "sequence":
            return f"return [{', '.join(f'await {part}' for part in parts)}]"
    return f"return await {'all_of' if node.kind == 'all' else 'race'}({', '.join(parts)})"


def javascript(made: Made) -> str:
    """Return a program in JavaScript."""
    text = ""
    for name, root in _workflows(made):
        for n, node, parts in _functions(name, root):
            text += f"\nasync function n{name}_{n}(began) {{\n  {_javascript_body(node, parts)}\n}}\n"
        text += (
            f'\nexport async function javascript_{name}() {{\n  "use workflow";\n'
            f"  return await n{name}_0(Date.now());\n}}\n"
        )
    return text


def _javascript_body(node: Script, parts: list[str]) -> str:
    match node.kind:
        case "step":
            return f"return await refused({node.name}({node.number}));"
        case "sleep":
            return f"await sleep({node.number});\n  return null;"
        case "hook":
            return f'return await received("{node.name}", {node.number});'
        case "clock":
            return "return Date.now() - began;"
        case "child":
            return f"return await (await start(javascript_{node.name}, [])).result();"
        case "sequence":
            return f"return [{', '.join(f'await {part}' for part in parts)}];"
    return f"return await {'Promise.all' if node.kind == 'all' else 'race'}([{', '.join(parts)}]);"


def _workflows(made: Made) -> Iterator[tuple[str, Script]]:
    """Return the workflows of a program, children first, by what their names end in."""
    for node in nodes(made.script):
        if node.kind == "child":
            yield node.name, node.inside[0]
    yield str(made.seed), made.script


def _functions(name: str, root: Script) -> Iterator[tuple[int, Script, list[str]]]:
    """Return the nodes of a workflow by number, 0 for its root, each with calls of the functions of those inside."""
    numbers = count(1)

    def walk(n: int, node: Script) -> Iterator[tuple[int, Script, list[str]]]:
        inside = [] if node.kind == "child" else [(next(numbers), each) for each in node.inside]
        yield n, node, [f"n{name}_{number}(began)" for number, _ in inside]
        for number, each in inside:
            yield from walk(number, each)

    yield from walk(0, root)
