"""A small guest for tests of the host: steps and plain JSON as codec. Program text sees `step` and `derived`."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import _host  # type: ignore[import-not-found]  # a module that only the guest has


class Loop(asyncio.BaseEventLoop):
    """asyncio without a selector: what is ready runs."""

    def time(self) -> float:
        return 0.0

    def _process_events(self, events: list[Any]) -> None:
        pass

    def pump(self) -> None:
        """Run until nothing is ready."""
        asyncio.events._set_running_loop(self)
        try:
            while self._ready:  # type: ignore[attr-defined]  # of the base class
                handle = self._ready.popleft()  # type: ignore[attr-defined]  # as above
                if not handle._cancelled:
                    handle._run()
        finally:
            asyncio.events._set_running_loop(None)


class State:
    """What a run has."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting: dict[int, asyncio.Future[Any]] = {}
        self.ops: list[dict[str, Any]] = []
        self.outcome: dict[str, str] = {"status": "pending"}
        self.task: asyncio.Task[None] | None = None


loop, state = Loop(), State()
scope: dict[str, Any] = {"__name__": "program"}


async def step(name: str, *args: Any) -> Any:
    """Ask the host for a step."""
    state.count += 1
    future = state.waiting[state.count] = loop.create_future()
    op = {"n": state.count, "type": "step", "at": int(time.time() * 1000), "name": name, "input": json.dumps(args)}
    state.ops.append(op)
    return await future


def derived(label: str) -> str:
    """Return the bytes that belong to this run and label."""
    found: bytes = _host.call(b"R" + label.encode())
    return found.hex()


def turn() -> None:
    """Do what the host asks for and answer it."""
    message = _host.call(b"I")
    _host.call(b"O" + _ANSWERS[message[:1]](message[1:]))


def rehearse() -> None:
    """There is nothing to rehearse."""


def load(body: bytes) -> bytes:
    """Evaluate the program's modules, one after another, in one scope."""
    given = json.loads(body)
    scope.update(step=step, derived=derived)
    places: list[str] = []
    gc.disable()
    try:
        if given["trace"]:
            sys.settrace(_tracer(places))
        for entry in given["entries"]:
            label = given["modules"][entry]
            exec(compile(given["files"][label], label, "exec"), scope)  # noqa: S102  # inside the VM
    except Exception as error:  # noqa: BLE001  # whatever a program raises
        stack = "".join(traceback.format_tb(error.__traceback__)[1:])
        described = {"name": type(error).__name__, "message": str(error), "stack": stack}
        return json.dumps({"ok": False, "error": described}).encode()
    finally:
        sys.settrace(None)
        gc.enable()
    _host.call(b"C")
    gc.collect()
    gc.freeze()
    return json.dumps({"ok": True, "impure": places[0] if places else None}).encode()


def _tracer(places: list[str]) -> Any:
    before, last = _host.call(b"P"), ["?"]

    def trace(frame: Any, _event: str, _arg: Any) -> Any:
        if _host.call(b"P") != before:
            places.append(last[0])
        last[0] = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        return trace if frame.f_code.co_filename.startswith("./") else None

    return trace


def begin(body: bytes) -> bytes:
    """Start the workflow."""
    given = json.loads(body)
    state.task = loop.create_task(_run(scope[given["workflow"]], json.loads(given["args"])))
    loop.pump()
    return outbox()


async def _run(workflow: Any, args: list[Any]) -> None:
    try:
        state.outcome = {"status": "completed", "value": json.dumps(await workflow(*args))}
    except Exception as error:  # noqa: BLE001  # whatever a workflow raises
        state.outcome = {"status": "failed", "error": f"{type(error).__name__}: {error}"}


def deliver(body: bytes) -> bytes:
    """Deliver events in order."""
    head, *texts = body.split(b"\n")
    rest: Iterator[bytes] = iter(texts)
    for delivery in json.loads(head):
        _host.call(b"T" + delivery["at"].to_bytes(8, "little"))
        value = json.loads(next(rest)) if "value" in delivery else None
        state.waiting.pop(delivery["op"]).set_result(value)
        loop.pump()
    return outbox()


def outbox() -> bytes:
    """Return what is new."""
    ops, state.ops = state.ops, []
    return json.dumps({"ops": ops, "logs": [], **state.outcome}).encode()


def stack(_: bytes) -> bytes:
    """Tell the names of the tasks."""
    return json.dumps([{"name": task.get_name(), "frames": []} for task in asyncio.all_tasks(loop)]).encode()


def evaluate(body: bytes) -> bytes:
    """Return the value of an expression."""
    return json.dumps({"text": repr(eval(body, scope))}).encode()  # noqa: S307  # inside the VM


_ANSWERS = {b"L": load, b"B": begin, b"D": deliver, b"S": stack, b"E": evaluate}
