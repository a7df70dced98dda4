"""
What the attempts of a step have come to know: kept in a stream of the run, so that the next attempt need not ask again.

It lets the loop of another framework, which knows nothing of attempts, go on where a worker died: it runs from the
beginning, and gets at once what was got before. Entries are found by what was asked, not by when, so it need not ask in
the same order.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from torpor.engine.metadata import current_step
from torpor.engine.stream_steps import get_readable, get_writable

STREAM: Final = "journal"
"""The run's stream that has the entries of all its steps."""


class Journal:
    """The journal of the step that runs here; one for each attempt."""

    def __init__(self) -> None:
        self._step = current_step()
        self._known: dict[str, Any] | None = None
        self._asked: Counter[str] = Counter()
        self._reading = asyncio.Lock()

    async def once(self, about: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        """
        Return what an earlier attempt of the step got for the same question, else ask, and note the answer.

        It is stored when this returns. What is asked twice by one attempt is noted twice.

        Args:
            about: the question, as JSON has it.
            ask: gets the answer, any value that a step may return; what it raises is not noted.

        Raises:
            SerializationError: the answer cannot be stored.
        """
        text = json.dumps(about, sort_keys=True, default=str)
        question = hashlib.sha256(text.encode()).hexdigest()
        self._asked[question] += 1
        key = f"{self._step.step_id} {question} {self._asked[question]}"
        known = await self._earlier()
        if key in known:
            return known[key]
        answer = await ask()
        out = get_writable(STREAM)
        await out.write({"key": key, "answer": answer})
        await out.flush()
        return answer

    async def _earlier(self) -> dict[str, Any]:
        async with self._reading:
            if self._known is None:
                self._known = {}
                if self._step.attempt > 1:
                    async for entry in get_readable(STREAM, until="now"):
                        self._known[entry["key"]] = entry["answer"]
        return self._known
