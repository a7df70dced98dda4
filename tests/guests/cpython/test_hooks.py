"""Hooks as Python workflow code sees them."""

from __future__ import annotations

import pytest

from tests.guests.cpython.conftest import BEGAN_AT, SEED, Author, Run, value_of
from torpor.codec.values import RunReference
from torpor.errors import HookConflictError, HookDisposedError, SerializationError, UsageError


def created(run: Run, op: int = 1) -> Run:
    """Tell the run that the token is its own."""
    return run.deliver(run.event("hook_created", op))


def conflict(run: Run, op: int = 1, owner: str = "wrun_other") -> Run:
    """Tell the run that the token is another's."""
    return run.deliver(run.event("hook_conflict", op, owner=owner))


def test_create_asks_for_a_hook(author: Author) -> None:
    """Creation is an op with token and metadata, and waits for nothing."""
    run = author.body("h = hook('a', metadata={'k': 1}); return h.token").begin()

    (op,) = run.ops
    assert (op.n, op.type, op.name, op.at) == (1, "hook", "a", BEGAN_AT)
    assert value_of(op.input) == {"k": 1}
    assert run.value == "a"


def test_no_metadata_is_no_input(author: Author) -> None:
    """Without metadata there is nothing stored."""
    assert author.body("hook('a')").begin().ops[0].input is None


def test_await_takes_the_next_payload(author: Author) -> None:
    """Each await takes one payload, in order of arrival, also those that came before."""
    run = author.body("h = hook('a'); await charge(1); return [await h, await h, await h]").begin()
    created(run).receive("x", {"n": 2})

    assert run.park().complete(2).receive("z").value == ["x", {"n": 2}, "z"]


def test_a_hook_may_be_awaited_where_it_is_made(author: Author) -> None:
    """The short form."""
    assert created(author.body("return await hook('a')").begin()).receive(7).value == 7


def test_waiters_are_served_in_order(author: Author) -> None:
    """Two tasks get two payloads, first come, first served."""
    body = "h = hook('a')\nasync def take(): return await h\nreturn await asyncio.gather(take(), take())"

    assert created(author.body(body).begin()).receive(1, 2).value == [1, 2]


def test_hooks_in_gather_and_wait_for(author: Author) -> None:
    """A hook is awaited by whatever takes awaitables."""
    run = author.body("return await asyncio.gather(hook('a'), asyncio.wait_for(hook('b'), 60))").begin()
    first, second = (op.n for op in run.ops if op.type == "hook")
    run.receive("two", op=second)

    assert run.receive("one", op=first).value == ["one", "two"]


def test_iteration(author: Author) -> None:
    """async for yields every payload until the loop is left; the hook stays alive."""
    run = author.body("""
        h, got = hook('a'), []
        async for payload in h:
            got.append(payload)
            if payload == "end":
                break
        return got + [await h]
    """).begin()

    assert created(run).receive(1, 2).park().receive("end", "after").value == [1, 2, "end", "after"]


def test_dispose_ends_iteration_and_frees_the_token(author: Author) -> None:
    """A loop in another task ends, and the host is told once."""
    run = author.body("""
        h = hook('a')
        async def loop():
            return [payload async for payload in h]
        task = asyncio.create_task(loop())
        await charge(1)
        h.dispose()
        h.dispose()
        return await task
    """).begin()
    created(run).receive("x")
    run.park().complete(2)

    assert run.value == ["x"]
    assert [(op.type, op.target) for op in run.ops[2:]] == [("hook_dispose", 1)]


def test_async_with_disposes(author: Author) -> None:
    """The end of the block frees the token."""
    run = author.body("async with hook('a') as h:\n    got = await h\nreturn got").begin()

    assert created(run).receive(1).value == 1
    assert [op.type for op in run.ops] == ["hook", "hook_dispose"]


