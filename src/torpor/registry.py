"""
Steps, workflows and classes, written down in any module and included by an application.

::

    registry = Registry()

    @registry.step
    async def charge(order: str, cents: int) -> str: ...

    @registry.workflow
    async def checkout(order: str) -> str: ...

In the module of the application stands ``app.include(registry)``. Only there do steps and workflows get full names,
such as ``step//./shop/payment.py//charge``, because the path in a name begins at the application's root.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

import msgspec

from torpor.codec.types.custom import serializable
from torpor.codec.types.references import name_step
from torpor.durations import Duration
from torpor.engine.remote import Remote
from torpor.engine.step_deadlines import Deadlines
from torpor.engine.step_definition import StepDefinition
from torpor.engine.step_functions import step_function
from torpor.engine.streams import ReadableStream
from torpor.errors import ConfigurationError
from torpor.expecting import expect, expect_callable, expect_text
from torpor.limits import QUEUE_CHARS_MAX
from torpor.programs.catalogue import module_name, short_name
from torpor.programs.languages import Functions
from torpor.retries import (
    RETRIES_DEFAULT,
    Backoff,
    Exceptions,
    checked_retries,
    exception_classes,
    timeout_ms,
)
from torpor.scheduling import Plan, ScheduleOptions, plan
from torpor.step import Step, StepDecorator, offer_options
from torpor.workflow import Workflow, check_workflow, workflow_name

P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W", bound=Workflow[..., Any] | str)

_STEP = "step//"


class WorkflowDecorator(Protocol):
    """What ``@registry.workflow(…)`` does to types."""

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...


@dataclass(slots=True, eq=False)
class RegisteredStep:
    """
    A step as it was registered.

    Attributes:
        definition: all of it, under its short name.
        file: where it is defined, None when that cannot be told.
        renamed: names that it had before, short ones or full ones.
        full_name: what its application calls it, ``""`` before there is one.
    """

    definition: StepDefinition
    file: Path | None
    renamed: tuple[str, ...] = ()
    full_name: str = ""


@dataclass(slots=True, eq=False)
class DeclaredSchedule:
    """
    A schedule as code declares it.

    Attributes:
        workflow: what it starts, or the name of that.
        make: returns what its author wants, given the workflow's name.
    """

    workflow: Workflow[..., Any] | str
    make: Callable[[str], Plan]

    def plan(self) -> Plan:
        """
        Return what its author wants.

        Raises:
            ConfigurationError: its workflow is in a registry that no application includes.
        """
        return self.make(workflow_name(self.workflow))


Entry = RegisteredStep | Workflow[..., Any] | DeclaredSchedule
Watcher = Callable[[Entry], None]


class Registry:
    """
    Steps and workflows, for applications to include; it needs neither a world nor a file.

    A registry may be included before its modules have registered anything: what comes later is included too.
    """

    def __init__(self) -> None:
        self._entries: dict[Entry, None] = {}  # in order
        self._watchers: list[Watcher] = []

    @overload
    def step(self, function: Callable[P, AsyncIterator[R]], /) -> Step[P, ReadableStream[R]]: ...

    @overload
    def step(self, function: Callable[P, Iterator[R]], /) -> Step[P, ReadableStream[R]]: ...

    @overload
    def step(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Step[P, R]: ...

    @overload
    def step(self, function: Callable[P, R], /) -> Step[P, R]: ...

    @overload
    def step(
        self,
        *,
        name: str | None = ...,
        max_retries: int = ...,
        timeout: Duration | None = ...,
        heartbeat: Duration | None = ...,
        schedule_to_start: Duration | None = ...,
        schedule_to_close: Duration | None = ...,
        backoff: Backoff | None = ...,
        retry_on: Exceptions | None = ...,
        never_retry: Exceptions = ...,
        renamed: Sequence[str] = ...,
        effect: Literal["once"] | None = ...,
        transaction: bool | Callable[[], Any] = ...,
        queue: str = ...,
        key: Callable[..., Any] | None = ...,
        weight: int | Callable[..., int] = ...,
        url: str = ...,
        secret: str = ...,
        ca: str = ...,
        certificate: str = ...,
    ) -> StepDecorator: ...

    def step(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        max_retries: int | None = None,
        timeout: Duration | None = None,
        heartbeat: Duration | None = None,
        schedule_to_start: Duration | None = None,
        schedule_to_close: Duration | None = None,
        backoff: Backoff | None = None,
        retry_on: Exceptions | None = None,
        never_retry: Exceptions = (),
        renamed: Sequence[str] = (),
        effect: Literal["once"] | None = None,
        transaction: bool | Callable[[], Any] = False,
        queue: str = "",
        key: Callable[..., Any] | None = None,
        weight: int | Callable[..., int] = 1,
        url: str = "",
        secret: str = "",
        ca: str = "",
        certificate: str = "",
    ) -> Any:
        """
        Register a function as a step. Called outside of a workflow it stays the function that it is.

        To type checkers a ``def`` becomes awaitable, because workflows await it. A generator, with ``async def`` or
        ``def``, streams what it yields: its values go to the run's default stream, and workflows await a
        :class:`~torpor.ReadableStream` of them.

        Args:
            function: ``async def``, or ``def`` (runs in a thread); at module level, or a method of a class there.
            name: what workflows import it as; the function's own name by default.
            max_retries: attempts after the first; 0 for none. 3 by default, and 0 for an *effect* that happens once.
            timeout: how long one attempt may take, such as ``"30s"``.
            heartbeat: how long an attempt may be silent, such as ``"10s"``: one that does not call
                ``current_step().heartbeat(…)`` in time ends with HeartbeatTimeoutError, and is tried again.
            schedule_to_start: how long a call may wait for a worker, and in a queue, before its first attempt begins;
                then it fails with ScheduleToStartTimeoutError as the cause. It counts if the worker that
                carries out the run's turn has the step.
            schedule_to_close: how long a call may take in all, from when it is asked for: the wait, all attempts, and
                the pauses between them. Then it fails with ScheduleToCloseTimeoutError as the cause.
            backoff: delays between attempts; exponential from 0.2 s to 60 s by default.
            retry_on: try again after these errors only, a class or a tuple of them; after all of them by default. An
                attempt that passes its timeout raises TimeoutError.
            never_retry: never try again after these. A FatalError is never tried again, a RetryableError always.
            renamed: names that the step had before. It answers to them too, so that runs which began with a program
                that knows an old name go on; its parameters must take what they pass. A name without a path, such as
                ``charge``, is one of the same module; one of another module is full: ``step//./billing.py//charge``.
            effect: ``"once"`` for what must not happen twice. No attempt is made again of which nobody knows how it
                ended, because its worker died or it passed its timeout: the run is blocked on the step until somebody
                resolves it. An error that the body raises is known, and tried again as *max_retries* says.
            transaction: True for work in the world's own database that is committed with the step's result, so that it
                happens exactly once: on the connection ``current_step().connection``. Or what begins such a
                transaction on a connection of yours: a function that returns a block (``with``, ``async with``) whose
                value is the connection, such as ``Session.begin``. See docs/transactions.md.
            queue: in which each attempt waits for a slot; ``app.queues.set(…)`` says what the queue allows. A step
                without one begins at once.
            key: given a call's arguments, returns of whom it is, such as ``lambda order: order.customer``: keys of a
                queue take turns, and each may have a limit of its own.
            weight: how much of the queue's rate a call takes, or a function of its arguments that returns that; see
                also ``current_step().weighs(…)``.
            url: where another service carries the step out, by signed requests with JSON; the function only says what
                it takes and returns. See docs/remote-steps.md.
            secret: name of the environment variable with the secret that is shared with that service;
                ``TORPOR_STEPS_SECRET`` by default.
            ca: name of the environment variable with the path of a file of certificates to trust.
            certificate: name of the environment variable with the path of a file that has our certificate and its key.

        Raises:
            ConfigurationError: the name is taken by another function, the function cannot be a step, or a setting is
                wrong.
        """
        ms, silent_ms = timeout_ms(timeout), timeout_ms(heartbeat, "heartbeat")
        settings: dict[str, Any] = {
            "max_retries": checked_retries(_retries(max_retries, effect)),
            "once": effect == "once",
            "timeout": None if ms is None else ms / 1000,
            "deadlines": Deadlines(
                timeout_ms(schedule_to_start, "schedule_to_start") or 0,
                timeout_ms(schedule_to_close, "schedule_to_close") or 0,
            ),
            "heartbeat": None if silent_ms is None else silent_ms / 1000,
            "backoff": expect("backoff", backoff, Backoff, "a torpor.Backoff, such as Backoff(first=2)") or Backoff(),
            "retry_on": None if retry_on is None else exception_classes(retry_on, "retry_on"),
            "never_retry": exception_classes(never_retry, "never_retry"),
            **_queueing(queue, key, weight),
            "remote": _remote(url, secret=secret, ca=ca, certificate=certificate),
        }
        before = _old_names(renamed)
        if transaction:
            settings["transaction"] = _transaction(transaction, effect, url)
        expect_text("name", name)

        def register(given: Any) -> Any:
            if isinstance(given, Workflow):
                raise ConfigurationError(
                    f"{given.short_name} is a workflow, so it cannot be a step too; start it with app.start, or write "
                    f"another function"
                )
            made_of = step_function(given)
            source = inspect.getsourcefile(inspect.unwrap(made_of))
            definition = StepDefinition(name or made_of.__qualname__, made_of, **settings)
            if transaction and (inspect.isgeneratorfunction(made_of) or inspect.isasyncgenfunction(made_of)):
                raise ConfigurationError(
                    f"{definition.name} is a generator, which writes a stream, and in a transaction; let it return"
                )
            offer_options(made_of)
            self._add(RegisteredStep(definition, Path(source).resolve() if source else None, before))
            return given

        return register if function is None else register(function)

    @overload
    def workflow(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...

    @overload
    def workflow(
        self, *, name: str | None = ..., queue: str = ..., key: Callable[..., Any] | None = ...
    ) -> WorkflowDecorator: ...

    def workflow(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        queue: str = "",
        key: Callable[..., Any] | None = None,
    ) -> Any:
        """
        Register a function as a workflow. Called directly it stays the function that it is.

        Args:
            function: ``async def`` at module level; its source runs in the VM, with all that it reaches.
            name: what runs of it are called; the function's own name by default.
            queue: in which its runs are started that are started in no other; ``app.queues.set(…)`` says what it
                allows.
            key: given a run's arguments, returns of whom it is there, such as ``lambda order: order.customer``.

        Raises:
            ConfigurationError: the name is taken by another function, or the function cannot be a workflow.
        """

        expect_text("name", name)
        queueing = {each: what for each, what in _queueing(queue, key, 1).items() if each != "weight"}

        def register(function: Callable[P, Coroutine[Any, Any, R]]) -> Workflow[P, R]:
            file = check_workflow(function)
            made = Workflow(function, name or function.__name__, file, **queueing)
            self._add(made)
            return made

        return register if function is None else register(function)

    def query(self, function: Callable[P, R]) -> Callable[P, R]:
        """
        Register a function as a query: ``run.query(function)`` calls it in a copy of a run's VM.

        It sees the names of its module as they are in the run, and by :func:`torpor.state` what workflow code has
        published. It goes into the programs of the workflows in its module; JavaScript exports ``query(() => …)``.

        Args:
            function: a plain function at module level, of the module of a workflow.

        Raises:
            ConfigurationError: it is asynchronous, or not at module level.
        """
        name = getattr(function, "__qualname__", repr(function))
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(f"query {name} is asynchronous, and a query cannot wait; write it with `def`")
        if not inspect.isfunction(function) or "." in name:
            raise ConfigurationError(f"query {name} is no function at module level, where runs have it; move it there")
        return function

    def schedule(
        self,
        cron: str | None = None,
        /,
        *,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> Callable[[W], W]:
        """
        Declare a schedule of a workflow: ``@app.schedule("0 9 * * MON-FRI", zone="Europe/Berlin")`` above
        ``@app.workflow``, or ``app.schedule(every="15m")("sync")`` for the name of one in another language.

        Workers keep it as it is declared. One that is not declared any more is deleted by the next worker that begins.

        Args:
            cron: as the option of that name.
            name: of the schedule; the workflow's short name by default.
            args, kwargs: what the workflow is started with.
            options: when, and how; see :class:`torpor.scheduling.ScheduleOptions`.

        Raises:
            ConfigurationError: an option is wrong, or what is decorated is no workflow.
        """
        if cron is not None:
            options["cron"] = cron

        def register(workflow: W) -> W:
            if not isinstance(workflow, Workflow | str):
                raise ConfigurationError(
                    f"{getattr(workflow, '__qualname__', workflow)} is no workflow yet; write @app.schedule(…) above "
                    f"@app.workflow"
                )
            called = name or (workflow.short_name if isinstance(workflow, Workflow) else short_name(workflow))

            def make(named: str) -> Plan:
                return plan(called, named, args, kwargs or {}, options)

            make("")  # so that what is wrong is told where it stands
            self._add(DeclaredSchedule(workflow, make))
            return workflow

        return register

    serializable = staticmethod(serializable)

    def include(self, *registries: Registry) -> None:
        """
        Take over all that these registries have, and will have.

        Raises:
            ConfigurationError: two functions would have one name; or a registry belongs to an application with
                another root, so that what it has would have two names.
        """
        for registry in registries:
            registry.watch(self._add)

    def watch(self, watcher: Watcher) -> None:
        """Tell *watcher* of all that is registered here, now and later."""
        self._watchers.append(watcher)
        for entry in list(self._entries):
            watcher(entry)

    def _add(self, entry: Entry) -> None:
        if entry in self._entries:  # registries may include one another
            return
        self._entries[entry] = None
        for watcher in self._watchers:
            watcher(entry)


class Names:
    """
    What an application has registered, by full name.

    Args:
        root: the application's folder, which paths in names are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.generation = 0  # grows with every entry
        self._steps: dict[str, StepDefinition] = {}
        self._renamed: dict[str, str] = {}  # old name → new one
        self._workflows: dict[str, Workflow[..., Any]] = {}
        self._carried: dict[str, StepDefinition] = {}  # of other languages, by full name
        self._substitutes: dict[str, StepDefinition] = {}  # of tests, by full name

    def add(self, entry: RegisteredStep | Workflow[..., Any]) -> None:
        """
        Name a step or a workflow.

        Raises:
            ConfigurationError: the name is taken by another function, or the entry has another name already.
        """
        if isinstance(entry, Workflow):
            full = f"workflow//{module_name(entry.file, self._root)}//{entry.short_name}"
            known = self._workflows.get(full)
            _check(entry, full, entry.function, known.function if known else None)
            self._workflows[full] = entry
        else:
            definition = entry.definition
            function = definition.function
            path = module_name(entry.file, self._root) if entry.file else f"./{function.__module__}"
            full = f"{_STEP}{path}//{definition.name}"
            other = self._steps.get(full)
            _check(entry, full, function, other.function if other else None)
            before = [old if old.startswith(_STEP) else f"{_STEP}{path}//{old}" for old in entry.renamed]
            self._check_renamed(full, before)
            self._steps[full] = msgspec.structs.replace(definition, name=full)
            self._renamed |= dict.fromkeys(before, full)
            with suppress(AttributeError):  # what takes no attributes cannot be a value
                name_step(function, full)
        entry.full_name = full
        self.generation += 1

    def step(self, name: str) -> StepDefinition | None:
        """Return the step that has this full name, or had it once, or what stands in for it."""
        full = self._renamed.get(name, name)
        return self._substitutes.get(full) or self._steps.get(full) or self._carried.get(full)

    def carry(self, definitions: Mapping[str, StepDefinition], before: Collection[str] = ()) -> None:
        """
        Take steps that another language has written, by the full names that it gives them.

        Args:
            definitions: the steps.
            before: names of those that are there no more.
        """
        for name in before:
            self._carried.pop(name, None)
        self._carried |= definitions
        self.generation += 1

    def elsewhere(self) -> dict[str, StepDefinition]:
        """Return the steps that only step workers elsewhere carry out, by full name."""
        return {name: definition for name, definition in self._steps.items() if definition.elsewhere}

    def carried_names(self) -> list[str]:
        """Return the full names of the steps that another language has written."""
        return list(self._carried)

    def substitute(self, full: str, definition: StepDefinition | None) -> None:
        """Let attempts of a step be made as *definition* says, until it is None; made for tests."""
        if definition is None:
            self._substitutes.pop(full, None)
        else:
            self._substitutes[full] = definition

    def workflow(self, name: str) -> Workflow[..., Any] | None:
        """Return the workflow with this full name."""
        return self._workflows.get(name)

    def step_names(self) -> list[str]:
        """Return the full names of all steps."""
        return list(self._steps)

    def old_step_names(self) -> list[str]:
        """Return the full names that steps had before."""
        return list(self._renamed)

    def step_functions(self) -> Functions:
        """Return the functions of all steps by full name."""
        return {name: step.function for name, step in self._steps.items()}

    def workflow_functions(self) -> Functions:
        """Return the functions of all workflows by full name."""
        return {name: workflow.function for name, workflow in self._workflows.items()}

    def _check_renamed(self, full: str, before: Sequence[str]) -> None:
        """Refuse that two steps answer to one name."""
        if full in self._renamed:
            raise ConfigurationError(
                f"{full} is a step, and {self._renamed[full]} says that it was renamed from it; take it out of renamed="
            )
        for old in before:
            other = self._renamed.get(old, full)
            if other != full or old == full or old in self._steps:
                whose = "the name of a step" if other == full else f"what {other} says too"
                raise ConfigurationError(
                    f"{full} says that it was renamed from {old}, which is {whose}; take it out of renamed="
                )


