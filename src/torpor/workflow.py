"""
Workflows in Python as the application's own process has them.

A workflow runs inside a VM, from its source. Outside, it is a plain function that tests may call, with a name and a
signature by which runs are started; and what workflow code may do has its types and its documentation here, but works
only inside a run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, NoReturn, ParamSpec, Self, TypeVar, overload

from torpor.attributes import Attributes
from torpor.codec.requests import Response
from torpor.codec.types.references import recognise
from torpor.codec.typing.annotations import convert_arguments
from torpor.codec.values import WorkflowFunction
from torpor.durations import Duration, When
from torpor.engine.deployments import as_called, positional
from torpor.engine.metadata import WorkflowMetadata, running_workflow
from torpor.errors import ArgumentError, ConfigurationError, OutsideWorkflowError, UsageError
from torpor.limits import KEY_CHARS_MAX
from torpor.run_handle import RunHandle
from torpor.signatures import signature_text
from torpor.starting import OPTIONS

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Workflow(Generic[P, R]):
    """
    A registered workflow. Called, it is the plain function that it was made of; ``app.start`` starts a run of it.

    Args:
        function: an ``async def`` at module level.
        short_name: what runs of it are called.
        file: where it is defined.
        queue: in which its runs are started that are started in no other, ``""`` for none.
        key: returns of whom a run is there, given its arguments; None for nobody in particular.

    Attributes:
        full_name: what its application calls it, ``""`` before there is one.
        signature: text of what it takes, see :mod:`torpor.signatures`.
    """

    def __init__(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        short_name: str,
        file: Path,
        *,
        queue: str = "",
        key: Callable[..., Any] | None = None,
    ) -> None:
        self.function = function
        self.queue = queue
        self._key = key
        self.short_name = short_name
        self.file = file
        self.full_name = ""
        self.signature = signature_text(function)
        self._signature = inspect.signature(function)
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Workflow {self.full_name or self.short_name}>"

    @property
    def name(self) -> str:
        """
        Its full name, such as ``workflow//./app.py//checkout``.

        Raises:
            ConfigurationError: it is in a registry that no application includes.
        """
        if not self.full_name:
            raise ConfigurationError(
                f"workflow {self.short_name} of {self.file} is in a registry that no application includes; call "
                f"app.include(registry) before runs of it are started"
            )
        return self.full_name

    def queue_key(self, arguments: Sequence[Any]) -> str:
        """
        Return of whom a run is in the workflow's queue.

        Args:
            arguments: as :meth:`arguments` returns them.

        Raises:
            ArgumentError: the workflow's ``key=`` fails, or returns what is too long.
        """
        if self._key is None:
            return ""
        args, kwargs = as_called(arguments)
        try:
            key = str(self._key(*args, **kwargs))
        except Exception as error:
            raise ArgumentError(f"key= of {self.name} fails for these arguments: {error!r}") from error
        if len(key) > KEY_CHARS_MAX:
            raise ArgumentError(f"key= of {self.name} returns {len(key)} characters; up to {KEY_CHARS_MAX} are allowed")
        return key

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """
        Return what a run is started with: as many arguments by position as can be, the others last, by name.

        Arguments become what the workflow's annotations say: a plain dict a dataclass, for instance.

        Raises:
            ArgumentError: the workflow does not take these arguments.
        """
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(
                f"cannot start {self.name} so: {error}; it is {self.function.__name__}{self._signature}"
            ) from None
        return positional(*convert_arguments(self.function, bound.args, bound.kwargs, f"workflow {self.name}"))


recognise(Workflow, lambda workflow: WorkflowFunction(workflow.name))


def workflow_name(workflow: object) -> str:
    """
    Return the name of a workflow, or of what stands for one.

    Raises:
        UsageError: it is none.
        ConfigurationError: it is in a registry that no application includes.
    """
    if isinstance(workflow, str):
        return workflow
    if isinstance(workflow, Workflow):
        return workflow.name
    if isinstance(workflow, WorkflowFunction):
        return workflow.workflow_id
    if inspect.iscoroutine(workflow):
        workflow.close()
        raise UsageError(
            f"app.start was given a call of {workflow.__qualname__}; give it the workflow and its arguments apart: "
            f"app.start({workflow.__qualname__}, …)"
        )
    raise UsageError(f"app.start takes a workflow or its name, not {workflow!r}; decorate it with @app.workflow")


def check_workflow(function: Callable[..., Any]) -> Path:
    """
    Return the file that defines a workflow.

    Raises:
        ConfigurationError: the function cannot be one; the message says why and what to do.
    """
    plain = inspect.unwrap(function)
    name = getattr(plain, "__qualname__", None)
    if name is None or not inspect.isfunction(plain):
        raise ConfigurationError(f"{function!r} is no function, so it cannot be a workflow; write an `async def`")
    if "<lambda>" in name:
        raise ConfigurationError("a lambda cannot be a workflow; write an `async def` at module level")
    if "<locals>" in name:
        raise ConfigurationError(
            f"workflow {name} is defined inside a function, and its source alone would not run; move it to module "
            f"level and pass what it needs as arguments"
        )
    if "." in name:
        raise ConfigurationError(
            f"workflow {name} is a method; write an `async def` at module level and pass the object as an argument"
        )
    if inspect.isasyncgenfunction(plain):
        raise ConfigurationError(
            f"workflow {name} is an asynchronous generator (it has a `yield`), and a run has one result, at its end; "
            f"return a list, or take a hook for what others wait for on the way"
        )
    if not inspect.iscoroutinefunction(plain):
        raise ConfigurationError(f"workflow {name} is not asynchronous; write `async def {name}(…)`")
    for parameter in inspect.signature(function).parameters:
        if parameter in OPTIONS:
            raise ConfigurationError(
                f"workflow {name} has a parameter {parameter!r}, which is a keyword of app.start; give it another name"
            )
    file = inspect.getsourcefile(plain)
    if file is None or not Path(file).is_file():
        raise ConfigurationError(
            f"workflow {name} is not in a file (it comes from {plain.__code__.co_filename}), and its source is what "
            f"runs; write it into a .py file and import it"
        )
    return Path(file)


# What workflow code may do


class Hook(Generic[T]):
    """
    A live hook. Await it for the next payload, iterate it for all; payloads keep their order of arrival. To type
    checkers it has the type of its payloads.

    After :meth:`dispose`, or at the end of ``async with``, its token is free and iteration ends; an await that is
    pending or made later raises HookDisposedError. When the token belongs to another hook, awaiting and iterating raise
    HookConflictError.

    Attributes:
        token: what ``app.resume_hook`` is called with.
    """

    token: str

    def __init__(self) -> None:
        _refuse("a hook")

    def __await__(self) -> Generator[Any, None, T]:
        _refuse("a hook")

    def __aiter__(self) -> AsyncIterator[T]:
        _refuse("a hook")

    async def __aenter__(self) -> Self:
        _refuse("a hook")

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        _refuse("a hook")

    async def conflict(self) -> RunHandle[Any] | None:
        """Return None when the token is this hook's, or a handle of the run that owns it."""
        _refuse("a hook")

    def dispose(self) -> None:
        """Free the token. Payloads that nothing has taken are dropped. May be called twice."""
        _refuse("a hook")