def test_awaiting_a_disposed_hook(author: Author) -> None:
    """There will never be a payload, so that is an error, pending or later."""
    run = author.body("""
        h = hook('a')
        async def take():
            return await h
        task = asyncio.create_task(take())
        await asyncio.sleep(0)
        h.dispose()
        try:
            await task
        except HookDisposedError:
            await h
    """).begin()

    assert isinstance(run.failure, HookDisposedError)


def test_conflict_is_raised_at_the_await(author: Author) -> None:
    """A taken token fails who awaits, with token and owner."""
    failure = conflict(author.body("await hook('a')").begin()).failure

    assert isinstance(failure, HookConflictError)
    assert (failure.token, failure.run_id) == ("a", "wrun_other")


def test_conflict_can_be_asked_for(author: Author) -> None:
    """conflict() waits for the answer and gives None or a handle of the owner; the run asks not to be parked."""
    taken = author.body("owner = await hook('a').conflict(); return [owner, owner.id]").begin()
    assert taken.last.awaits_ack
    assert conflict(taken).value == [RunReference("wrun_other"), "wrun_other"]

    run = author.body("owner = await hook('a').conflict(); return owner").begin()
    assert created(run).value is None
    assert not run.last.awaits_ack


def test_a_cancelled_taker_takes_nothing(author: Author) -> None:
    """A payload goes to the first task that still waits for one."""
    run = author.body("""
        h = hook('a')
        async def take():
            return await h
        first, second = asyncio.create_task(take()), asyncio.create_task(take())
        await asyncio.sleep(0)
        first.cancel()
        return await second
    """).begin()

    assert created(run).receive(5).value == 5


def test_cancelled_takers_are_forgotten(author: Author) -> None:
    """A loop that gives up waiting again and again leaves nothing behind."""
    run = author.body("""
        h = hook('a')
        async def take():
            return await h
        for _ in range(1000):
            task = asyncio.create_task(take())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
        return len(h._arrivals._takers)
    """).begin()

    assert run.value == 0


HEARTBEATS = """
    h, got = hook('a'), []
    it = aiter(h)
    while got[-1:] != ["end"]:
        try:
            got.append(await asyncio.wait_for(anext(it), 60))
        except TimeoutError:
            got.append("beat")
    return got
"""


def test_a_heartbeat_loop(author: Author) -> None:
    """A loop that waits for the next payload no longer than a minute loses none, however often the minute passes."""
    run = created(author.body(HEARTBEATS).begin())
    for payload in (None, None, 1, None, "end"):
        if payload is None:
            run.park().wake(run.ops[-1].n, 60_000)
        else:
            run.park().receive(payload)

    assert run.value == ["beat", "beat", 1, "beat", "end"]


@pytest.mark.parametrize(
    "abandoned",
    [
        "task = asyncio.create_task(anext(it)); await asyncio.sleep(0); task.cancel(); await asyncio.wait([task])",
        "task = asyncio.create_task(anext(it, 0)); await asyncio.sleep(0); task.cancel(); await asyncio.wait([task])",
        "task = asyncio.create_task(anext(it)); task.cancel(); await asyncio.wait([task])",
        "await asyncio.wait_for(anext(it), 0)",
        "async with asyncio.timeout(0): await anext(it)",
        "async with asyncio.TaskGroup() as g: g.create_task(anext(it)); g.create_task(wrong())",
        "await asyncio.gather(asyncio.wait_for(anext(it), 0), wrong())",
        "c = anext(it); c.send(None); c.close()",
        "async with asyncio.timeout(0):\n        async for x in it: pass",
    ],
)
def test_an_iterator_survives_what_happens_to_a_pending_anext(author: Author, abandoned: str) -> None:
    """Cancelled, timed out, in a group that failed, closed: the next payload is for whoever asks next."""
    run = author.body(f"""
h = hook('a')
it = aiter(h)
async def wrong(): raise ValueError
try:
    {abandoned}
except (TimeoutError, ValueError, ExceptionGroup):
    pass
got = [await anext(it), await h]
h.dispose()
return got + [await anext(it, "over")]
""").begin()

    assert created(run).receive(1).park().receive(2).value == [1, 2, "over"]


