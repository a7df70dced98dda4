"""
A prompt in a copy of a run, at any moment of its past: code is entered, and its output shown. Nothing of it reaches
the run.

A server remembers nothing of it: the page carries what was entered before, and all of it is entered anew into a copy
that stands at the moment. A VM is a pure function, so it says the same again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from torpor.errors import LimitExceededError, VmError
from torpor.http.pages.acting import pairs
from torpor.http.pages.rendering import HTML, page, pages
from torpor.http.pages.run import Look, opened
from torpor.http.pages.travel import Place
from torpor.http.problems import BadRequestError, ForbiddenError
from torpor.http.routing import Call
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.travellers import Travellers
from torpor.run_info import RunInfo

if TYPE_CHECKING:  # it needs the VM
    from torpor.travelling import Traveller

router = pages("pages")

INPUTS_MAX: Final = 50
"""Inputs that a page carries."""

CHARS_MAX: Final = 20_000
"""Characters of all of them."""

SECONDS_MAX: Final = 10.0
"""How long all of them may take, to the end of the one that is at work; that one has the time of a turn at most."""


class Answered(msgspec.Struct, frozen=True):
    """An input, and what came of it; *ended* says that the copy was of no use afterwards."""

    source: str
    text: str
    ended: bool = False


@router.get("/runs/{run}/prompt", "operate", media=(HTML,))
async def show_prompt(call: Call, query: Place) -> Response:
    """Show a prompt in a copy of a run."""
    info = await _allowed(call)
    if info.key_id and not query.open:
        return page(call, "sealed.html", tab="prompt", run=info, look=query)
    return await _prompt(call, info, query, query.at or -1, ())


@router.post("/runs/{run}/prompt", "operate", media=(HTML,))
async def answer(call: Call, query: Look) -> Response:
    """Enter code into a copy of a run, behind what was entered before, and show what it says."""
    info = await _allowed(call)
    given = await pairs(call)
    try:
        at = int(dict(given).get("at", ""))
    except ValueError as error:
        raise BadRequestError("at is a number") from error
    if not 0 < at <= NUMBER_MAX:
        raise BadRequestError("at is the seq of an event")
    sources = [value.replace("\r\n", "\n") for name, value in given if name in ("entered", "source")]
    return await _prompt(call, info, query, at, [each for each in sources if each.strip()])


async def _allowed(call: Call) -> RunInfo:
    """
    Return the run that the path names.

    Raises:
        RunNotFoundError: as :func:`torpor.http.runs.known_run`.
        ForbiddenError: this server gives no prompts.
    """
    info = await known_run(call)
    if not call.service.prompts:
        raise ForbiddenError(
            "this server gives no prompts: torpor serve --prompt, torpor web --prompt and app.asgi(prompt=True) do; "
            f"torpor repl {info.id} is one in a terminal"
        )
    return info


async def _prompt(call: Call, info: RunInfo, look: Look, at: int, sources: Sequence[str]) -> Response:
    """
    Return the page, with what the inputs say.

    Raises:
        LimitExceededError: there are too many, or they are too long.
    """
    if len(sources) > INPUTS_MAX or sum(map(len, sources)) > CHARS_MAX:
        raise LimitExceededError(
            f"{len(sources)} inputs with {sum(map(len, sources))} characters: a page carries {INPUTS_MAX} with "
            f"{CHARS_MAX}; open the prompt anew, or take torpor repl {info.id} --at {at}"
        )
    reader = opened(call, info, look)
    async with call.service.part(Travellers).of(call.service, reader, info.id) as traveller:
        moment = await traveller.at(at)
        async with call.service.asking:
            told = await _answered(traveller, moment.seq, sources)
    return page(
        call,
        "prompt.html",
        tab="prompt",
        run=info,
        look=look,
        moment=moment,
        tasks=[{**msgspec.structs.asdict(task), "frames": task.frames[::-1]} for task in moment.tasks[:1]],
        sources=await reader.sources(info.id),
        around=3,
        told=told,
        kept=[each for each in told if not each.ended],
    )


async def _answered(traveller: Traveller, at: int, sources: Sequence[str]) -> list[Answered]:
    """Return what inputs say, one after the other, in a copy that stands at a moment."""
    found: list[Answered] = []
    until = asyncio.get_running_loop().time() + SECONDS_MAX
    if sources:
        await traveller.go(at)
    for source in sources:
        if asyncio.get_running_loop().time() > until:
            found.append(Answered(source, f"not entered: those before it have taken {SECONDS_MAX:.0f} s", ended=True))
            continue
        try:
            said = await traveller.evaluate(source)
            if said.incomplete:  # nothing more comes: what was begun is answered, be it with a syntax error
                said = await traveller.evaluate(source + "\n")
            found.append(Answered(source, said.text))
        except VmError as error:
            found.append(
                Answered(source, f"{error}\nThat copy is gone; the next one is as it was before this.", ended=True)
            )
            break  # only the newest input can be new, and so pass a limit
    return found
