"""Hooks: payloads from outside, tokens, and races with everything else."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests.engine.support import TIMEOUT
from tests.semantics.support import DAY, HOUR, Stage, kinds, outcome
from torpor import ArgumentError, RunFailedError, UsageError, codec
from torpor.errors import HookNotFoundError

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOOKS = 5
PAYLOADS = 200


@dataclass(frozen=True)
class Work:
    """What a workflow says of its hook."""

    work: str
    since: datetime


@dataclass(frozen=True)
class Other:
    """What it does not say."""

    unit: int


@pytest.fixture
def token(request: pytest.FixtureRequest) -> str:
    """A token that no other test has."""
    return str(request.node.name)


async def test_hook(stage: Stage) -> None:
    """A hook is found by its metadata; three payloads arrive in order, and the last one ends the loop."""
    run = await stage.start("hook_payloads", "customer-7")
    await stage.logged(run, "hook_created")
    (hook,) = (await stage.app.world.open_entities(run.id)).hooks.values()
    assert codec.loads(hook.metadata or b"") == {"customer": "customer-7"}
    assert len(hook.token) >= 22
    for message in ("one", "two", "three"):
        await stage.app.resume_hook(hook.token, {"message": message, "done": message == "three"})
    assert await outcome(run) == ["one", "two", "three"]


async def test_hook_is_looked_up(stage: Stage, token: str) -> None:
    """By its token, with its run, and its metadata as a class wants it; one that is gone, or was never, is told."""
    with pytest.raises(HookNotFoundError, match=re.escape(token)):
        await stage.app.get_hook(token)
    run = await stage.start("hook_owner_does_it", token)
    await stage.logged(run, "hook_created")
    found = await stage.app.get_hook(token)
    assert (found.token, found.run.id) == (token, run.id)
    assert found.metadata == {"work": token, "since": datetime.fromtimestamp(0, UTC)}
    assert found.metadata_as(Work) == Work(token, datetime.fromtimestamp(0, UTC))
    with pytest.raises(ArgumentError, match=r"the metadata of hook .* is no Other: .*unit"):
        found.metadata_as(Other)
    await stage.app.resume_hook(found, "done")
    assert await outcome(run) == "done"
    with pytest.raises(HookNotFoundError, match=re.escape(token)):
        await stage.app.get_hook(token)


async def test_generated_tokens_cannot_be_guessed(stage: Stage) -> None:
    """They are long, differ from run to run, and say nothing of the run."""
    runs = [await stage.start("hook_payloads", "customer") for _ in range(3)]
    tokens = [(await stage.logged(run, "hook_created"))[0].name for run in runs]
    assert len(set(tokens)) == len(runs)
    assert all(re.fullmatch(r"[\w-]{24}", token) for token in tokens)
    for run in runs:
        await run.cancel()


async def test_resume_waits_for_a_hook(stage: Stage, token: str) -> None:
    """A payload that comes before its hook is delivered as soon as a run has made it; in vain it is told."""
    async with asyncio.TaskGroup() as group:
        resumed = group.create_task(stage.app.resume_hook(token, "early", wait="1h"))
        await asyncio.sleep(0)
        run = await stage.start("waits_for", token)
    assert resumed.result().id == run.id
    assert await outcome(run) == "early"
    with pytest.raises(HookNotFoundError, match=r"no live hook had the token .* within 0"):
        await stage.app.resume_hook(token, "late", wait=0)
    with pytest.raises(UsageError, match="wait"):
        await stage.app.resume_hook(token, "late", wait="soon")


async def test_payloads_before_the_first_await(stage: Stage, token: str) -> None:
    """Payloads that come before anybody awaits them wait, in their order."""
    run = await stage.start("takes_late", token, 20)
    for n in range(20):
        await stage.resume(token, n)
    await stage.resume(f"{token}-go")
    assert await outcome(run) == list(range(20))


async def test_hook_token_reuse(stage: Stage, token: str) -> None:
    """The end of a run frees its token, for another run and for nobody else."""
    for n in (1, 2):
        run = await stage.start("waits_for", token)
        await stage.resume(token, n)
        assert await outcome(run) == n
    with pytest.raises(HookNotFoundError, match="test_hook_token_reuse"):
        await stage.app.resume_hook(token, 3)


async def test_resume_ids_are_remembered(stage: Stage, token: str) -> None:
    """Who resumes again under an id gets the run that was resumed, whoever has the token since, and nothing happens."""
    first = await stage.start("waits_for", token)
    again = [await stage.app.resume_hook(token, 1, resume_id="one", wait="1m")]
    assert await outcome(first) == 1
    again.append(await stage.app.resume_hook(token, 1, resume_id="one"))
    second = await stage.start("waits_for", token)
    await stage.logged(second, "hook_created")
    again.append(await stage.app.resume_hook(token, 1, resume_id="one", wait="1m"))
    assert {run.id for run in again} == {first.id}
    assert (await stage.app.resume_hook(token, 2, resume_id="two")).id == second.id
    assert await outcome(second) == 2


async def test_hook_conflict(stage: Stage, token: str) -> None:
    """The second run learns who has the token, its await throws, and the first one gets its payload."""
    first = await stage.start("hook_conflict", token)
    await stage.logged(first, "hook_created")
    second = await stage.start("hook_conflict", token)
    assert await outcome(second) == {"error": "HookConflictError", "token": token, "owner": first.id}
    assert (await kinds(second))["hook_conflict"] == 1
    await stage.app.resume_hook(token, "for the first")
    assert await outcome(first) == "for the first"


async def test_hook_owner_does_it(stage: Stage, token: str) -> None:
    """The owner of a token is a handle, whose result the second run takes over."""
    first = await stage.start("hook_owner_does_it", token)
    await stage.logged(first, "hook_created")
    second = await stage.start("hook_owner_does_it", token)
    await stage.logged(second, "hook_conflict")
    await stage.app.resume_hook(token, "work done")
    assert await outcome(first) == "work done"
    assert await outcome(second) == {"from": first.id, "result": "work done"}


async def test_hook_dispose_reuse(stage: Stage, token: str) -> None:
    """A token is free as soon as its hook was disposed of, while the first run goes on."""
    first = await stage.start("hook_dispose_reuse", token)
    await stage.resume(token, "first")
    await stage.logged(first, "hook_disposed")
    second = await stage.start("waits_for", token)
    await stage.resume(token, "second")
    assert await outcome(second) == "second"
    assert await first.status() == "running"
    await stage.resume(f"{token}-second", "last")
    assert await outcome(first) == ["first", "last"]


async def test_hook_retained(stage: Stage, token: str) -> None:
    """A token stays its run's for so long after disposal, and after the run's end; then it is anybody's."""
    first = await stage.start("hook_retained", token)
    await stage.resume(token, "first")
    await stage.logged(first, "hook_disposed")
    assert await outcome(await stage.start("hook_retained", token)) == "taken"
    await stage.resume(f"{token}-end")
    assert await outcome(first) == "first"
    second = await stage.start("hook_conflict", token)
    assert await outcome(second) == {"error": "HookConflictError", "token": token, "owner": first.id}
    with pytest.raises(HookNotFoundError):
        await stage.app.resume_hook(token)
    stage.clock.put_forward(2 * HOUR)
    third = await stage.start("waits_for", token)
    await stage.resume(token, "third")
    assert await outcome(third) == "third"


