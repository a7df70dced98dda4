"""``torpor repl``: a prompt inside a copy of a parked run's VM."""

from __future__ import annotations

import re
import sys
from contextlib import suppress

from torpor.cli.opening import named_run, with_reader
from torpor.cli.options import AppOption, DecryptOption, LastOption, RunArgument, WorldOption
from torpor.cli.output import printable, say
from torpor.cli.reporting import command, report
from torpor.errors import VmError
from torpor.inspection.reading import Reader
from torpor.parked import ParkedRun

_FIRST, _NEXT = ">>> ", "... "
_LEAVE = re.compile(r"\s*(exit|quit)\s*(\([^()]*\))?\s*;?\s*")
_HELP = re.compile(r"\s*help\s*(\(\s*\))?\s*;?\s*")
_ABOUT = {
    "cpython": (
        "Names are those of the function in which the workflow waits, and of its module; tasks has the pending tasks "
        "by name, and help(something) tells of a thing."
    ),
    "quickjs": "Names are those of the global scope.",
}


@command
def repl(
    run: RunArgument = None,
    last: LastOption = False,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
) -> None:
    """
    Open a prompt inside a copy of a parked run.

    The workflow's variables and its modules are there to be looked at and tried out, in the run's own language; nothing
    that is done reaches the run. exit() or Ctrl-D ends it, help() says what is there. Input may also come from a pipe.

    Example: torpor repl wrun_01K9ZV8Q0C6K2W9T3N5J7H1M4P
    """
    if sys.stdin.isatty():
        _edit_lines()

    async def converse(reader: Reader) -> None:
        await _converse(reader, await named_run(reader, run, last=last))

    with_reader(app, world, converse, decrypt=decrypt)


async def _converse(reader: Reader, run_id: str) -> None:
    greet = True
    while True:
        async with reader.copy(run_id) as copy:
            if greet:
                _greet(copy)
                greet = False
            try:
                await _answer_all(copy)
            except EOFError:
                return
            except VmError as error:
                report(error)
                say("that copy is gone; here is a fresh one, without what was changed", err=True)


def _greet(copy: ParkedRun) -> None:
    say(
        (f"{copy.run.name}  ", "bold"),
        f"{copy.run.id}  a copy of the {copy.run.guest} VM after event {copy.run.head}; nothing here reaches the run",
        err=True,
    )
    say(("exit() or Ctrl-D ends this, help() says what is there", "dim"), err=True)


async def _answer_all(copy: ParkedRun) -> None:
    """
    Answer inputs until they end.

    Raises:
        EOFError: there are no more.
        VmError: the copy is of no use any more.
    """
    lines: list[str] = []
    while True:
        try:
            lines.append(_read(_NEXT if lines else _FIRST))
        except KeyboardInterrupt:
            lines = []
            say(err=True)
            continue
        except EOFError:
            if lines:  # what was begun is answered, be it with a syntax error
                await _answer(copy, "\n".join([*lines, ""]))
            raise
        if len(lines) == 1 and _LEAVE.fullmatch(lines[0]):
            raise EOFError
        if len(lines) == 1 and _HELP.fullmatch(lines[0]):
            say(
                "This is a copy of the run: what is changed here changes nothing there, and nothing happens in it, so "
                f"that what would wait never goes on. {_ABOUT.get(copy.run.guest, '')} exit() or Ctrl-D ends this."
            )
            lines = []
        elif await _answer(copy, "\n".join(lines)):
            lines = []


async def _answer(copy: ParkedRun, source: str) -> bool:
    """Answer one input; False when it is only the beginning of one."""
    evaluation = await copy.evaluate(source)
    if evaluation.incomplete:
        return False
    if evaluation.text:
        print(printable(evaluation.text.rstrip("\n")))  # noqa: T201  # what a prompt does
    return True


def _read(prompt: str) -> str:
    # Nothing else runs while the prompt waits, so the event loop may wait with it.
    if sys.stdin.isatty():
        return input(prompt)
    text = sys.stdin.readline()
    if not text:
        raise EOFError
    return text.rstrip("\n")


def _edit_lines() -> None:
    """Give the prompt line editing and history, where this Python has them."""
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415  # importing it changes what input() can do
