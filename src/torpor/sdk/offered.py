"""The steps that a step worker elsewhere offers, as a worker looks them up."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from msgspec.structs import replace

from torpor.codec.types.references import References
from torpor.engine.carried import Carried, CarriedInput, written_elsewhere
from torpor.engine.defined_steps import DefinedSteps
from torpor.engine.step_definition import StepDefinition

Carry = Callable[[str, CarriedInput], Coroutine[Any, Any, Carried]]


def named(name: str, known: Collection[str]) -> list[str]:
    """Return the full names that a name may mean: itself, or those that end with it."""
    return [name] if name in known else [each for each in known if each.endswith(f"//{name}")]


class OfferedSteps(DefinedSteps):
    """
    Where a worker finds what a step worker offers, and nothing else.

    Args:
        offered: full names, as the SDK gives them.
        declared: steps of the application that step workers carry out, by full name.
        carry: makes an attempt of the step that the SDK calls so.
        references: what runs and steps become among arguments.
    """

    def __init__(
        self,
        offered: Collection[str],
        declared: Mapping[str, StepDefinition],
        carry: Carry,
        references: References,
    ) -> None:
        self._references = references
        definitions = {
            name: StepDefinition(name, written_elsewhere, carrier=functools.partial(carry, name)) for name in offered
        }
        for name, definition in declared.items():
            found = named(definition.elsewhere, offered)
            if len(found) == 1:
                carrier = functools.partial(carry, found[0])
                definitions[name] = replace(definition, carrier=carrier, elsewhere="")
        super().__init__(definitions)

    @property
    def references(self) -> References:
        """What runs and steps become among arguments."""
        return self._references