async def test_hook_retained_too_long(stage: Stage, token: str) -> None:
    """A reservation has a limit, and who passes it is told."""
    run = await stage.start("hook_retained_too_long", token)
    with pytest.raises(RunFailedError, match="30 days at most"):
        await outcome(run)


async def test_hook_typed(stage: Stage, token: str) -> None:
    """A payload that does not fit is told to who sends it where the class is known, else to the workflow."""
    run = await stage.start("hook_typed", token)
    await stage.logged(run, "hook_created", 2)
    if stage.speaks_python:
        with pytest.raises(ArgumentError, match=r"takes Approval: payload\.amount: expected int, found str 'many'"):
            await stage.app.resume_hook(token, {"amount": "many", "by": "Ann"})
        assert (await kinds(run))["hook_received"] == 0
        await _resume_unchecked(stage, token, {"amount": "many", "by": "Ann"})
        await stage.app.resume_hook(token, {"amount": 2.0, "by": "Ann"})
        await _resume_unchecked(stage, f"{token}-number", "seven")
        await stage.app.resume_hook(f"{token}-number", 7.0)
        assert await outcome(run) == [
            "hook 'TOKEN' takes Approval: payload.amount: expected int, found str 'many'",
            [2, "Ann"],
            "hook 'TOKEN-number' takes int: payload: expected int, found str 'seven'",
            7,
        ]
    else:
        await stage.app.resume_hook(token, {"amount": "many"})
        await stage.app.resume_hook(token, {"amount": 2, "by": "Ann"})
        await stage.app.resume_hook(f"{token}-number", -7)
        await stage.app.resume_hook(f"{token}-number", 7)
        assert await outcome(run) == [
            "hook TOKEN: the payload does not fit its schema: .amount: expected a number; .by: expected a string",
            {"amount": 200, "by": "Ann"},
            "hook TOKEN-number: the payload does not fit its schema: -7 is not positive",
            7,
        ]


