"""
A research agent: it searches this project's documentation, reads, and publishes what it found once a person agrees.

The loop is workflow code in a VM; the model, the searching, the reading and the publishing are steps.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from torpor import Torpor
from torpor.agents import Agent, AgentResult, Budget, tool

app = Torpor()  # stored in TORPOR_WORLD, by default sqlite:///torpor.db

DOCS = Path(__file__).parents[2] / "docs"
READING_SECONDS = float(os.environ.get("READING_SECONDS", "1"))


@dataclass(frozen=True)
class Report:
    """
    What the research came to.

    Attributes:
        title: of the report.
        summary: two sentences.
        sources: names of the pages that it rests on.
        published: where it can be read, empty when it is a draft.
    """

    title: str
    summary: str
    sources: list[str]
    published: str = ""


@app.step
def search(words: str, most: int = 2) -> list[str]:
    """
    Search the documentation, and return the names of pages that mention the words most often.

    Args:
        words: what is looked for.
        most: how many pages at most.
    """
    wanted = words.lower().split()
    counts = {
        page.name: sum(page.read_text("utf-8").lower().count(word) for word in wanted) for page in DOCS.glob("*.md")
    }
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]


@app.step
async def read(page: str) -> str:
    """
    Return the beginning of a page.

    Args:
        page: its name, as `search` returns it.
    """
    await asyncio.sleep(READING_SECONDS)  # in place of a slow website
    return (DOCS / Path(page).name).read_text("utf-8")[:600]


@app.step(effect="once")
def publish(title: str, text: str) -> str:
    """Publish a report, and return its address. A person agrees first."""
    with Path(os.environ.get("PUBLISHED", "published.txt")).open("a") as file:
        file.write(f"{title}: {text}\n")
    return f"https://reports.example/{title.lower().replace(' ', '-')}"


researcher = Agent(
    "openai-chat:gpt-5-mini",
    name="researcher",
    instructions="Search, read, publish a report of what you found, and answer with it.",
    tools=[search, read, tool(publish, approve=True, within="7d")],
    output=Report,
    budget=Budget(requests=10, tokens=100_000),
)


@app.workflow
async def research(question: str) -> AgentResult[Report]:
    """Answer a question by research."""
    return await researcher.run(question, stream="")
