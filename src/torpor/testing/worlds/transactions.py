"""Being part of a transaction of somebody else's: all of it is there once that is committed, and nothing before."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from torpor.calling_thread import wait_here
from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError, TransactionError
from torpor.model import Notice, StepOutcome
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    WORKER,
    ask,
    begin,
    begin_task,
    claim_step,
    hook,
    new_run,
    outcome,
    step,
    types,
)
from torpor.testing.worlds.suite import PATIENCE_SECONDS, Suite
from torpor.world import World


class BeginTransaction(Protocol):
    """Begins transactions, as an application does."""

    def __call__(self, world: World) -> AbstractAsyncContextManager[object]:
        """
        Return a block whose value is a connection, with a transaction in the world's database that is committed behind
        the block, and rolled back if an error leaves it.
        """
        ...


class _GivenUpError(Exception):
    """The application does not go on with its transaction."""


class TransactionsSuite(Suite):
    """
    The ``Transactions`` protocol; of worlds that know any.

    The author of a world gives a fixture ``begin_transaction``, see :class:`BeginTransaction`.
    """

    async def test_a_run_is_there_once_it_is_committed(self, world: World, begin_transaction: BeginTransaction) -> None:
        """Not before; then workers hear of it, and may claim it."""
        heard = asyncio.Event()

        def hear(notice: Notice) -> None:
            if notice.work:
                heard.set()

        async with begin_transaction(world) as connection:
            within = await world.within(connection)
            created = await within.create_run(new_run())
            assert await within.get_run(RUN) == created
            with pytest.raises(RunNotFoundError):
                await world.get_run(RUN)
            unsubscribe = world.subscribe(hear)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await heard.wait()
        unsubscribe()
        assert await world.get_run(RUN) == created
        assert [task.run_id for task in (await ask(world)).tasks] == [RUN]
        assert await world.damaged() == []

    async def test_what_is_rolled_back_never_was(self, world: World, begin_transaction: BeginTransaction) -> None:
        """A run, a message, a payload, a blob."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        before = await world.events(RUN)
        with pytest.raises(_GivenUpError):  # noqa: PT012  # as an application does
            async with begin_transaction(world) as connection:
                within = await world.within(connection)
                await within.create_run(new_run(OTHER))
                await within.send(RUN, "orders", b"devl[7]", "m1")
                await within.resume_hook("token", b"devl[8]", "r1")
                await within.put_blob("key", b"bytes")
                raise _GivenUpError
        with pytest.raises(RunNotFoundError):
            await world.get_run(OTHER)
        assert await world.events(RUN) == before
        assert not await world.has_blob("key")
        await turn.commit(step("step_created", 2))  # its claim has lost nothing
        assert await world.damaged() == []

    async def test_several_operations_are_one_transaction(
        self, world: World, begin_transaction: BeginTransaction
    ) -> None:
        """Each sees what those before it have stored."""
        await begin(world, RUN, hook("hook_created", 1))
        async with begin_transaction(world) as connection:
            within = await world.within(connection)
            await within.create_run(new_run(OTHER))
            await within.send(OTHER, "orders", b"devl[7]", "m1")
            await within.send(OTHER, "orders", b"devl[7]", "m1")  # tried again
            await within.resume_hook("token", b"devl[8]", "r1")
            assert await within.resumed("token", "r1") == RUN
            await within.cancel_run(OTHER, "", force=True)
        assert await types(world, OTHER) == ["run_created", "message_sent", "run_cancelled"]
        assert (await types(world, RUN))[-1] == "hook_received"
        assert await world.damaged() == []

    async def test_a_refusal_leaves_the_transaction_open(
        self, world: World, begin_transaction: BeginTransaction
    ) -> None:
        """Its owner decides what becomes of it."""
        await world.create_run(new_run())
        async with begin_transaction(world) as connection:
            within = await world.within(connection)
            with pytest.raises(EntityConflictError):
                await within.create_run(new_run(args=b"devl[[1]]"))
            with pytest.raises(RunNotFoundError):
                await within.send("wrun_none", "orders", b"devl[7]", "m1")
            await within.create_run(new_run(OTHER))
        assert (await world.get_run(OTHER)).id == OTHER
        assert await types(world, RUN) == ["run_created"]

    async def test_an_outcome_is_there_once_it_is_committed(
        self, world: World, begin_transaction: BeginTransaction
    ) -> None:
        """A step's result, beside what the step has done in the same database."""
        completed = await _claimed_step(world)
        with pytest.raises(_GivenUpError):  # noqa: PT012  # as an application does
            async with begin_transaction(world) as connection:
                await (await world.within(connection)).finish_step(completed)
                raise _GivenUpError
        assert "step_completed" not in await types(world, RUN)
        async with begin_transaction(world) as connection:
            await (await world.within(connection)).finish_step(completed)
        assert (await types(world, RUN))[-1] == "step_completed"
        assert await world.damaged() == []

    async def test_an_outcome_without_a_claim_is_refused(
        self, world: World, begin_transaction: BeginTransaction
    ) -> None:
        """Who has lost it learns so in time to roll back."""
        completed = await _claimed_step(world)
        await world.release([WORKER])
        with pytest.raises(LeaseLostError):
            async with begin_transaction(world) as connection:
                await (await world.within(connection)).finish_step(completed)
        assert "step_completed" not in await types(world, RUN)

    async def test_a_world_begins_transactions_itself(self, world: World) -> None:
        """Several times, on an event loop and in a thread; what is raised in one rolls it back."""
        for _ in range(2):
            async with world.transaction() as connection:
                await (await world.within(connection)).put_blob("of loop", b"bytes")
            with pytest.raises(_GivenUpError):  # noqa: PT012  # as a step does
                async with world.transaction() as connection:
                    await (await world.within(connection)).delete_blob("of loop")
                    raise _GivenUpError
        assert await world.has_blob("of loop")
        loop = asyncio.get_running_loop()

        def in_thread(key: str, error: Exception | None) -> None:
            async def put(connection: object) -> None:
                await (await world.within(connection)).put_blob(key, b"bytes")

            with world.transaction_in_thread() as connection:
                wait_here(put(connection), loop)
                if error is not None:
                    raise error

        for _ in range(2):
            await asyncio.to_thread(in_thread, "of thread", None)
            with pytest.raises(_GivenUpError):
                await asyncio.to_thread(in_thread, "undone", _GivenUpError())
        assert await world.has_blob("of thread")
        assert not await world.has_blob("undone")

    async def test_a_connection_of_something_else_is_refused(self, world: World) -> None:
        """What it takes is said."""
        with pytest.raises(TransactionError, match=r"not a builtins\.object"):
            await world.within(object())


async def _claimed_step(world: World) -> StepOutcome:
    """Return the outcome of a step whose task was claimed."""
    await begin_task(world)
    return outcome(await claim_step(world), "step_completed")