async def _resume_unchecked(stage: Stage, token: str, payload: object) -> None:
    """Resume a hook as somebody would in whose process its class is not loaded."""
    hook = await stage.app.world.hook(token)
    run_codec = stage.app.keyring.run(hook.run_id, hook.key_id, hook.public)
    await stage.app.world.resume_hook(token, run_codec.dumps(payload), f"unchecked {payload}")


async def test_hook_resumed_by_run(stage: Stage, token: str) -> None:
    """A run resumes another run's hook, once however often the step behind it is tried."""
    run = await stage.start("hook_resumed_by_run", token)
    assert await outcome(run) == [True, "from a run"]


async def test_disposed_while_awaited(stage: Stage, token: str) -> None:
    """Iteration over a hook ends when it is disposed of, with the payloads that came before."""
    run = await stage.start("disposed_while_awaited", token)
    await stage.resume(token, 1)
    await stage.resume(token, 2)
    await stage.resume(f"{token}-stop")
    assert await outcome(run) == [1, 2]


async def test_hook_with_sleep(stage: Stage, token: str) -> None:
    """Three payloads are taken in order while a long sleep is pending."""
    run = await stage.start("hook_with_sleep", token)
    for n in (10, 20, 30):
        await stage.resume(token, n)
    assert await outcome(run) == [11, 21, 31]
    (asleep,) = await stage.logged(run, "wait_created")
    assert asleep.due >= (await run.info()).created_at + 30 * DAY
    assert (await kinds(run))["wait_completed"] == 0


async def test_hook_with_unknown_option(stage: Stage, token: str) -> None:
    """An option that no hook has fails the run instead of being ignored, and no hook is made."""
    run = await stage.start("hook_with_unknown_option", token)
    with pytest.raises(RunFailedError, match=r"TypeError: .*timeout"):
        await outcome(run)
    assert (await kinds(run))["hook_created"] == 0


async def test_many_hooks_and_sleep_race(stage: Stage, token: str) -> None:
    """
    A loop that races hooks against a sleep takes every payload once and in order, however they come.

    Now and then the run loses its snapshot, so that it must find its way from the log: it would fail if it diverged.
    """
    dice = random.Random(token)
    run = await stage.start("many_hooks_and_sleep_race", token, HOOKS, PAYLOADS)
    sent: list[list[int]] = [[] for _ in range(HOOKS)]
    for n in range(PAYLOADS):
        which = dice.randrange(HOOKS)
        sent[which].append(n)
        await stage.resume(f"{token}-{which}", n)
        if dice.random() < 0.3:
            # Bursts and pauses of random length are the point here; nothing is expected of their timing.
            await asyncio.sleep(dice.random() * 0.01)
        if stage.runtime == "snapshot" and dice.random() < 0.05:
            await stage.app.world.delete_snapshot(run.id)
    raced = await run.result(timeout=TIMEOUT)
    assert raced["seen"] == sent
    assert raced["naps"] <= (await kinds(run))["wait_completed"]
