"""
The application's side of the SDK: everything here asks Torpor outside of workflows.

The VM has a module of this name that asks the run: ``_guest/vercel.py``. All other modules of this package are the same
on both sides.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import typing
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, overload

from torpor.app import Torpor
from torpor.engine.metadata import StepMetadata, WorkflowMetadata, current_step, running_step, running_workflow
from torpor.engine.signals import AbortSignal
from torpor.engine.stream_steps import get_writable
from torpor.engine.streams import StreamInfo, WritableStream
from torpor.errors import ConfigurationError, FatalError, OutsideWorkflowError, UsageError
from torpor.hook_info import HookInfo
from torpor.retries import RETRIES_DEFAULT
from torpor.run_handle import RunHandle
from torpor.workflow import Workflow, hook, sleep

__all__ = ["Workflows", "hook", "sleep"]

P = ParamSpec("P")
R = TypeVar("R")

IN_WORKFLOW: Final = False
SIGNAL: Final = "torpor_signal"
"""Parameter by which a cancellable step is told that its caller has given it up."""

_made: list[Workflows] = []


class Workflows(Torpor):
    """
    Workflows and steps, and where they live: it is a Torpor application too, which ``torpor dev`` serves.

    Args:
        as_vercel_job: is of no matter: runs are reached by Torpor's own front door.
        namespace: whose runs are kept apart from those of others in the same world; Torpor's ``name``.
        sandbox_policy: must be left out: workflow code runs in a VM of its own.
        options: those of :class:`torpor.Torpor`, such as the world.

    Raises:
        ConfigurationError: an option is wrong.
    """

    def __init__(
        self,
        *,
        as_vercel_job: bool = True,  # see above
        namespace: str | None = None,
        sandbox_policy: None = None,
        **options: Any,
    ) -> None:
        if sandbox_policy is not None:
            raise ConfigurationError(
                "sandbox_policy= of Workflows: workflow code runs in a WebAssembly VM of its own; leave the policy out"
            )
        options.setdefault("root", _folder_of_caller())
        super().__init__(name=options.pop("name", namespace), **options)
        _made.append(self)

    @property
    def namespace(self) -> str | None:
        """Whose runs are kept apart, None for nobody's."""
        return self.name or None

    @property
    def http_handler(self) -> NoReturn:
        """
        Refuse: the SDK's queue calls it, and there is none.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("http_handler: serve app.asgi() instead, or run `torpor serve`; see docs/http.md")

    @property
    def manifest_handler(self) -> NoReturn:
        """
        Refuse: workers know their workflows.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "manifest_handler: `torpor deploy` tells the world what there is; see docs/deploying.md"
        )

    @overload  # type: ignore[override]  # it takes what the SDK's takes: asynchronous functions
    def step(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R]]: ...

    @overload
    def step(
        self, *, max_retries: int = ..., cancellable: bool = ..., **options: Any
    ) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]: ...

    def step(
        self,
        function: Any = None,
        *,
        max_retries: int = RETRIES_DEFAULT,
        cancellable: bool = False,
        **options: Any,
    ) -> Any:
        """
        Register a function as a step.

        Args:
            function: an ``async def``.
            max_retries: attempts after the first.
            cancellable: whether its body meets ``asyncio.CancelledError`` when the workflow cancels the call.
            options: those of Torpor's ``app.step``.

        Raises:
            ConfigurationError: it cannot be a step.
        """

        def register(function: Any) -> Any:
            made_of = _like_theirs(function, max_retries, cancellable=cancellable)
            super(Workflows, self).step(max_retries=max_retries, **options)(made_of)
            return made_of

        return register if function is None else register(function)


def _like_theirs(function: Callable[..., Any], max_retries: int, *, cancellable: bool) -> Callable[..., Any]:
    """
    Return a step that fails for good as the SDK's do, with a FatalError.

    Raises:
        ConfigurationError: it is not asynchronous.
    """
    if not inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"step {function!r:.200} is not asynchronous; write `async def`, as the SDK wants it")

    @functools.wraps(function)
    async def step(*args: Any, **kwargs: Any) -> Any:
        signal: AbortSignal | None = kwargs.pop(SIGNAL, None)
        try:
            return await (_until_given_up(function(*args, **kwargs), signal) if signal else function(*args, **kwargs))
        except FatalError:
            raise
        except Exception as error:
            here = running_step()
            if here is None or here.attempt <= max_retries:
                raise
            times = f"{max_retries} {'retry' if max_retries == 1 else 'retries'}"
            raise FatalError(f"Step '{here.name}' failed after {times}: {error}") from error

    if cancellable:
        step.__signature__ = _with_signal(inspect.signature(function))  # type: ignore[attr-defined]  # that is how
    return step


