"""The Python Workflow SDK's names: what they do here, in both runtimes, and which of them are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

import torpor.compat.vercel as compat
from tests.compat import vercel_app as user
from tests.compat.vercel_app import Approval, Comment, Token, wf
from torpor.compat.vercel import (
    FatalError,
    Hook,
    HookNotFoundError,
    SerializationError,
    TypeValidationError,
    WorkflowRunFailedError,
    Workflows,
    get_hook_by_token,
    get_run,
    get_step_metadata,
    get_workflow_metadata,
    get_writable,
    now,
    read_stream,
    set_attributes,
    start,
)
from torpor.errors import ConfigurationError, OutsideWorkflowError, UsageError

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES_0_12 = [
    "Workflows",
    "ENDPOINT_PATH",
    "MANIFEST_PATH",
    "HTTPHandler",
    "HTTPRequest",
    "HTTPResponse",
    "now",
    "random",
    "remove_attributes",
    "set_attributes",
    "sleep",
    "start",
    "time_ns",
    "Run",
    "WorkflowRunStatus",
    "BaseHook",
    "Hook",
    "HookEvent",
    "get_hook_by_token",
    "get_run",
    "get_step_metadata",
    "get_workflow_metadata",
    "get_writable",
    "read_stream",
    "WorkflowWritable",
    "WorkflowStreamWriter",
    "WorkflowStreamHandle",
    "StepInfo",
    "WorkflowInfo",
    "WorkflowFeatures",
    "serializable",
    "register_serializable",
    "EntityConflictError",
    "FatalError",
    "HookConflictError",
    "HookDisposedError",
    "HookNotFoundError",
    "RemoteError",
    "RetryableError",
    "RunExpiredError",
    "SerializationError",
    "StepNotRegisteredError",
    "ThrottleError",
    "TooEarlyError",
    "TypeValidationError",
    "WorkflowRunFailedError",
    "WorkflowWorldError",
    "sandbox",
    "SandboxPolicy",
]
"""``vercel.workflow.__all__`` of ``vercel-workflow`` 0.12.0, whose tree is too heavy to be installed for a list."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["snapshot", "replay"], autouse=True)
async def runtime(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A worker of the application, in a world of its own."""
    with wf.moved("memory://", runtime=request.param):
        async with wf, wf.worker():
            yield request.param


async def hook_at(token: str) -> Hook:
    """Return a hook as soon as its run has made it."""
    async with asyncio.timeout(20):
        while True:
            with suppress(HookNotFoundError):
                return await get_hook_by_token(token)
            await asyncio.sleep(0.005)


async def test_steps_are_retried_and_fail_as_theirs() -> None:
    """A step is tried again when it says; one that fails for good raises FatalError, with the cause."""
    run = await start(user.renew, "ann")
    value = await run.return_value()
    receipt = value["receipt"]
    assert (receipt["attempt"], receipt["run"]) == (2, run.run_id)
    assert receipt["step"].endswith("//charge")
    assert receipt["of"] == value["of"]
    assert not receipt["of"].features.encryption
    fatal, exhausted, reserved = value["failures"]
    assert fatal == ("no customer", "NoneType")
    assert exhausted == (f"Step '{receipt['step'][:-6]}breaks' failed after 1 retry: it is not there", "LookupError")
    assert reserved == ("FatalError", "reserved")
    assert await run.attributes() == {"charged": "ann", "phase": "charged"}
    assert await run.status() == "completed"


async def test_hooks_have_the_classes_of_their_payloads() -> None:
    """Dataclasses and models arrive as such; a token that is taken is told; a disposed hook ends."""
    run = await start(user.waits_for_approval, "o-1")
    hook = await hook_at("order:o-1")
    assert (hook.run_id, hook.metadata) == (run.run_id, {"order": "o-1"})
    assert hook.hook_id.startswith("hook_")
    assert await Approval(approved=True).resume(hook) == hook
    await hook_at("comments:o-1")
    await Comment(text="good", stars=5).resume("comments:o-1")
    await Comment(text="bad", stars=0).resume("comments:o-1")
    texts = ["good 5", "bad 0", "comments:o-1"]
    assert await run.return_value() == {"approved": True, "kind": "Approval", "texts": texts, "taken": True}
    with pytest.raises(HookNotFoundError):
        await Approval(approved=True).resume("order:o-1")
    with pytest.raises(TypeError, match="dataclass or a pydantic model"):
        await compat.BaseHook().resume("order:o-1")


async def test_steps_write_streams_that_clients_read() -> None:
    """A handle that a workflow passes on is a writer in the step; readers get models, bytes, and what is left."""
    run = await start(user.analyze, "to be or")
    value = await run.return_value()
    assert "pass the stream to a step" in value["refused"]
    assert [chunk async for chunk in run.readable(type=Token)] == [
        Token(text=text, index=index) for index, text in enumerate(["to", "be", "or"])
    ]
    assert [chunk.text async for chunk in run.readable(start_index=-1)] == ["or"]
    assert [chunk.index async for chunk in read_stream(run.run_id, value["name"], start_index=1)] == [1, 2]
    assert [chunk async for chunk in run.readable_bytes(namespace="bytes")] == [b"raw"]
    with pytest.raises(SerializationError, match="Token, not bytes"):
        await anext(run.readable_bytes())
    with pytest.raises(TypeValidationError, match="chunk 0"):
        await anext(run.readable(type=int))
    info = await run.stream_info()
    assert (info.tail_index, info.done) == (2, True)
    assert (await run.stream_info(namespace="none")).tail_index == -1
    assert min(await run.list_streams()) == value["name"]
    assert len(await run.list_streams()) == 2


async def test_values_time_and_chance() -> None:
    """One's own classes cross; the time goes on while a run sleeps; there is one generator, which goes on."""
    assert await (await start(user.measures, Token(text="", index=4))).return_value() == (5, True, True, True, True)
    assert await (await start(user.parent, Token(text="", index=1))).return_value() == (2, "completed", "Run")


async def test_a_cancellable_step_is_told() -> None:
    """The body of the step meets the cancellation, and may still write; then the workflow does."""
    run = await start(user.gives_up)
    assert await run.return_value() == "given up"
    assert [chunk async for chunk in run.readable(namespace="long")] == ["begun", "stopped: enough"]


async def test_how_runs_end() -> None:
    """A failed run tells its error, a terminated one that it was; a result is checked against a type."""
    failed = await start(user.fails)
    with pytest.raises(WorkflowRunFailedError, match="no customer") as raised:
        await failed.return_value()
    assert isinstance(raised.value.error, FatalError)
    assert (raised.value.run_id, raised.value.error_code) == (failed.run_id, "USER_ERROR")
    asleep = await start(user.sleeps_long)
    with pytest.raises(ValueError, match="512"):
        await asleep.terminate(reason="x" * 513)
    await asleep.terminate(reason="enough")
    with pytest.raises(RuntimeError, match="workflow cancelled"):
        await get_run(asleep.run_id).return_value()
    done = await start(user.measures, Token(text="", index=4))
    with pytest.raises(TypeValidationError, match="the return value"):
        await get_run(done.run_id, type=int).return_value()


async def test_every_name_is_there_or_refused() -> None:
    """Each public name of the SDK is here, or an import of it says what to do instead; there are no others."""
    assert {*compat.__all__, *compat.REFUSED} == set(NAMES_0_12)
    assert not set(compat.__all__) & set(compat.REFUSED)
    for name in compat.__all__:
        assert hasattr(compat, name), name
    for name, advice in compat.REFUSED.items():
        with pytest.raises(ConfigurationError, match=name) as raised:
            getattr(compat, name)
        assert advice in str(raised.value)
    with pytest.raises(AttributeError):
        compat.no_name_of_anybody  # noqa: B018


async def test_what_is_asked_for_in_the_wrong_place_is_refused() -> None:
    """Only workflows and steps have what is theirs; handlers for another host's queue are not there."""
    for error, wrong in (
        (OutsideWorkflowError, now),
        (OutsideWorkflowError, Approval.wait),
        (OutsideWorkflowError, get_writable),
        (UsageError, get_step_metadata),
        (UsageError, get_workflow_metadata),
        (ConfigurationError, lambda: wf.http_handler),
        (ConfigurationError, lambda: wf.manifest_handler),
        (ConfigurationError, lambda: Workflows(sandbox_policy=object())),  # type: ignore[arg-type]  # refused
        (ConfigurationError, lambda: wf.step(len)),  # type: ignore[arg-type]  # refused
    ):
        with pytest.raises(error):
            _called(wrong)
    for awaited in (set_attributes(phase="x"), set_attributes(allow_reserved_attributes=True)):
        with pytest.raises(FatalError):
            await awaited
    with pytest.raises(UsageError, match="decorate it with"):
        await start(len)
    assert wf.namespace == "compat"


def _called(what: Any) -> object:
    return what()