@overload
def hook(
    kind: type[T], /, *, token: str | None = ..., metadata: Any = ..., min_retention: Duration | None = ...
) -> Hook[T]: ...


@overload
def hook(token: str | None = None, /, *, metadata: Any = ..., min_retention: Duration | None = ...) -> Hook[Any]: ...


@overload
def hook(*, token: str | None = ..., metadata: Any = ..., min_retention: Duration | None = ...) -> Hook[Any]: ...


def hook(
    kind: Any = None,  # noqa: ARG001  # used inside a run
    /,
    *,
    token: str | None = None,  # noqa: ARG001  # as above
    metadata: Any = None,  # noqa: ARG001  # as above
    min_retention: Duration | None = None,  # noqa: ARG001  # as above
) -> Hook[Any]:
    """
    Create a hook, which receives what ``app.resume_hook(token, payload)`` is called with. For workflow code.

    With a type, every payload becomes what it wants, as the arguments of steps do. ``app.resume_hook`` refuses one that
    does not fit where the class is loaded; else whoever awaits it gets the ArgumentError.

    Args:
        kind: what its payloads are to be, such as a dataclass or a pydantic model; or the token.
        token: what the outside world calls it by, 1 to 256 characters; without it an unguessable one is made.
        metadata: stored beside the hook for whoever looks it up.
        min_retention: how long the token stays this run's once the hook is gone, up to 30 days: seconds, text such as
            ``"1h"``, or a timedelta. Hooks of other runs conflict with it until then.

    Raises:
        UsageError: the token is no string of that length, or *min_retention* no such duration.
        SerializationError: the metadata cannot be stored.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.hook")


@overload
async def receive(name: str) -> Any: ...


@overload
async def receive(name: str, kind: type[T]) -> T: ...


async def receive(name: str, kind: Any = None) -> Any:  # noqa: ARG001  # as above
    """
    Return the next message that ``app.send(run, name, …)`` has sent to this run; wait for it if there is none. For
    workflow code.

    Messages of one name come in the order in which they were sent. One is taken by who gets it: a call that was
    cancelled, or timed out, has taken none.

    Args:
        name: 1 to 256 characters.
        kind: what the message is to be, such as a dataclass or a pydantic model; anything by default.

    Raises:
        ArgumentError: the message does not fit *kind*; it is received all the same.
        UsageError: the name is no string of that length.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.receive")


