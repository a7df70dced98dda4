"""What steps in Node ask of their world, answered by the application: streams, runs, hooks and attributes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from torpor import codec
from torpor.client import Client, chosen_runtime
from torpor.codec.frames import bodies_of, frame
from torpor.codec.values import Encoded
from torpor.engine.attempt_streams import attempt_streams
from torpor.engine.deployments import Startable
from torpor.engine.endings import read_ending
from torpor.engine.metadata import StepMetadata, current_step
from torpor.engine.stream_reading import Part, StreamChunk
from torpor.engine.stream_writing import Sink
from torpor.errors import UsageError
from torpor.limits import MIB
from torpor.model import StreamType
from torpor.run_handle import RunHandle
from torpor.sdk_entities import run_entity

_VALUE: Final = b"devl"
_AHEAD: Final = 16
_AT_ONCE_BYTES: Final = MIB // 4
"""A reader is told of no more chunks at once, once those before have so many bytes."""
_ABORT: Final = "_system_abort"
_LOG_PAGE: Final = 500
_LOG_PAGES_MAX: Final = 20
"""A step that was begun later than so many events after it was asked for counts as begun when it was asked for."""
_BUILTIN: Final = "$"
"""Begins names of attributes that Torpor writes itself; what the SDK says of a run's parents is among them."""


class Application(Protocol):
    """What is asked of the application; see :class:`torpor.app.Torpor`."""

    client: Client

    async def code_of(self, workflow: str) -> Startable: ...

    def run(self, run_id: str) -> RunHandle: ...