async def _until_given_up(body: Coroutine[Any, Any, Any], signal: AbortSignal) -> Any:
    """Return what a step returns, and cancel it when its caller gives it up."""
    working = asyncio.ensure_future(body)
    given_up = asyncio.ensure_future(signal.wait())
    try:
        await asyncio.wait({working, given_up}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        reason = str(given_up.result())
        working.cancel(reason)
        try:
            return await working
        except CancelledError:
            raise FatalError(f"step cancelled by its workflow: {reason}") from None
    except CancelledError as cancelled:  # the worker stops, or the run is cancelled
        working.cancel(*cancelled.args)
        return await working
    finally:
        given_up.cancel()


def _with_signal(taken: inspect.Signature) -> inspect.Signature:
    """Return a signature that takes the signal too."""
    given = [*taken.parameters.values()]
    more = [given.pop()] if given and given[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    signal = inspect.Parameter(SIGNAL, inspect.Parameter.KEYWORD_ONLY, default=None)
    return taken.replace(parameters=[*given, signal, *more])


# What shared modules ask


def home() -> Workflows:
    """
    Return the application that is asked where no workflow says which: the newest.

    Raises:
        ConfigurationError: there is none.
    """
    if not _made:
        raise ConfigurationError("no Workflows() was made here yet, so it is not known in which world runs are")
    return _made[-1]


def require_run(what: str) -> NoReturn:
    """Refuse: only workflow code has a run."""
    raise OutsideWorkflowError(f"torpor.compat.vercel.{what} works in a workflow, not here")


def read_clock() -> NoReturn:
    """Refuse: only a run has a time of its own."""
    require_run("time_ns")


def make_hook(kind: type, *, token: str | None, metadata: Any) -> Any:
    """Refuse as Torpor does: only workflow code makes hooks."""
    return hook(kind, token=token, metadata=metadata)


async def found_hook(token: str) -> tuple[str, HookInfo[RunHandle[Any]]]:
    """Return a live hook's id and the hook."""
    app = home()
    await app.open()
    return (await app.world.hook(token)).id, await app.get_hook(token)


async def resume_hook(token: str, payload: Any) -> None:
    """Deliver a payload to a live hook."""
    await home().resume_hook(token, payload)


async def start_run(workflow: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[str, Any]:
    """Start a run of a workflow in its own application; return its id and what its function says that it returns."""
    if not isinstance(workflow, Workflow):
        raise UsageError(f"start takes a workflow, not {workflow!r:.200}; decorate it with @wf.workflow")
    app = next((each for each in reversed(_made) if each.names.workflow(workflow.name) is workflow), home())
    handle: RunHandle[Any] = await app.start(workflow, *args, **kwargs)
    return handle.id, typing.get_type_hints(workflow.function).get("return", Any)


def handle_of(run_id: str) -> RunHandle[Any]:
    """Return Torpor's handle of a run."""
    return home().run(run_id)


async def run_attributes(run_id: str) -> dict[str, str]:
    """Return what a run says of itself."""
    return dict((await handle_of(run_id).info()).attributes)


async def run_streams(run_id: str) -> list[StreamInfo]:
    """Return a run's streams."""
    return await handle_of(run_id).streams()


def step_facts() -> StepMetadata:
    """Return the facts of the step that is running here."""
    return current_step()


def own_run() -> WorkflowMetadata:
    """Return the facts of the run that the step running here works for."""
    found = running_workflow()
    if found is None:
        raise UsageError("get_workflow_metadata() works in a workflow or a step, and neither runs here")
    return found


def is_encrypted() -> bool:
    """Return whether what runs store is encrypted."""
    return bool(home().keyring.ids)


async def write_attributes(attributes: dict[str, str | None]) -> None:
    """Say something of the run that the step running here works for."""
    found = running_workflow()
    if found is None:
        raise FatalError("set_attributes() works in a workflow or a step, and neither runs here")
    await handle_of(found.id).set_attributes(attributes)


def own_stream(name: str) -> WritableStream:
    """Return a stream of the run that the step running here works for."""
    return get_writable(name)


def _folder_of_caller() -> Path:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    file = frame.f_globals.get("__file__") if frame is not None else None
    return Path(file).parent if file else Path.cwd()
