"""Steps whose definitions are at hand, as a worker looks them up."""

from __future__ import annotations

from collections.abc import Mapping

from torpor.engine.step_definition import StepDefinition


class DefinedSteps:
    """
    Where a worker finds such steps, and nothing else. Workflow code calls none of them by it.

    Args:
        definitions: the steps, by full name.
    """

    def __init__(self, definitions: Mapping[str, StepDefinition]) -> None:
        self._definitions = definitions

    def step_definition(self, name: str) -> StepDefinition | None:
        """Return the step with this full name."""
        return self._definitions.get(name)

    def allows(self, name: str) -> bool:
        """Return whether workflow code may call this step; here is none."""
        return False

    def claimable_steps(self) -> list[str]:
        """Return the full names of all."""
        return list(self._definitions)

    def signatures(self) -> dict[str, str]:
        """Return what each of them takes, by full name."""
        return {name: definition.signature for name, definition in self._definitions.items()}