def test_a_pending_anext_is_carried_from_wait_to_wait(author: Author) -> None:
    """A task of anext that is not done in time is waited for again, and gets the payload."""
    run = author.body("""
        it = aiter(hook('a'))
        task = asyncio.create_task(anext(it))
        done, pending = await asyncio.wait({task}, timeout=5)
        assert pending == {task}
        done, _ = await asyncio.wait({task, asyncio.create_task(charge())}, return_when=asyncio.FIRST_COMPLETED)
        return task.result(), await anext(it)
    """).begin()
    created(run).park().wake(2, 5000)

    assert run.park().receive(1).park().receive(2).value == (1, 2)


def test_a_payload_handed_to_a_task_that_is_cancelled_before_it_runs(author: Author) -> None:
    """It is not lost, but given back."""
    run = author.body("""
        h = hook('a')
        it = aiter(h)
        first = asyncio.create_task(anext(it))
        await asyncio.sleep(0)
        h.receive({"type": "hook_received", "value": 'devl[1]'})
        first.cancel()
        await asyncio.wait([first])
        return first.cancelled(), await anext(it)
    """).begin()

    assert run.value == (True, 1)


def test_a_closed_iterator_takes_nothing(author: Author) -> None:
    """``aclosing`` ends the iterator and not the hook."""
    run = author.body(
        """
        h = hook('a')
        async with contextlib.aclosing(aiter(h)) as it:
            got = [await anext(it)]
        return got + [payload async for payload in it] + [await h]
    """,
        before="import contextlib\n",
    ).begin()

    assert created(run).receive(1).receive(2).value == [1, 2]


def test_tokens_are_unguessable(author: Author) -> None:
    """Without a token there is one of 144 random bits, which the run's seed decides."""
    run = author.body("return hook().token")
    tokens = [author.run(run.image).begin(seed=seed).value for seed in (SEED, SEED, bytes(32))]

    assert tokens[0] == tokens[1] != tokens[2]
    assert len(tokens[0]) == 24


@pytest.mark.parametrize(
    ("kind", "takes"),
    [("int", "builtins:int"), ("int | None", ""), ("typing.Any", "typing:Any"), ("typing.NewType('Id', int)", "")],
)
def test_any_form_of_typing_says_what_a_payload_is(author: Author, kind: str, takes: str) -> None:
    """Classes that others find too are told to the world."""
    run = author.body(f"import typing; return await hook({kind}, token='a')").begin()
    assert [op.takes for op in run.last.ops] == [takes]
    assert created(run).deliver(run.event("hook_received", 1, value="devl[7]")).value == 7


@pytest.mark.parametrize("given", ["7", "[int]", "'a', token='b'", "min_retention='31d'", "min_retention='soon'"])
def test_what_a_hook_cannot_be_given(author: Author, given: str) -> None:
    """No type, two tokens, and no or too long a time."""
    assert isinstance(author.body(f"hook({given})").begin().failure, UsageError)


@pytest.mark.parametrize("token", ["''", "'x' * 257", "token=7"])
def test_token_bounds(author: Author, token: str) -> None:
    """A token has 1 to 256 characters."""
    assert isinstance(author.body(f"hook({token})").begin().failure, UsageError)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("hook('t', timeout=3)", "hook() got an unexpected keyword argument 'timeout'"),
        ("await sleep(1, name='nap')", "sleep() got an unexpected keyword argument 'name'"),
    ],
)
def test_options_that_there_are_not(author: Author, call: str, told: str) -> None:
    """They are told as anywhere in Python."""
    run = author.body(call).begin()

    assert isinstance(run.failure, TypeError)
    assert told in str(run.failure)
    assert run.ops == []


def test_metadata_that_cannot_be_stored(author: Author) -> None:
    """The error names the hook."""
    failure = author.body("hook('a', metadata=print)").begin().failure

    assert isinstance(failure, SerializationError)
    assert "'a'" in str(failure)
