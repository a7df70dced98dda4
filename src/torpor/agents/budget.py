"""How much an agent may use; what it has used is summed in the run, so that it survives as all else does."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from torpor.agents.messages import Usage
from torpor.errors import BudgetExceededError, ConfigurationError

_REQUESTS = 50


@dataclass(frozen=True)
class Budget:
    """
    What one call of :meth:`torpor.agents.Agent.run` may use, with all agents that it calls in the same run.

    Nothing is asked of a model, and no tool is called, once a limit is reached. What one answer takes is known when it
    is there, so the last one may pass a limit of tokens or cost.

    Attributes:
        requests: answers of models; a conversation that never ends ends here.
        tokens: read and written together; None for as many as it takes.
        tool_calls: calls of tools.
        cost: US dollars, of the models whose price is known.
    """

    requests: int | None = _REQUESTS
    tokens: int | None = None
    tool_calls: int | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "tokens", "tool_calls", "cost"):
            limit = getattr(self, name)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0):
                raise ConfigurationError(f"Budget({name}={limit!r}): give a number above 0, or None for no limit")


class Ledger:
    """
    What has been used against a budget.

    Args:
        budget: the limits.
        whose: name of the agent, for messages.
        outer: of the agent that has called this one in the same run: what is used here is used there too.
    """

    def __init__(self, budget: Budget, whose: str, outer: Ledger | None) -> None:
        self.usage = Usage()
        self._budget = budget
        self._whose = whose
        self._outer = outer

    def add(self, usage: Usage) -> None:
        """Count something that has been used."""
        self.usage += usage
        if self._outer is not None:
            self._outer.add(usage)

    def check_request(self) -> None:
        """
        Raise unless a model may be asked.

        Raises:
            BudgetExceededError: a limit is reached, here or of an outer agent.
        """
        self._check("requests", self.usage.requests, self._budget.requests)
        self._check("tokens", self.usage.tokens, self._budget.tokens)
        self._check("cost", self.usage.cost, self._budget.cost)
        if self._outer is not None:
            self._outer.check_request()

    def check_calls(self, count: int) -> None:
        """
        Raise unless so many more tools may be called.

        Raises:
            BudgetExceededError: as :meth:`check_request`.
        """
        limit = self._budget.tool_calls
        if limit is not None and self.usage.tool_calls + count > limit:
            self._check("tool_calls", self.usage.tool_calls + count, limit)
        if self._outer is not None:
            self._outer.check_calls(count)

    def _check(self, what: str, used: float, limit: float | None) -> None:
        if limit is not None and used >= limit:
            raise BudgetExceededError(self._whose, what, used, limit)


spending: ContextVar[Ledger | None] = ContextVar("torpor-agent-ledger", default=None)
"""The ledger of the agent that is at work here."""
