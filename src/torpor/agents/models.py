"""Models that an application makes itself, by name: another address, another client, several in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torpor.errors import ConfigurationError

F = TypeVar("F", bound=Callable[[], Any])

_made: dict[str, Callable[[], Any]] = {}


def model(name: str) -> Callable[[F], F]:
    """
    Decorate a function at module level that returns a model of Pydantic AI; agents name it as ``Agent("name")``.

    ::

        @model("house")
        def house():
            return OpenAIChatModel("qwen", provider=OpenAIProvider(base_url="http://10.0.0.7/v1"))

    It is called once in each worker, and never in a workflow.

    Raises:
        ConfigurationError: the name looks like that of a provider's model.
    """
    if ":" in name or not name:
        raise ConfigurationError(f"model({name!r}): choose a name without a colon, which providers' models have")

    def keep(make: F) -> F:
        _made[name] = make
        return make

    return keep


def made(name: str) -> Callable[[], Any] | None:
    """Return what makes the model of a name, None where it is no name of the application's."""
    return _made.get(name)
