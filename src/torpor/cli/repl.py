"""``torpor repl``: a prompt inside a copy of a run's VM."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Protocol

import typer

from torpor.cli.opening import named_run, run_or_capsule, with_reader
from torpor.cli.options import AppOption, DecryptOption, LastOption, RunArgument, WorldOption
from torpor.cli.output import printable, say
from torpor.cli.reporting import command, report
from torpor.errors import VmError
from torpor.inspection.reading import Reader
from torpor.run_info import RunInfo
from torpor.vm.guest import Evaluation

_FIRST, _NEXT = ">>> ", "... "
_LEAVE = re.compile(r"\s*(exit|quit)\s*(\([^()]*\))?\s*;?\s*")
_HELP = re.compile(r"\s*help\s*(\(\s*\))?\s*;?\s*")
_ABOUT = {
    "cpython": (
        "Names are those of the function in which the workflow waits, and of its module; tasks has the pending tasks "
        "by name, and help(something) tells of a thing."
    ),
    "quickjs": (
        "Names are those of the global scope, of the function in which the workflow waits, and what that uses of its "
        "module."
    ),
}


class Copy(Protocol):
    """A copy of a run that answers a prompt."""

    run: RunInfo

    async def evaluate(self, source: str) -> Evaluation:
        """Answer one input."""
        ...


@command
def repl(
    run: RunArgument = None,
    last: LastOption = False,
    at: Annotated[
        int | None,
        typer.Option("--at", metavar="SEQ", show_default=False, help="As it was after this event; -1 is the last."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
) -> None:
    """
    Open a prompt inside a copy of a run.

    The workflow's variables and its modules are there to be looked at and tried out, in the run's own language; nothing
    that is done reaches the run. It is the run as it is now, as it was when it ended, or with --at as it was at any
    moment before. exit() or Ctrl-D ends it, help() says what is there. Input may also come from a pipe, and the run
    from the file of a capsule.

    Example: torpor repl wrun_01K9ZV8Q0C6K2W9T3N5J7H1M4P
    """
    run, world = run_or_capsule(run, world)
    if sys.stdin.isatty():
        _edit_lines()

    async def converse(reader: Reader) -> None:
        await _converse(reader, await named_run(reader, run, last=last), at)

    with_reader(app, world, converse, decrypt=decrypt)


async def _converse(reader: Reader, run_id: str, at: int | None) -> None:
    greet = True
    while True:
        async with _copied(reader, run_id, at) as (copy, seq):
            if greet:
                _greet(copy, seq)
                greet = False
            try:
                await _answer_all(copy)
            except EOFError:
                return
            except VmError as error:
                report(error)
                say("that copy is gone; here is a fresh one, without what was changed", err=True)


@asynccontextmanager
async def _copied(reader: Reader, run_id: str, at: int | None) -> AsyncIterator[tuple[Copy, int]]:
    """Have a copy of a run for the time of the block, and the place in its log where it stands."""
    if at is None and not (await reader.info(run_id)).ended_at:
        async with reader.copy(run_id) as copy:
            yield copy, copy.run.head
        return
    async with reader.travelling(run_id) as traveller:
        await traveller.go(-1 if at is None else at)
        yield traveller, traveller.seq


def _greet(copy: Copy, seq: int) -> None:
    say(
        (f"{copy.run.name}  ", "bold"),
        f"{copy.run.id}  a copy of the {copy.run.guest} VM after event {seq}; nothing here reaches the run",
        err=True,
    )
    say(("exit() or Ctrl-D ends this, help() says what is there", "dim"), err=True)


async def _answer_all(copy: Copy) -> None:
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


async def _answer(copy: Copy, source: str) -> bool:
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
