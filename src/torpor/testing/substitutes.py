"""Steps that are made otherwise in a test: replaced, failing, slow, or held until the test lets them go on."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from msgspec.structs import replace

from torpor.codec.types.references import reference_of
from torpor.codec.values import StepFunction
from torpor.durations import Duration, milliseconds
from torpor.engine.step_definition import StepDefinition
from torpor.errors import UsageError
from torpor.programs.catalogue import short_name
from torpor.registry import Names

Made = Callable[..., Awaitable[Any]]
"""What an attempt does, given the arguments that the step gets."""

Rest = Callable[[int], Awaitable[None]]
"""Lets so many milliseconds pass on the test's clock."""


class Substitute:
    """
    What stands in for a step, until the test is over, :meth:`restore` is called or its ``with`` block ends.

    Attributes:
        name: the step's full name.
        calls: the arguments of each attempt, by position and by name, in the order in which they began.
    """

    def __init__(self, names: Names, definition: StepDefinition, made: Made) -> None:
        self._names = names
        self.name = definition.name
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._before = names.step(definition.name)
        original = definition.function

        # It passes for the step itself, so that arguments are checked and converted, and errors retried, as ever.
        @functools.wraps(original)
        async def instead(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((args, kwargs))
            return await made(*args, **kwargs)

        self._definition = replace(definition, function=instead)
        names.substitute(self.name, self._definition)

    def restore(self) -> None:
        """Let the step be what it was before; harmless when it is that already."""
        if self._names.step(self.name) is self._definition:
            self._names.substitute(self.name, self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()


class Gate(Substitute):
    """A step whose attempts wait at its beginning until the test lets them go on."""

    def __init__(
        self, names: Names, definition: StepDefinition, made: Made, resting: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._open = asyncio.Event()

        async def held(*args: Any, **kwargs: Any) -> Any:
            with resting():
                await self._open.wait()
            return await made(*args, **kwargs)

        super().__init__(names, definition, held)

    def release(self) -> None:
        """Let all attempts go on, those that wait and those that come."""
        self._open.set()


class _Steps(Protocol):
    def step_names(self) -> list[str]: ...

    def step(self, name: str) -> StepDefinition | None: ...


def find_step(names: _Steps, step: object) -> StepDefinition:
    """
    Return the step that is meant by a function, a short name such as ``charge``, or a full one.

    Raises:
        UsageError: there is none, or there are several; the message lists the steps that there are.
    """
    text = step if isinstance(step, str) else _name_of(step)
    if (found := names.step(text)) is not None:
        return found
    fitting = [name for name in names.step_names() if short_name(name) == text]
    if len(fitting) == 1 and (found := names.step(fitting[0])) is not None:
        return found
    if fitting:
        raise UsageError(f"several steps are called {text}: {', '.join(fitting)}; give the full name of one")
    there = ", ".join(sorted(map(short_name, names.step_names()))) or "none"
    raise UsageError(f"{text} is no step of the application; it has: {there}")


def _name_of(step: object) -> str:
    reference = reference_of(step)
    if isinstance(reference, StepFunction):
        return reference.step_id
    return getattr(step, "__qualname__", None) or repr(step)


def called(fake: Any, name: str) -> Made:
    """
    Return what an attempt does that calls *fake*; one that blocks is called in a thread, as steps are.

    Raises:
        UsageError: it is nothing that can be called.
    """
    if not callable(fake):
        raise UsageError(f"what stands in for step {name} is called with its arguments, and {fake!r} cannot be called")

    async def made(*args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(fake):
            return await fake(*args, **kwargs)
        value = await asyncio.to_thread(fake, *args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    return made


def failing(definition: StepDefinition, times: int, error: BaseException | type[BaseException]) -> Made:
    """Return what an attempt does that raises *error* the first so many times, and what the step does after that."""
    left = times
    real = called(definition.function, definition.name)

    async def made(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left > 0:
            left -= 1
            raise error
        return await real(*args, **kwargs)

    return made


def slow(definition: StepDefinition, duration: Duration, rest: Rest) -> Made:
    """Return what an attempt does that takes so long by the test's clock, which measures its timeout too."""
    ms = milliseconds(duration)
    limit = None if definition.timeout is None else round(definition.timeout * 1000)
    real = called(definition.function, definition.name)

    async def made(*args: Any, **kwargs: Any) -> Any:
        if limit is not None and ms > limit:
            await rest(limit)
            raise TimeoutError(f"step {definition.name} took longer than its timeout of {limit / 1000:g} s")
        await rest(ms)
        return await real(*args, **kwargs)

    return made
