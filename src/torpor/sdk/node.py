"""
Processes of Node that carry out the steps of a project of the Workflow SDK, as children of a worker.

They begin with the first step and end with the worker. One runs many steps at once.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import suppress
from typing import Final

from torpor.engine.carried import Carried, CarriedInput
from torpor.errors import HostError, TorporError
from torpor.processes.child import ending_text
from torpor.programs.javascript.sdk_project import SdkProject, node, scripts
from torpor.sdk.calls import Answering, Calls, DiedError, until_told
from torpor.sdk.channel import Channel, Header
from torpor.thread_start import in_thread

_START_SECONDS_MAX: Final = 60
_END_SECONDS_MAX: Final = 5


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

        async def attempt() -> Carried:
            return await (await self._free_process()).carry(name, given)

        return await until_told(name, attempt)

    async def _free_process(self) -> _Process:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # of an application that was opened on another one before
            self._loop, self._processes, self._starting = loop, [], asyncio.Lock()
        async with self._starting:
            self._processes = [process for process in self._processes if process.is_alive]
            found = min(self._processes, key=lambda process: process.calls.load, default=None)
            if found is None or (found.calls.load and len(self._processes) < self._most):
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

    def __init__(self, process: asyncio.subprocess.Process, answer: Answering) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._channel = Channel(self._take)
        self.calls = Calls(self._channel.send, answer)
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
        made = cls(process, answer)
        await made._channel.connect(ours)
        try:
            async with asyncio.timeout(_START_SECONDS_MAX):
                why = await asyncio.shield(made._ready)
        except TimeoutError:
            why = f"it has not read them within {_START_SECONDS_MAX} s"
        except DiedError as error:
            why = f"it {error}"
        except asyncio.CancelledError:
            made._channel.close()  # which ends the process
            raise
        if why:
            await made.close()
            raise HostError(f"Node cannot read the steps of {project.folder}: {why}")
        return made

    async def carry(self, name: str, given: CarriedInput) -> Carried:
        """
        Make an attempt.

        Raises:
            DiedError: the process has not lived to tell how it ended.
        """
        if not self.is_alive:
            raise DiedError("has ended")
        return await self.calls.carry(name, given)

    async def _listen(self) -> None:
        await self._channel.ended
        self.is_alive = False
        self._channel.close()
        how = ending_text(await self._process.wait())
        if not self._ready.done():
            self._ready.set_exception(DiedError(how))
        self.calls.died(how)

    def _take(self, header: Header, body: bytes) -> None:
        if header["type"] in {"ready", "broken"}:
            self._ready.set_result(header.get("why", ""))
        else:
            self.calls.take(header, body)

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
        self.calls.close()
        await asyncio.wait([self._work])
