"""What steps and runs become that arrive as values: among a step's arguments, and in what a run returned."""

from __future__ import annotations

import functools
from collections.abc import Callable

from torpor.client import Client, Handles
from torpor.codec.types.references import recognise, reference_of
from torpor.codec.values import StepFunction
from torpor.engine.steps import StepDefinition

_BOUND = "boundArgs"


class ApplicationReferences(Handles):
    """
    Registered steps as the functions that they are, and runs as handles of the application's world.

    Args:
        client: whose world the runs are in.
        definition: finds a step by its full name.
    """

    def __init__(self, client: Client, definition: Callable[[str], StepDefinition | None]) -> None:
        super().__init__(client)
        self._definition = definition

    def step(self, reference: StepFunction) -> object:
        """
        Return the registered function, with the arguments that are bound to it.

        The reference itself if there is none here, or if it carries what only JavaScript has: a receiver or a closure.
        """
        definition = self._definition(reference.step_id)
        if definition is None or reference.extras.keys() - {_BOUND}:
            return reference
        bound = reference.extras.get(_BOUND)
        return functools.partial(definition.function, *bound) if bound else definition.function


def _bound(step: functools.partial[object]) -> StepFunction | None:
    """Return what stands for a step with arguments bound by position, so that it may be passed on."""
    reference = reference_of(step.func)
    if not isinstance(reference, StepFunction) or step.keywords:
        return None
    return StepFunction(reference.step_id, {_BOUND: list(step.args)} if step.args else {})


recognise(functools.partial, _bound)
