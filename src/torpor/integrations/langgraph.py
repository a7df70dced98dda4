"""
Graphs of LangGraph inside a step: their checkpoints are kept, so that an attempt goes on behind the last node that was
done before, and a later step goes on from an interrupt.

::

    @app.step(timeout="1h")
    async def research(question: str) -> dict[str, Any]:
        return await recorded(graph).ainvoke({"question": question})

The graph runs in the worker. See docs/agents.md for what that means.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import INTERRUPT, RESUME
from langgraph.pregel import Pregel
from langgraph.types import Command

from torpor.engine.attempt_streams import attempt_streams
from torpor.engine.metadata import current_step
from torpor.engine.stream_steps import get_readable, get_writable
from torpor.engine.stream_writing import running_loop
from torpor.errors import UsageError

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

T = TypeVar("T")

STREAM: Final = "langgraph"
"""The run's stream that has the checkpoints of all its graphs."""

_NO_TASK: Final = "00000000-0000-0000-0000-000000000000"
_OF_A_PLACE: Final = ("thread_id", "checkpoint_ns", "checkpoint_id")


def recorded(graph: Pregel[Any, Any, Any, Any]) -> RecordedGraph:
    """
    Return a graph like this one, whose checkpoints are kept in the run, for one call in a step.

    Args:
        graph: compiled; it stays what it is, and a checkpointer of its own is not used.

    Raises:
        UsageError: called outside a step.
    """
    return RecordedGraph(graph)


class RecordedGraph:
    """
    A graph whose checkpoints are kept, to be called once.

    A thread is the run's, unless the configuration names another ``thread_id``; a later step goes on with it.

    Attributes:
        graph: LangGraph's own, for what else there is: its state, its history.
    """

    def __init__(self, graph: Pregel[Any, Any, Any, Any]) -> None:
        self._step = current_step()
        self._kept = _Kept(self._step.step_id)
        self._is_called = False
        self.graph = copy.copy(graph)
        self.graph.checkpointer = self._kept

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:  # noqa: A002  # LangGraph's word
        """
        Do as the graph's own ``ainvoke``; an attempt behind the first goes on where the one before it was.

        Raises:
            UsageError: it is called a second time.
        """
        given, where = await self._going_on(input, config)
        return await self.graph.ainvoke(given, where, **_strict(options))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002  # as above
        """Do as the graph's own ``astream``; what an attempt before this one has yielded is not yielded again."""
        given, where = await self._going_on(input, config)
        async for each in self.graph.astream(given, where, **_strict(options)):
            yield each

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:  # noqa: A002  # as above
        """Do as :meth:`ainvoke`, in a ``def`` step."""
        given, where = _on_the_loop(self._going_on(input, config))
        return self.graph.invoke(given, where, **_strict(options))

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002  # as above
        """Do as :meth:`astream`, in a ``def`` step."""
        given, where = _on_the_loop(self._going_on(input, config))
        yield from self.graph.stream(given, where, **_strict(options))

    async def _going_on(self, given: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig]:
        """Return what is left of the input, as much as no attempt before this one has taken, and where it goes."""
        if self._is_called:
            raise UsageError(
                f"step {self._step.name} calls a recorded graph a second time, and could not tell after a crash how "
                f"far it was; call it in another step, or make another one, with a thread_id of its own"
            )
        self._is_called = True
        where: RunnableConfig = {**(config or {})}
        where["configurable"] = {"thread_id": self._step.run_id, **where.get("configurable", {})}
        return await self._kept.left_of(given, where["configurable"]["thread_id"]), where


