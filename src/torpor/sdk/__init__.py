"""
Projects of the TypeScript Workflow SDK as parts of an application: their workflows run in the JavaScript guest, their
steps in Node.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from torpor.durations import Duration
from torpor.engine.carried import Carried, CarriedInput, written_elsewhere
from torpor.engine.step_definition import StepDefinition
from torpor.engine.step_functions import step_function
from torpor.errors import ConfigurationError
from torpor.programs.javascript.bundles import bundle_program
from torpor.programs.javascript.sdk_project import SdkProject
from torpor.programs.languages import Functions
from torpor.registry import Entry, Names, RegisteredStep
from torpor.retries import RETRIES_DEFAULT, checked_retries, timeout_ms
from torpor.sdk.node import NodeSteps
from torpor.sdk.offered import named
from torpor.sdk.world import Application, SdkWorld
from torpor.signatures import signature_text
from torpor.step import offer_options
from torpor.vm.guest import Program

if TYPE_CHECKING:
    from collections.abc import Awaitable

F = TypeVar("F", bound="Callable[..., Awaitable[object]]")

__all__ = ["Sdk"]


_PROCESSES: Final = "TORPOR_NODE_PROCESSES"
"""The environment's setting for how many processes of Node run the steps of a project."""


def checked_processes(given: int | None) -> int:
    """
    Return how many processes of Node run the steps of a project: as given, else as the environment says, else 1.

    Raises:
        ConfigurationError: it is no number of processes.
    """
    if given is None:
        text = os.environ.get(_PROCESSES, "") or "1"
        if not (text.isascii() and text.isdigit()):
            raise ConfigurationError(f"{_PROCESSES}={text!r}: how many processes of Node run steps, 0 for none here")
        return int(text)
    if not isinstance(given, int) or given < 0:
        raise ConfigurationError(f"processes={given!r} of a project: how many processes of Node, 0 for none here")
    return given


class Sdk:
    """
    A project of the Workflow SDK in an application; ``app.sdk("web")`` makes one.

    Its workflows and steps have the names that the SDK gives them, such as ``workflow//./workflows/orders//checkout``.

    Args:
        app: which application.
        folder: of the project.
        names: of the application's steps.
        add: registers a step with the application.
        env: names of the environment variables that workflow code has in ``process.env``.
        processes: how many processes of Node run its steps; 0 leaves them to step workers that come by HTTP.
    """

    def __init__(
        self,
        app: Application,
        folder: Path,
        names: Names,
        add: Callable[[Entry], None],
        *,
        env: Sequence[str] = (),
        processes: int = 1,
    ) -> None:
        self.project = SdkProject(folder)
        self._names = names
        self._add = add
        self._env = tuple(env)
        self._steps = NodeSteps(self.project, SdkWorld(app), processes=processes) if processes else None
        self._wanted: list[str] = []

    def step(
        self, name: str, /, *, max_retries: int | None = None, timeout: Duration | None = None
    ) -> Callable[[F], F]:
        """
        Declare a step of the project for workflows in Python, which call the function that is decorated: its
        parameters say what the step takes, by position; its body is never run.

        Args:
            name: the step's name in the project, ``charge`` or in full.
            max_retries: attempts after the first, 3 by default.
            timeout: how long one attempt may take.

        Raises:
            ConfigurationError: the function cannot be a step.
        """

        def register(function: F) -> F:
            made_of = step_function(function)
            source = inspect.getsourcefile(inspect.unwrap(made_of))
            ms = timeout_ms(timeout)
            definition = StepDefinition(
                made_of.__qualname__,
                made_of,
                max_retries=checked_retries(RETRIES_DEFAULT if max_retries is None else max_retries),
                timeout=None if ms is None else ms / 1000,
                carrier=functools.partial(self._carry, name),
                elsewhere="" if self._steps else name,
            )
            offer_options(made_of)
            self._wanted.append(name)
            self._add(RegisteredStep(definition, Path(source).resolve() if source else None, ()))
            return function

        return register

    def program(self, steps: Functions, build: Callable[[str], str]) -> Program:
        """
        Return the program of its workflows, built if need be, and register its steps.

        Args:
            steps: functions of the application's steps by full name.
            build: returns the hash of a guest's build.

        Raises:
            ConfigurationError: it cannot be built, or :meth:`step` names what it has not.
        """
        bundle = self.project.built.bundle
        for name in self._wanted:
            self._resolved(name)
        if self._steps is not None:
            self._names.carry({name: self._definition(name, self._steps) for name in bundle.steps})
        signatures = {name: signature_text(function) for name, function in steps.items()}
        env = {name: os.environ[name] for name in self._env if name in os.environ}
        return bundle_program(bundle, env=env, steps=signatures, build=build("quickjs"))

    async def prepare(self) -> None:
        """Have a process of Node ready."""
        if self._steps is not None:
            await self._steps.prepare()

    async def close(self) -> None:
        """End the processes of Node."""
        if self._steps is not None:
            await self._steps.close()

    def _definition(self, name: str, steps: NodeSteps) -> StepDefinition:
        return StepDefinition(name, written_elsewhere, carrier=functools.partial(steps.carry, name))

    async def _carry(self, name: str, given: CarriedInput) -> Carried:
        assert self._steps is not None, "whoever makes attempts looks whether the step is carried out elsewhere"
        return await self._steps.carry(self._resolved(name), given)

    def _resolved(self, name: str) -> str:
        """Return the full name of a step."""
        known: Collection[str] = self.project.built.bundle.steps
        found = named(name, known)
        if len(found) == 1:
            return found[0]
        what = (
            f"several steps {name!r}: {', '.join(found)}" if found else f"no step {name!r}; it has {', '.join(known)}"
        )
        raise ConfigurationError(f"{self.project.folder} has {what}")