async def fork(count: int) -> int:  # noqa: ARG001  # as above
    """
    Let new runs go on from here too, for search: this run goes on with 0, they with 1 to *count*. For workflow code.

    Each of them has what this run had up to here: its variables, its open steps, timers and hooks, as
    ``docs/time-travel.md`` says of forks; and from now on its own id, random numbers and step names.

    Args:
        count: how many, 1 to 100.

    Raises:
        UsageError: it is no such number.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.fork")


def forks() -> list[Any]:
    """
    Return handles of the runs that the last :func:`fork` of this run has made; none in those themselves. For workflow
    code.

    Raises:
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.forks")


async def sleep(duration: When) -> None:  # noqa: ARG001  # as above
    """
    Sleep, for years if need be; a sleeping run costs nothing. For workflow code.

    Args:
        duration: seconds, text such as ``"1h 30m"``, a timedelta, or the moment to wake at: an aware datetime, or ISO
            8601 text with a time zone. A negative duration and a moment that has passed wake at once.

    Raises:
        UsageError: none of these, or a moment without time zone.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.sleep")


async def fetch(
    url: str,  # noqa: ARG001  # as above
    *,
    method: str = "GET",  # noqa: ARG001
    headers: Mapping[str, str] | None = None,  # noqa: ARG001
    body: str | bytes | None = None,  # noqa: ARG001
    json: Any = None,  # noqa: ARG001
) -> Response:
    """
    Make an HTTP request, as a step: the response is recorded, and a request that nobody answers is tried again. For
    workflow code; the application has to allow the host: ``Torpor(allow=["host//api.example.com"])``.

    Args:
        url: of http or https.
        method: such as ``POST``.
        headers: values by name.
        body: text or bytes to send.
        json: a value to send as JSON instead.

    Raises:
        UsageError: there are two bodies, or one for a GET.
        NotAllowedError: the host, or the address that it resolves to, is not allowed.
        StepError: nothing answers; the cause is a ConnectionError.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.fetch")


def set_attributes(attributes: Attributes) -> None:  # noqa: ARG001  # as above
    """
    Say something of the run in plain text, so that people find it by that. For workflow code; from outside there is
    :meth:`torpor.run_handle.RunHandle.set_attributes`.

    Args:
        attributes: texts by name, such as ``{"customer": "c-17"}``; None takes one away. Names of up to 256 characters,
            values of up to 256 bytes, 8 KiB at once, 64 for each run; names that begin with ``$`` are reserved.

    Raises:
        ArgumentError: they are no texts, or are reserved.
        LimitExceededError: they are too long. Too many fail the run.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.set_attributes")


def set_status(text: str) -> None:  # noqa: ARG001  # as above
    """
    Say in plain text how the run stands, such as ``waiting for approval``; lists of runs show it. For workflow code.

    Args:
        text: of up to 256 bytes; ``""`` for nothing.

    Raises:
        ArgumentError: it is no text.
        LimitExceededError: it is too long.
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.set_status")


def state(**values: Any) -> dict[str, Any]:  # noqa: ARG001  # as above
    """
    Publish values under their names, for queries, and return all that are published. For workflow code and queries.

    They are no copies: what is changed later is seen so.

    Raises:
        OutsideWorkflowError: called outside of a run.
    """
    _refuse("torpor.state")


def current_workflow() -> WorkflowMetadata:
    """
    Return the facts of the run that calls. For workflow code and for steps.

    Raises:
        OutsideWorkflowError: called outside of both.
    """
    return running_workflow() or _refuse("torpor.current_workflow")


def _refuse(what: str) -> NoReturn:
    raise OutsideWorkflowError(
        f"{what} works in a workflow that runs, not here; start a run of the workflow with app.start, or replace it in "
        f"a unit test"
    )
