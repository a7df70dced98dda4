"""An application as users of the Python Workflow SDK write it; only its import was changed."""

import asyncio
import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pydantic

from torpor import Backoff, UsageError
from torpor.compat.vercel import (
    BaseHook,
    FatalError,
    HookDisposedError,
    RetryableError,
    Run,
    Workflows,
    WorkflowWritable,
    get_run,
    get_step_metadata,
    get_workflow_metadata,
    get_writable,
    now,
    random,
    remove_attributes,
    serializable,
    set_attributes,
    sleep,
    start,
    time_ns,
)

wf = Workflows(world="memory://", name="compat")


class Token(pydantic.BaseModel):
    """What a stream carries."""

    text: str
    index: int


@dataclass
class Approval(BaseHook):
    """A dataclass that people send."""

    approved: bool


class Comment(pydantic.BaseModel, BaseHook):
    """A model that people send."""

    text: str
    stars: int = pydantic.Field(ge=0, le=5)


@serializable
class Point:
    """A class that says itself what is stored of it."""

    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def _workflow_serialize(self) -> dict[str, int]:
        return {"x": self.x, "y": self.y}

    @classmethod
    def _workflow_deserialize(cls, data: dict[str, int]) -> "Point":
        return cls(**data)


@serializable
class Tier(enum.Enum):
    """A plan to pay for."""

    PRO = "pro"


@wf.step(max_retries=5)
async def charge(customer: str) -> dict[str, Any]:
    """Take money, at the second try."""
    info = get_step_metadata()
    if not customer:
        raise FatalError("no customer")
    if info.attempt < 2:
        raise RetryableError("rate limited", retry_after="1ms")
    await set_attributes(charged=customer)
    return {"attempt": info.attempt, "step": info.step_name, "run": info.run_id, "of": get_workflow_metadata()}


@wf.step(max_retries=1, backoff=Backoff(first=0.001))
async def breaks() -> None:
    """Fail, however often it is tried."""
    raise LookupError("it is not there")


@wf.workflow
async def renew(customer: str) -> dict[str, Any]:
    """Sleep, charge, and meet both ways in which steps fail."""
    await sleep("5ms")
    receipt = await charge(customer)
    failures = []
    for call in (charge(""), breaks()):
        try:
            await call
        except FatalError as error:
            failures.append((str(error), type(error.__cause__).__name__))
    await set_attributes({"phase": "charged"}, customer=customer)
    await remove_attributes("customer")
    try:
        await set_attributes({"$reserved": "x"})
    except FatalError as error:
        failures.append((type(error).__name__, "reserved"))
    return {"receipt": receipt, "failures": failures, "of": get_workflow_metadata()}


@wf.workflow
async def waits_for_approval(order: str) -> dict[str, Any]:
    """Wait for a dataclass, and for models until the hook is disposed of."""
    async with Approval.wait(token=f"order:{order}", metadata={"order": order}) as hook:
        approval = await hook
    comments = Comment.wait(token=f"comments:{order}")
    taken = await Comment.wait(token=f"comments:{order}").get_conflict()
    texts = []
    async for comment in comments:
        texts.append(f"{comment.text} {comment.stars}")
        if comment.stars == 0:
            comments.dispose()
    try:
        await comments
    except HookDisposedError as error:
        texts.append(error.token)
    return {"approved": approval.approved, "kind": type(approval).__name__, "texts": texts, "taken": taken is not None}


@wf.step
async def summarize(document: str, out: WorkflowWritable[Token]) -> str:
    """Write a model for each word to the stream that the workflow passed on."""
    typed = out.with_type(Token)

    async def tokens() -> AsyncIterator[Token]:
        for index, text in enumerate(document.split()):
            yield Token(text=text, index=index)

    await typed.write_from(tokens())
    async with get_writable(namespace="bytes") as raw:
        await raw.write(b"raw")
        await raw.drain()
    return out.name


@wf.step
async def done() -> None:
    """End the stream."""
    await get_writable().close()


@wf.workflow
async def analyze(document: str) -> dict[str, str]:
    """Pass a stream to a step; only steps write."""
    out = get_writable()
    name = await summarize(document, out=out)
    try:
        await out.write("from a workflow")
    except UsageError as error:
        refused = str(error)
    await done()
    return {"name": name, "refused": refused}


@wf.step
async def measure(point: Point, tier: Tier, token: Token) -> Point:
    """Take values of one's own classes."""
    return Point(point.x + token.index, point.y) if tier is Tier.PRO else point


@wf.workflow
async def measures(token: Token) -> tuple[int, bool, bool, bool, bool]:
    """Pass values of one's own classes, and ask for the time and for chance."""
    moved = await measure(Point(1, 2), Tier.PRO, token)
    began = now()
    ns = time_ns()
    drawn = random().random()
    await sleep(0.002)
    is_later = now() > began and time_ns() > ns
    return moved.x, isinstance(began, datetime), is_later, random() is random(), drawn != random().random()


@wf.step(cancellable=True)
async def long_call() -> None:
    """Work until somebody gives it up."""
    async with get_writable(namespace="long") as out:
        await out.write("begun")
        await out.drain()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            await out.write(f"stopped: {cancelled}")
            await out.close()
            raise


@wf.step
async def wait_for_first_chunk(run_id: str) -> None:
    """Return when the other step has begun."""
    async for _ in get_run(run_id).readable(namespace="long"):
        return


@wf.workflow
async def gives_up() -> str:
    """Cancel the call of a step."""
    call = asyncio.ensure_future(long_call())
    await wait_for_first_chunk(get_workflow_metadata().run_id)
    call.cancel("enough")
    try:
        await call
    except asyncio.CancelledError:
        return "given up"
    return "not given up"


@wf.workflow
async def fails() -> None:
    """Fail by an error that was caught from a step."""
    await charge("")


@wf.workflow
async def parent(token: Token) -> tuple[int, str, str]:
    """Start a child, and look at it."""
    child: Run[Any] = await start(measures, token)
    value = await child.return_value()
    return value[0], await child.status(), type(get_run(child.run_id)).__name__


@wf.workflow
async def sleeps_long() -> None:
    """Be there to be terminated."""
    await sleep("30 days")
