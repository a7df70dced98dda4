"""
One request to a model, by Pydantic AI's direct requests: what was said becomes its messages, the answer becomes ours.

Nothing is tried again here: an attempt of the step is one HTTP request, and the step's own retries, which are
recorded, come after it. Its id goes along as ``Idempotency-Key``, for providers that know what to do with it.
"""

from __future__ import annotations

import asyncio
import importlib
import weakref
from typing import Any

from torpor.agents.chunks import Spoken, told_messages
from torpor.agents.messages import Message, ModelRequest, Prompt, Reply, ToolCall, ToolResult, ToolSpec, Usage
from torpor.agents.models import made
from torpor.agents.tools import as_text
from torpor.engine.metadata import current_step
from torpor.engine.stream_steps import get_writable
from torpor.errors import ConfigurationError, ModelError, RetryableError

_models: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = weakref.WeakKeyDictionary()


async def ask(request: ModelRequest) -> Reply:
    """
    Ask a model; in a step.

    Raises:
        ModelError: the provider refuses, or there is no such model.
        RetryableError: another attempt may help, after the time that the provider says.
        ConfigurationError: the library is not installed.
    """
    library = await asyncio.to_thread(_library, "pydantic_ai")  # the first time takes a second, which is not the loop's
    exceptions = _library("pydantic_ai.exceptions")
    try:
        return await _asked(library, request)
    except exceptions.ModelAPIError as error:
        status = getattr(error, "status_code", None)
        said = f"{request.model}: {error.message}"
        if isinstance(error, exceptions.ModelRequestRejectedError | exceptions.ModelQuotaExceededError):
            raise ModelError(said, model=request.model, status=status) from error
        raise RetryableError(said, retry_after=error.retry_after) from error
    except (exceptions.UserError, exceptions.AgentRunError) as error:
        raise ModelError(f"{request.model}: {error}", model=request.model) from error


async def _asked(library: Any, request: ModelRequest) -> Reply:
    models = _library("pydantic_ai.models")
    parameters = models.ModelRequestParameters(
        function_tools=[_definition(library, each, "function") for each in request.tools],
        output_tools=[_definition(library, request.output, "output")] if request.output else [],
        output_mode="tool" if request.output else "text",
        allow_text_output=request.output is None,
    )
    settings = {"max_retries": 0, **request.settings}  # a step has its own
    settings["extra_headers"] = {"Idempotency-Key": current_step().step_id, **settings.get("extra_headers", {})}
    history = _history(library, request)
    direct = _library("pydantic_ai.direct")
    model = await _model(models, request.model)
    if request.stream is None:
        return _reply(
            await direct.model_request(model, history, model_settings=settings, model_request_parameters=parameters)
        )
    async with direct.model_request_stream(
        model, history, model_settings=settings, model_request_parameters=parameters
    ) as answer:
        return await _streamed(library, request, answer)


async def _streamed(library: Any, request: ModelRequest, answer: Any) -> Reply:
    """Tell the run's stream what comes, as it comes."""
    out = get_writable(request.stream or "")
    began = max((place for place, each in enumerate(request.messages) if isinstance(each, Prompt)), default=0)
    number = sum(isinstance(each, Reply) for each in request.messages[began:])
    spoken = Spoken(f"{current_step().run_id}-{request.turn}", number)  # a chat has the messages of several runs
    for chunk in (*told_messages(request.messages[request.told :]), *spoken.begin()):
        await out.write(chunk)
    kinds = {library.TextPart: "text", library.ThinkingPart: "reasoning"}
    more = {library.TextPartDelta: "text", library.ThinkingPartDelta: "reasoning"}
    async for event in answer:
        if isinstance(event, library.PartStartEvent):
            kind, text = kinds.get(type(event.part)), getattr(event.part, "content", "")
        elif isinstance(event, library.PartDeltaEvent):
            kind, text = more.get(type(event.delta)), getattr(event.delta, "content_delta", "")
        else:
            continue
        for chunk in spoken.text(event.index, kind, text or "") if kind else ():
            await out.write(chunk)
    reply = _reply(answer.get())
    for chunk in spoken.end(reply.calls):
        await out.write(chunk)
    return reply


def _history(library: Any, request: ModelRequest) -> list[Any]:
    """Return the conversation as the library has it; what stands between two answers is one request."""
    history: list[Any] = []
    parts: list[Any] = []
    for message in request.messages:
        if isinstance(message, Reply):
            history += [library.ModelRequest(parts=parts), _response(library, message)]
            parts = []
        else:
            parts.append(_part(library, message))
    return [*history, library.ModelRequest(parts=parts, instructions=request.instructions or None)]


def _part(library: Any, message: Message) -> Any:
    if isinstance(message, ToolResult):
        told = {"outcome": message.outcome} if message.outcome != "success" else {}
        return library.ToolReturnPart(
            tool_name=message.name, content=as_text(message.content), tool_call_id=message.id, **told
        )
    assert isinstance(message, Prompt)
    return library.UserPromptPart(message.text)


def _response(library: Any, reply: Reply) -> Any:
    if reply.raw:
        (response,) = library.ModelMessagesTypeAdapter.validate_python([reply.raw])
        return response
    calls = [library.ToolCallPart(each.name, each.arguments, each.id) for each in reply.calls]
    return library.ModelResponse(parts=[*([library.TextPart(reply.text)] if reply.text else []), *calls])


def _definition(library: Any, spec: ToolSpec, kind: str) -> Any:
    return library.ToolDefinition(
        name=spec.name, description=spec.description, parameters_json_schema=spec.parameters, kind=kind
    )


def _reply(response: Any) -> Reply:
    adapter = _library("pydantic_ai").ModelMessagesTypeAdapter
    (raw,) = adapter.dump_python([response], mode="json", exclude_none=True)
    return Reply(
        text=response.text or "",
        calls=[_call(each) for each in response.tool_calls],
        thinking=response.thinking or "",
        usage=Usage(
            requests=1,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            cost=_cost(response),
        ),
        model=response.model_name or "",
        finish=response.finish_reason or "",
        raw=raw,
    )


def _call(part: Any) -> ToolCall:
    try:
        return ToolCall(part.tool_call_id, part.tool_name, part.args_as_dict(raise_if_invalid=True))
    except (ValueError, AssertionError):
        return ToolCall(part.tool_call_id, part.tool_name, str(part.args))


def _cost(response: Any) -> float:
    """Return what an answer costs, 0 where nobody knows."""
    try:
        return float(response.cost().total_price)
    except (LookupError, AssertionError, ValueError):
        return 0.0


async def _model(models: Any, name: str) -> Any:
    """Return a model by its name, one for each event loop: its connections belong to that."""
    known = _models.setdefault(asyncio.get_running_loop(), {})
    if name not in known:
        make = made(name)
        fresh = await asyncio.to_thread(models.infer_model, name) if make is None else make()
        known.setdefault(name, fresh)
    return known[name]


def _library(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"agents need the package pydantic-ai-slim in workers: pip install 'torpor[agents]' ({error})"
        ) from error