def _check(
    entry: RegisteredStep | Workflow[..., Any],
    full: str,
    function: Callable[..., Any],
    known: Callable[..., Any] | None,
) -> None:
    if known is not None and _origin(known) != _origin(function):
        raise ConfigurationError(f"two functions are registered as {full}; give one of them another name")
    if entry.full_name not in ("", full):
        raise ConfigurationError(
            f"{entry.full_name} would be {full} as well, because its registry is included by applications with "
            f"different roots; give them the same root="
        )


def _origin(function: Callable[..., Any]) -> tuple[str, int]:
    """Return where a function is defined; the same after a module was imported under two names."""
    code = inspect.unwrap(function).__code__
    return code.co_filename, code.co_firstlineno


def _retries(max_retries: int | None, effect: str | None) -> int:
    """
    Return how often a step is tried again.

    Raises:
        ConfigurationError: there is no such effect.
    """
    if effect not in {None, "once"}:
        raise ConfigurationError(f"effect={effect!r} of a step; there is 'once', or leave it out")
    return max_retries if max_retries is not None else 0 if effect else RETRIES_DEFAULT


def _transaction(wanted: bool | Callable[[], Any], effect: str | None, url: str) -> bool | Callable[[], Any]:
    """
    Return in which transactions a step is, checked.

    Raises:
        ConfigurationError: it cannot be.
    """
    if wanted is not True and not callable(wanted):
        raise ConfigurationError(
            f"transaction={wanted!r:.100} of a step: True, or a function that returns a block with a connection"
        )
    if effect:
        raise ConfigurationError("a step with transaction= happens once anyway; leave effect= out")
    if url:
        raise ConfigurationError("a step with url= is carried out elsewhere, where transaction= does not reach")
    return wanted


