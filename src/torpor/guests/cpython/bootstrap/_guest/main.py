"""
What the host calls: :func:`turn` asks what to do and hands out the answer.

A message is JSON on the first line and codec texts on lines of their own behind it, in the order in which the JSON
would have held them; an empty string marks the place of each.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from torpor.codec.errors import message_of
from torpor.codec.guest import text_of, value_of

from . import (
    aborting,
    blocked,
    cancelling,
    children,
    environment,
    errnos,
    giving_up,
    host,
    lacking,
    log,
    log_libraries,
    loop,
    mailbox,
    outcome,
    program,
    prompt,
    queries,
    references,
    sleeping,
    stack,
    streams,
    tracebacks,
    unawaited,
    workflows,
)
from .entropy import seed_random
from .hooks import Hook
from .imports import imports
from .run import Receiver, run
from .steps import short_name, step_proxy

_STDERR = 2

for _part in (
    log,
    log_libraries,
    tracebacks,
    references,
    children,
    streams,
    aborting,
    giving_up,
    loop,
    sleeping,
    blocked,
    lacking,
    environment,
    errnos,
    unawaited,
    workflows,
):
    _part.install()


def turn() -> None:
    """
    Do what the host asks for and answer it.

    What is raised here is no ending of the run but a fault, of the guest or of workflow code that changed it; the host
    fails the run with the text of it.
    """
    message = host.message()
    try:
        host.answer(_ANSWERS[message[0]](message[1:]))
    except BaseException as fault:
        os.write(_STDERR, _fault_text(fault))
        raise


def rehearse() -> None:
    """Do what every turn does and what leaves no trace, so that the image holds the bytecode as running makes it."""
    given = {"args": [1, "text", {"key": [2.5, None, True]}], "kwargs": {"key": "value"}}
    value_of(text_of(given))
    was = dict(vars(run))
    run.phase = "running"
    task = loop.loop.create_task(_wait_for(step_proxy("step//rehearsal//step")(_wait_for)), name="rehearsal")
    _pump()
    _outbox()
    _deliver(b'[{"type": "step_completed", "op": 1, "at": 0, "value": ""}]\n' + text_of(1).encode())
    assert task.result() == 1, "it has its answer"
    vars(run).update(was, ops=[])


async def _wait_for(step: Callable[[int], Awaitable[int]]) -> int:
    return await step(1)


def _load(text: bytes) -> bytes:
    gc.disable()  # a collection reads the clock, which would be taken for the program's doing
    return json.dumps(program.load(json.loads(text))).encode()


def _begin(text: bytes) -> bytes:
    given = json.loads(text)
    run.id, run.workflow, run.url = given["run_id"], given["workflow"], given["url"]
    run.at = run.started_at = given["at"]
    run.phase = "running"
    seed_random()
    imports.renew()
    log.stamp_load_lines(run.at)
    outcome.begin(given["args"], short_name(run.workflow))
    _pump()
    return _outbox()


def _deliver(text: bytes) -> bytes:
    head, *lines = text.split(b"\n")
    texts = iter(lines)
    for delivery in json.loads(head):
        for key in ("value", "error"):
            if delivery.get(key) == "":
                delivery[key] = next(texts).decode("utf-8", "surrogatepass")
        at = delivery["at"]
        if at > run.at:  # clocks of several machines may disagree; the guest's never goes back
            run.at = at
            host.set_clock(at)
        if delivery["type"] == "run_cancelling":
            cancelling.receive(delivery, outcome.main_task())
            _pump()
            continue
        if delivery["type"] == "run_forked":
            _be(**value_of(delivery["value"]))
            continue
        is_message = delivery["type"] == "message_sent"
        receiver: Receiver | None = mailbox.mailbox(delivery["name"]) if is_message else run.waiting.get(delivery["op"])
        if receiver is not None and run.phase != "ended":  # nothing waits any more for the answer to some
            receiver.receive(delivery)
            _pump()
    return _outbox()


def _be(id: str, tokens: dict[str, str], **_entropy: str) -> None:  # noqa: A002  # the word
    """Be another run from now on, with its own entropy, which the host has given."""
    run.id = id
    seed_random()
    imports.reseed()
    for op, token in tokens.items():
        if isinstance(made := run.waiting.get(int(op)), Hook):
            made.be_called(token)


def _stack(_: bytes) -> bytes:
    return json.dumps(stack.described_tasks()).encode()


def _evaluate(text: bytes) -> bytes:
    if text.startswith(b"\0"):  # what is no source is a query
        return json.dumps(queries.answered(text[1:].decode())).encode("utf-8", "surrogatepass")
    return json.dumps(prompt.evaluated(text.decode("utf-8", "replace"))).encode()


_ANSWERS: dict[int, Callable[[bytes], bytes]] = {
    ord("L"): _load,
    ord("B"): _begin,
    ord("D"): _deliver,
    ord("S"): _stack,
    ord("E"): _evaluate,
}


def _fault_text(fault: BaseException) -> bytes:
    # Nothing cleverer: the standard library is among what may have been changed.
    text, step = "", fault.__traceback__
    while step is not None:
        text += f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno} in {step.tb_frame.f_code.co_qualname}\n"
        step = step.tb_next
    return f"{text}{type(fault).__name__}: {message_of(fault)}\n".encode("utf-8", "replace")


def _pump() -> None:
    try:
        loop.loop.pump()
    except (SystemExit, KeyboardInterrupt) as raised:  # a task's own, which asyncio lets through
        outcome.fail(raised)
    outcome.check()


def _outbox() -> bytes:
    """Hand out what is new since the last call."""
    texts = []
    ops, run.ops = run.ops, []
    for op in ops:
        if "input" in op:
            texts.append(op["input"])
            op["input"] = ""
    message: dict[str, Any] = {"ops": ops}  # what is not in it is as the host takes it for: nothing, and still pending
    if lines := log.lines.take():
        message["logs"] = lines
    if run.answers_awaited > 0 and run.phase == "running":
        message["awaits_ack"] = True
    if run.left:
        message["left"], run.left = run.left, []
    if report := mailbox.report():
        message |= report
    if outcome.ending:
        message |= outcome.ending
        for key in ("value", "error"):
            if key in message:
                texts.append(message[key])
                message[key] = ""
    return "\n".join((json.dumps(message), *texts)).encode("utf-8", "surrogatepass")
