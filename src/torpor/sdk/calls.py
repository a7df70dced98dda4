"""
Attempts that a process of Node carries out: what goes to it and what comes from it, by whichever line.

Its death is no attempt's failure: what it ran is begun again, as the steps of a worker that dies are, and as seldom. A
step that ends its process again and again has failed.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final, Protocol

from torpor.engine.carried import Carried, CarriedInput
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, current_step, running_workflow
from torpor.errors import FatalError, LimitExceededError, SerializationError, StepError
from torpor.sdk.channel import Header

_DEATHS_MAX: Final = 3
ABSENT_URL: Final = "http://localhost"
"""The address of a deployment that does not know its own; the guest says the same."""

Answer = tuple[Any, bytes]


class Answering(Protocol):
    """Answers what steps ask of their world; called in the context of the step that asks."""

    def __call__(self, method: str, args: dict[str, Any], body: bytes, /) -> Awaitable[Answer]: ...

    def begun_at(self, step: StepMetadata, /) -> Awaitable[int]:
        """Return when the first attempt of a step began, epoch milliseconds."""
        ...


class Sending(Protocol):
    """Sends a message to the process; what is sent to one that has ended is lost."""

    def __call__(self, header: Header, body: bytes = b"", /) -> None: ...


class DiedError(Exception):
    """The process is gone."""


class _Call:
    """An attempt that is carried out, and the context in which what it asks for is answered."""

    def __init__(self, step: StepMetadata) -> None:
        self.step = step
        self.outcome: asyncio.Future[Carried] = asyncio.get_running_loop().create_future()
        self.context = contextvars.copy_context()


class Calls:
    """
    The attempts of one process.

    Args:
        send: sends it messages.
        answer: answers what its steps ask of their world.
    """

    def __init__(self, send: Sending, answer: Answering) -> None:
        self._send = send
        self._answer = answer
        self._calls: dict[int, _Call] = {}
        self._numbers = itertools.count(1)
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def load(self) -> int:
        """How many attempts are carried out."""
        return len(self._calls)

    async def carry(self, name: str, given: CarriedInput) -> Carried:
        """
        Make an attempt of the step that the SDK calls *name*; see :class:`torpor.engine.carried.Carrier`.

        Raises:
            DiedError: the process has not lived to tell how it ended.
        """
        step, workflow = current_step(), running_workflow()
        assert workflow is not None, "a step runs for a workflow"
        begun_at = await self._answer.begun_at(step)
        number, call = next(self._numbers), _Call(step)
        self._calls[number] = call
        try:
            self._send(_asked(number, name, given, step, workflow, begun_at), given.text.encode())
            return await call.outcome
        finally:
            if not call.outcome.done() or call.outcome.cancelled():
                self._send({"type": "cancel", "call": number})
            self._calls.pop(number, None)

    def take(self, header: Header, body: bytes) -> None:
        """Take what the process tells of its attempts: heartbeats, outcomes, and what they ask."""
        kind, call = header["type"], self._calls.get(header.get("call") or 0)
        if kind == "ask":
            context = contextvars.copy_context() if call is None else call.context
            asking = asyncio.get_running_loop().create_task(self._answered(header, body), context=context)
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        elif call is None:
            pass  # the attempt was given up meanwhile
        elif kind == "beat":
            _beat(call.step, header["progress"])
        elif kind == "outcome" and not call.outcome.done():
            told = Carried(header["outcome"], body.decode(), _whole(header.get("due")), header.get("told", ""))
            call.outcome.set_result(told)

    def died(self, how: str, numbers: Collection[int] | None = None) -> None:
        """Let the attempts of some numbers, or all, know that the process has ended that ran them."""
        for number, call in self._calls.items():
            if (numbers is None or number in numbers) and not call.outcome.done():
                call.outcome.set_exception(DiedError(how))

    def close(self) -> None:
        """Answer nobody any more."""
        for task in self._asking:
            task.cancel()

    async def _answered(self, header: Header, body: bytes) -> None:
        answer: Header = {"type": "answer", "question": header["question"]}
        answer_body = b""
        try:
            answer["value"], answer_body = await self._answer(header["method"], header["args"], body)
        except Exception as error:  # noqa: BLE001  # whatever it is, the step that asked gets it
            answer["error"] = told_error(error)
        self._send(answer, answer_body)


async def until_told(name: str, attempt: Callable[[], Awaitable[Carried]]) -> Carried:
    """
    Return how an attempt of a step ended, which begins again when its process dies.

    Raises:
        StepError: it died, again and again.
        HostError: what *attempt* raises.
    """
    death = ""
    for _ in range(_DEATHS_MAX):
        try:
            return await attempt()
        except DiedError as error:
            death = str(error)
    raise StepError(f"step {name} was begun {_DEATHS_MAX} times, and each time the process of Node {death}")


def _asked(
    number: int, name: str, given: CarriedInput, step: StepMetadata, workflow: WorkflowMetadata, begun_at: int
) -> dict[str, Any]:
    return {
        "type": "step",
        "call": number,
        "step": name,
        "runId": step.run_id,
        "stepId": step.step_id,
        "attempt": step.attempt,
        "failures": given.failures,
        "maxRetries": given.max_retries,
        "startedAt": begun_at,
        "workflow": workflow.name,
        "workflowStartedAt": int(workflow.started_at.timestamp() * 1000),
        "url": workflow.url or ABSENT_URL,
        "progress": _progress(step),
    }


def _progress(step: StepMetadata) -> Any:
    try:
        found = step.progress
        json.dumps(found)
    except (SerializationError, TypeError, ValueError):
        return None  # told by another language, in values that JSON lacks
    return found


def _beat(step: StepMetadata, progress: Any) -> None:
    with suppress(SerializationError, LimitExceededError):  # the step cannot be told; its life is what counts
        step.heartbeat(*(() if progress is None else (progress,)))


def _whole(due: float | None) -> int | None:
    return None if due is None else int(due)


_NAMES: Final[dict[str, str]] = {"RunNotFoundError": "WorkflowRunNotFoundError", "RunEndedError": "RunExpiredError"}


def told_error(error: BaseException) -> dict[str, Any]:
    """Return an error as the SDK knows it: by its name."""
    name = type(error).__name__
    return {"name": _NAMES.get(name, name), "message": str(error), "fatal": isinstance(error, FatalError)}