class _Kept(InMemorySaver):
    """
    LangGraph's checkpoints in memory, filled from the run's stream when they are first asked for, and written to both.

    Args:
        step_id: of whose attempt it is.
    """

    def __init__(self, step_id: str) -> None:
        super().__init__()
        self._step_id = step_id
        self._filling = asyncio.Lock()
        self._is_filled: list[bool] = []  # copies of this saver share what they hold
        self._newest: dict[tuple[str, str], str] = {}
        self._begun: set[tuple[str, str]] = set()
        self._asked_again: set[str] = set()

    async def left_of(self, given: Any, thread: str) -> Any:
        """Return what of an input has not become a part of the thread in an attempt before this one."""
        await self._fill()
        if not isinstance(given, Command):
            return None if (thread, "put") in self._begun else given
        if not {(thread, "put"), (thread, "put_writes")} & self._begun:
            return given
        # Answers that name their interrupts are in no checkpoint before the nodes that take them are done.
        named = given.resume if isinstance(given.resume, dict) else {}
        left = {key: each for key, each in named.items() if key in self._interrupts() - self._asked_again}
        return Command(resume=left) if left else None

    def _interrupts(self) -> set[str]:
        """Return the names of all interrupts that there were."""
        loads = self.serde.loads_typed
        told = [
            loads(value) for each in self.writes.values() for _, name, value, _ in each.values() if name == INTERRUPT
        ]
        return {each.id for interrupts in told for each in interrupts}

    # What LangGraph asks

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        await self._fill()
        return super().get_tuple(self._placed(config))

    async def alist(self, config: RunnableConfig | None, **which: Any) -> AsyncIterator[CheckpointTuple]:
        await self._fill()
        for each in super().list(config, **which):
            yield each

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        values = checkpoint["channel_values"]
        changed = {name: values[name] for name in new_versions if name in values}
        metadata = get_checkpoint_metadata(config, metadata)
        await self._note("put", config, {**checkpoint, "channel_values": changed}, metadata, new_versions)
        return self._put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._note("put_writes", config, list(writes), task_id, task_path)
        self._put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        await self._note("delete_thread", {"configurable": {"thread_id": thread_id}})
        super().delete_thread(thread_id)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return _on_the_loop(self.aget_tuple(config))

    def list(self, config: RunnableConfig | None, **which: Any) -> Iterator[CheckpointTuple]:
        _on_the_loop(self._fill())
        return super().list(config, **which)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return _on_the_loop(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        _on_the_loop(self.aput_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        _on_the_loop(self.adelete_thread(thread_id))

    # In memory

    def _placed(self, config: RunnableConfig) -> RunnableConfig:
        """Return where the checkpoint is that is meant: the one written last, whatever clocks say that ids are of."""
        place = config["configurable"]
        thread, namespace = place["thread_id"], place.get("checkpoint_ns", "")
        newest = self._newest.get((thread, namespace))
        if place.get("checkpoint_id") or newest is None:
            return config
        return {"configurable": {"thread_id": thread, "checkpoint_ns": namespace, "checkpoint_id": newest}}

    def _put(self, config: RunnableConfig, checkpoint: Checkpoint, *rest: Any) -> RunnableConfig:
        place = config["configurable"]
        self._newest[place["thread_id"], place["checkpoint_ns"]] = checkpoint["id"]
        return super().put(config, checkpoint, *rest)

    def _put_writes(self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, *path: str) -> None:
        super().put_writes(config, writes, task_id, *path)
        if task_id != _NO_TASK and any(name == RESUME for name, _ in writes):
            # A task has taken the answer: left where it waits for one, it would answer the next question, too.
            for (thread, *_), kept in self.writes.items():
                if thread == config["configurable"]["thread_id"]:
                    for key in [key for key, each in kept.items() if each[:2] == (_NO_TASK, RESUME)]:
                        del kept[key]

    # In the stream

    async def _note(self, what: str, config: RunnableConfig, *about: Any) -> None:
        place = {name: config["configurable"][name] for name in _OF_A_PLACE if name in config["configurable"]}
        kind, data = self.serde.dumps_typed([{"configurable": place}, *about])
        out = get_writable(STREAM)
        entry = {"step": self._step_id, "thread": place["thread_id"], "what": what, "kind": kind, "data": data}
        await out.write(entry)
        await out.flush()

    async def _fill(self) -> None:
        async with self._filling:
            if not self._is_filled:
                async for entry in get_readable(STREAM, until="now"):
                    self._take(entry)
                self._is_filled.append(True)

    def _take(self, entry: dict[str, Any]) -> None:
        config, *about = self.serde.loads_typed((entry["kind"], entry["data"]))
        match entry["what"]:
            case "put":
                self._put(config, *about)
            case "put_writes":
                self._put_writes(config, *about)
            case _:
                super().delete_thread(entry["thread"])
        if entry["step"] != self._step_id:
            return
        self._begun.add((entry["thread"], entry["what"]))
        if entry["what"] == "put_writes":
            interrupts = [each for name, each in about[0] if name == INTERRUPT]
            self._asked_again |= {each.id for found in interrupts for each in found}


def _strict(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with which a node begins only when all before it is stored."""
    return {"durability": "sync", **options}


def _on_the_loop(work: Coroutine[Any, Any, T]) -> T:
    """
    Wait on a ``def`` step's thread, or one that it made, for work on the attempt's event loop.

    Raises:
        UsageError: it would wait on the loop itself.
    """
    attempt = attempt_streams()
    if attempt is None or running_loop() is not None:
        work.close()
        raise UsageError(
            "a recorded graph is called by invoke and stream in a `def` step; await ainvoke, or use astream"
        )
    return asyncio.run_coroutine_threadsafe(work, attempt.loop).result()