class SdkWorld:
    """
    Answers, one method for each question.

    Args:
        app: whose.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._readers: dict[int, _Reader] = {}
        self._numbers = itertools.count(1)
        self._answers: dict[str, Callable[[dict[str, Any], bytes], Awaitable[tuple[Any, bytes]]]] = {
            "events.run_created": self._start,
            "events.run_cancelled": self._cancel,
            "events.hook_received": self._resume,
            "events.attr_set": self._attributes,
            "runs.get": self._run,
            "runs.wait": self._wait,
            "hooks.get": self._hook,
            "streams.write": self._write,
            "streams.close": self._close,
            "streams.open": self._open,
            "streams.next": self._next,
            "streams.leave": self._leave,
            "streams.info": self._info,
            "streams.list": self._list,
        }

    async def __call__(self, method: str, args: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        """
        Answer a question.

        Raises:
            UsageError: steps cannot ask this here.
            TorporError: whatever the answer is.
        """
        answer = self._answers.get(method)
        if answer is None:
            raise UsageError(f"a step under Torpor cannot ask its world for {method}; do that outside of steps")
        return await answer(args, body)

    async def begun_at(self, step: StepMetadata) -> int:
        """
        Return when the first attempt of a step began, epoch milliseconds, as its log has it: the SDK tells all attempts
        the same.
        """
        this = int(step.started_at.timestamp() * 1000)
        if step.attempt == 1:
            return this
        world = self._app.client.world
        known = (await world.open_entities(step.run_id)).steps.get(step.step_id)
        if known is None:
            return this  # nobody wants its outcome any more
        after = known.seq
        for _ in range(_LOG_PAGES_MAX):
            events = await world.events(step.run_id, after=after, limit=_LOG_PAGE)
            for event in events:
                if event.type == "step_started" and event.id == step.step_id:
                    return event.at
            if len(events) < _LOG_PAGE:
                break
            after = events[-1].seq
        return known.created_at

    # Runs

    async def _start(self, args: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        data = args["data"]
        workflow = await self._app.code_of(data["workflowName"])
        parent = await self._app.client.world.get_run(current_step().run_id)
        attributes = {name: text for name, text in data.get("attributes", {}).items() if not name.startswith(_BUILTIN)}
        run = await self._app.client.create_run(
            workflow,
            Encoded(body),
            runtime=chosen_runtime(parent.runtime),
            run_id=args["runId"],
            begins={"attributes": attributes},
        )
        return {"run": {"runId": run.id}}, b""

    async def _cancel(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        await self._app.run(args["runId"]).cancel(args["data"].get("cancelReason") or "")
        return {}, b""

    async def _attributes(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        changes = {change["key"]: change["value"] for change in args["data"]["changes"]}
        await self._app.run(args["runId"]).set_attributes(changes)
        return {}, b""

    async def _run(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        client = self._app.client
        run = await client.world.get_run(args["runId"])
        payload = b""
        if run.status in ("completed", "failed"):
            ending = await read_ending(client.world, run)
            payload = client.keyring.run(run.id, run.key_id).decrypt(ending.payload or b"")
        return msgspec.to_builtins(run_entity(run)), payload

    async def _wait(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        with suppress(TimeoutError):
            async with asyncio.timeout(args["timeoutMs"] / 1000):
                await self._app.client.wait_ended(args["runId"])
        return await self._app.run(args["runId"]).status(), b""

    # Hooks

    async def _resume(self, args: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        data = args["data"]
        run = await self._app.client.resume_hook(data.get("token") or data["correlationId"], Encoded(body))
        return {"run": {"runId": run.id}}, b""

    async def _hook(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        client = self._app.client
        hook = await client.world.hook(args["token"])
        metadata = client.keyring.run(hook.run_id, hook.key_id).decrypt(hook.metadata) if hook.metadata else b""
        about = {"runId": hook.run_id, "hookId": hook.token, "token": hook.token, "createdAt": hook.created_at}
        return {**about, "isWebhook": hook.takes.startswith("webhook:")}, metadata

    # Streams

    async def _write(self, args: dict[str, Any], body: bytes) -> tuple[Any, bytes]:
        run_id, name = args["runId"], args["name"]
        frames: list[bytes] = []
        at = 0
        for size in args["sizes"]:
            frames.append(body[at : at + size])
            at += size
        bodies = [part for chunk in frames for part in bodies_of(chunk)]
        if not bodies:
            return None, b""
        if _ABORT in name:
            bodies = [_reason(body) for body in bodies]
        sink = await self._sink(run_id, name, bodies[0])
        for part in bodies:
            await sink.write_body(part)  # which waits for room; what the attempt writes is stored before it counts
        return None, b""

    async def _close(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        await (await self._sink(args["runId"], args["name"], b"")).close()
        return None, b""

    async def _sink(self, run_id: str, name: str, first: bytes) -> Sink:
        streams = attempt_streams()
        if streams is None:
            raise UsageError(f"stream {name} was written to by no step")
        if (sink := streams.find(run_id, name)) is not None:
            return sink
        found = await self._app.client.streams.look(run_id, name)
        kind: StreamType = found.type if found.count else "" if not first or first.startswith(_VALUE) else "bytes"
        return streams.sink(run_id, name, kind)

    async def _open(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        streams = attempt_streams()
        if streams is None:
            raise UsageError(f"stream {args['name']} was read by no step")
        number = next(self._numbers)
        part = Part(start=int(args.get("startIndex") or 0))
        chunks = self._app.client.streams.read(args["runId"], args["name"], part, lambda body: body)
        reader = self._readers[number] = _Reader(chunks, is_signal=_ABORT in args["name"])
        streams.watch(reader.follow)
        return number, b""

    async def _next(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        number = args["reader"]
        reader = self._readers.get(number)
        bodies = [] if reader is None else await reader.next()
        if bodies:
            return "chunks", b"".join(map(frame, bodies))
        self._readers.pop(number, None)
        return "done", b""

    async def _leave(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        reader = self._readers.pop(args["reader"], None)
        if reader is not None:
            reader.leave()
        return None, b""

    async def _info(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        streams = attempt_streams()
        if streams is not None:
            await streams.finish()  # whoever has written something finds it
        found = await self._app.client.streams.look(args["runId"], args["name"])
        return {"tailIndex": found.count - 1, "done": found.end is not None}, b""

    async def _list(self, args: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
        return [found.stored_name for found in await self._app.client.streams.of_run(args["runId"])], b""


class _Reader:
    """
    Follows a stream for a step, a few chunks ahead of it, until the attempt is over.

    Args:
        chunks: of the stream, as they are stored.
        is_signal: whether the stream says why a signal has aborted.
    """

    def __init__(self, chunks: AsyncIterator[StreamChunk], *, is_signal: bool) -> None:
        self._chunks = chunks
        self._is_signal = is_signal
        self._queue: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(_AHEAD)
        self._ending: list[BaseException | None] = []  # was taken from the queue, and is not told yet

    async def follow(self) -> None:
        """Read to the end."""
        try:
            async for chunk in self._chunks:
                await self._queue.put(self._as_sdk(chunk.value))
            await self._queue.put(None)
        except asyncio.CancelledError:
            self.leave()
            raise
        except Exception as error:  # noqa: BLE001  # whoever reads gets it
            await self._queue.put(error)

    async def next(self) -> list[bytes]:
        """Return what is in the next chunks that are there, one at least and not too many; none behind the last one."""
        first = self._ending.pop() if self._ending else await self._queue.get()
        if isinstance(first, BaseException):
            raise first
        if first is None:
            return []
        found, size = [first], len(first)
        while size < _AT_ONCE_BYTES and not self._is_signal and not self._queue.empty():
            following = self._queue.get_nowait()
            if not isinstance(following, bytes):
                self._ending.append(following)
                break
            found.append(following)
            size += len(following)
        return found

    def leave(self) -> None:
        """Give nobody anything more."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    def _as_sdk(self, body: bytes) -> bytes:
        return codec.dumps({"reason": codec.loads(body)}, compress=False) if self._is_signal else body


def _reason(body: bytes) -> bytes:
    """Return why a signal has aborted, as its stream has it here."""
    told = codec.loads(body)
    return codec.dumps(told.get("reason") if isinstance(told, dict) else told, compress=False)
