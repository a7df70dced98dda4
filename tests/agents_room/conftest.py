"""A model that says what tests tell it to, by HTTP as real ones do."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.agents_room import flows
from torpor.testing import Testbed
from torpor.testing.model_server import Asked, ModelServer, Said


class Model:
    """
    What the model says: to each prompt a list of answers, one after the other.

    Attributes:
        server: where it is.
    """

    def __init__(self) -> None:
        self.server = ModelServer(self._answer)
        self._says: dict[str, list[Said]] = {}
        self._given: dict[str, int] = {}

    def says(self, prompt: str, *answers: Said) -> None:
        """Answer requests for this prompt so, each answer once, whatever else they are."""
        self._says[prompt] = list(answers)

    def asked(self, prompt: str) -> list[Asked]:
        """Return the requests for a prompt."""
        return [each for each in self.server.asked if each.prompt == prompt]

    def _answer(self, asked: Asked) -> Said:
        answers = self._says.get(asked.prompt)
        if answers is None:
            return Said(status=400, text=f"nobody expected {asked.prompt!r}")
        return answers[min(len(self.asked(asked.prompt)), len(answers)) - 1]


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    """Start the server where steps look for OpenAI's, once for all tests: prompts tell them apart."""
    importlib.import_module("pydantic_ai.models.openai")  # which takes its time
    model = Model()
    with model.server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", model.server.url)
        patch.setenv("OPENAI_API_KEY", "none")
        yield model


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bed() -> AsyncIterator[Testbed]:
    """Open the application, once for all tests: what they start are runs of their own."""
    async with Testbed(flows.app, timeout=30) as opened:
        yield opened