def _queueing(queue: str, key: Callable[..., Any] | None, weight: int | Callable[..., int]) -> dict[str, Any]:
    """Return the settings of a step's queue, checked."""
    if not isinstance(queue, str) or len(queue) > QUEUE_CHARS_MAX:
        raise ConfigurationError(
            f"queue={queue!r:.150} (of a step or workflow): its name has up to {QUEUE_CHARS_MAX} characters"
        )
    if not queue and (key is not None or weight != 1):
        raise ConfigurationError("key= and weight= are about a queue; give queue= too")
    if not callable(weight) and (not isinstance(weight, int) or weight < 0):
        raise ConfigurationError(
            f"weight={weight!r:.100} of a step: a whole number from 0, or a function that returns one"
        )
    return {"queue": queue, "key": expect_callable("key", key), "weight": weight}


def _remote(url: str, **references: str) -> Remote | None:
    """
    Return where a step is carried out, None for here.

    Raises:
        ConfigurationError: it is nowhere that requests could be sent to.
    """
    given = {name: expect_text(name, reference) for name, reference in references.items() if reference}
    if expect_text("url", url):
        return Remote(url, **given)
    if given:
        raise ConfigurationError(f"{', '.join(given)} of a step are for one that another service carries out: url=…")
    return None


def _old_names(renamed: Sequence[str]) -> tuple[str, ...]:
    names = (renamed,) if isinstance(renamed, str) else expect("renamed", renamed, Sequence, "a name, or several")
    for name in names:
        if not isinstance(name, str) or not name or ("//" in name and not name.startswith(_STEP)):
            raise ConfigurationError(
                f"renamed={renamed!r} of a step: give a name, such as 'charge', or a full one, such as "
                f"'step//./billing.py//charge'"
            )
    return tuple(names)
