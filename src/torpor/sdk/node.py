"""
Processes of Node that carry out the steps of a project of the Workflow SDK.

They begin with the first step and end with the worker. One runs many steps at once. When one dies, what it ran is begun
again in a new one, as the steps of a worker that dies are, and as seldom: a step that kills its process again and again
has failed.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import socket
import subprocess
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, Protocol

from torpor.engine.carried import Carried, CarriedInput
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, current_step, running_workflow
from torpor.errors import FatalError, HostError, LimitExceededError, SerializationError, StepError, TorporError
from torpor.processes.child import ending_text
from torpor.programs.javascript.sdk_project import SdkProject, node, scripts
from torpor.sdk.channel import Channel, Header
from torpor.thread_start import in_thread

_DEATHS_MAX: Final = 3
_START_SECONDS_MAX: Final = 60
_END_SECONDS_MAX: Final = 5
ABSENT_URL: Final = "http://localhost"
"""The address of a deployment that does not know its own; the guest says the same."""

Answer = tuple[Any, bytes]


class Answering(Protocol):
    """Answers what steps ask of their world; called in the context of the step that asks."""

    def __call__(self, method: str, args: dict[str, Any], body: bytes, /) -> Awaitable[Answer]: ...


class _DiedError(Exception):
    """The process is gone."""


class _Call:
    """An attempt that a process carries out, and the context in which what it asks for is answered."""

    def __init__(self, step: StepMetadata) -> None:
        self.step = step
        self.outcome: asyncio.Future[Carried] = asyncio.get_running_loop().create_future()
        self.context = contextvars.copy_context()


class NodeSteps:
    """
    The steps of a project.

    Args:
        project: whose.
        answer: answers what they ask of their world.
        processes: how many processes of Node share them.
    """

    def __init__(self, project: SdkProject, answer: Answering, *, processes: int = 1) -> None:
        self._project = project
        self._answer = answer
        self._most = processes
        self._processes: list[_Process] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = asyncio.Lock()

    async def carry(self, name: str, given: CarriedInput) -> Carried:
        """
        Make an attempt of the step that the SDK calls *name*; see :class:`torpor.engine.carried.Carrier`.

        Raises:
            HostError: Node does not start here.
            StepError: its process died, again and again.
        """
        death = ""
        for _ in range(_DEATHS_MAX):
            process = await self._free_process()
            try:
                return await process.carry(name, given)
            except _DiedError as error:
                death = str(error)
        raise StepError(f"step {name} was begun {_DEATHS_MAX} times, and each time the process of Node {death}")

    async def _free_process(self) -> _Process:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # of an application that was opened on another one before
            self._loop, self._processes, self._starting = loop, [], asyncio.Lock()
        async with self._starting:
            self._processes = [process for process in self._processes if process.is_alive]
            found = min(self._processes, key=lambda process: process.load, default=None)
            if found is None or (found.load and len(self._processes) < self._most):
                found = await _Process.start(self._project, self._answer)
                self._processes.append(found)
            return found

    async def prepare(self) -> None:
        """Begin a process before a step needs one; where that fails, the first step says so."""
        with suppress(TorporError):
            await self._free_process()

    async def close(self) -> None:
        """End the processes."""
        processes, self._processes = self._processes, []
        if self._loop is asyncio.get_running_loop():
            await asyncio.gather(*(process.close() for process in processes))


class _Process:
    """One process of Node."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel, answer: Answering) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._channel = channel
        self._answer = answer
        self._calls: dict[int, _Call] = {}
        self._numbers = itertools.count(1)
        self._asking: set[asyncio.Task[None]] = set()
        self._ready: asyncio.Future[str] = loop.create_future()
        self._work = loop.create_task(self._listen())
        self.is_alive = True

    @classmethod
    async def start(cls, project: SdkProject, answer: Answering) -> _Process:
        """
        Return a process that has read the project's steps.

        Raises:
            HostError: it has not.
        """
        built = await in_thread("building a project of the Workflow SDK", lambda: project.built)
        ours, theirs = socket.socketpair()
        command = [node(), "--enable-source-maps", str(scripts() / "worker.mjs")]
        command += [str(project.folder), str(built.steps), str(theirs.fileno())]
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, cwd=project.folder, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
                )
            except OSError as error:
                ours.close()
                raise HostError(f"Node does not start: {error}") from error
        made = cls(process, await Channel.over(ours), answer)
        try:
            async with asyncio.timeout(_START_SECONDS_MAX):
                why = await asyncio.shield(made._ready)
        except TimeoutError:
            why = f"it has not read them within {_START_SECONDS_MAX} s"
        except _DiedError as error:
            why = f"it {error}"
        except asyncio.CancelledError:
            made._channel.close()  # which ends the process
            raise
        if why:
            await made.close()
            raise HostError(f"Node cannot read the steps of {project.folder}: {why}")
        return made

    @property
    def load(self) -> int:
        """How many attempts it carries out."""
        return len(self._calls)

    async def carry(self, name: str, given: CarriedInput) -> Carried:
        """
        Make an attempt.

        Raises:
            _DiedError: the process has not lived to tell how it ended.
        """
        if not self.is_alive:
            raise _DiedError("has ended")
        step, workflow = current_step(), running_workflow()
        assert workflow is not None, "a step runs for a workflow"
        number, call = next(self._numbers), _Call(step)
        self._calls[number] = call
        try:
            self._channel.send(_asked(number, name, given, step, workflow), given.text.encode())
            return await call.outcome
        finally:
            if not call.outcome.done() or call.outcome.cancelled():
                self._channel.send({"type": "cancel", "call": number})
            self._calls.pop(number, None)

    async def _listen(self) -> None:
        async for header, body in self._channel.messages():
            self._take(header, body)
        self.is_alive = False
        self._channel.close()
        died = _DiedError(ending_text(await self._process.wait()))
        if not self._ready.done():
            self._ready.set_exception(died)
        for call in self._calls.values():
            if not call.outcome.done():
                call.outcome.set_exception(died)

    def _take(self, header: Header, body: bytes) -> None:
        kind, call = header["type"], self._calls.get(header.get("call") or 0)
        if kind in {"ready", "broken"}:
            self._ready.set_result(header.get("why", ""))
        elif kind == "ask":
            context = contextvars.copy_context() if call is None else call.context
            asking = asyncio.get_running_loop().create_task(self._answered(header, body), context=context)
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        elif call is None:
            pass  # the attempt was given up meanwhile
        elif kind == "beat":
            _beat(call.step, header["progress"])
        elif not call.outcome.done():
            told = Carried(header["outcome"], body.decode(), _whole(header.get("due")), header.get("told", ""))
            call.outcome.set_result(told)

    async def _answered(self, header: Header, body: bytes) -> None:
        answer: Header = {"type": "answer", "question": header["question"]}
        answer_body = b""
        try:
            answer["value"], answer_body = await self._answer(header["method"], header["args"], body)
        except Exception as error:  # noqa: BLE001  # whatever it is, the step that asked gets it
            answer["error"] = told_error(error)
        self._channel.send(answer, answer_body)

    async def close(self) -> None:
        """End the process; one that does not end is killed."""
        self.is_alive = False
        self._channel.close()
        try:
            async with asyncio.timeout(_END_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        for task in self._asking:
            task.cancel()
        await asyncio.wait([self._work])


def _asked(
    number: int, name: str, given: CarriedInput, step: StepMetadata, workflow: WorkflowMetadata
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
        "startedAt": int(step.started_at.timestamp() * 1000),
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
