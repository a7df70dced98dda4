"""
Research: which terms tell the texts of a folder apart?

The workflow fans out over hundreds of passages, merges what the steps count as it comes in, ranks the terms and quotes
the best ones. It is plain asyncio. What is remarkable is what happens to it: kill its worker halfway, and the next one
goes on with the counts that are merged, repeating only the steps that were under way.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from torpor import Torpor

app = Torpor()  # stored in TORPOR_WORLD, by default sqlite:///torpor.db

# Counting words takes no time at all; this stands for what a search or a language model takes, in seconds at most.
THINKING_SECONDS = float(os.environ.get("THINKING_SECONDS", "2"))


@dataclass(frozen=True)
class Passage:
    """Some lines of a text, counted from 0; *end* is not part of it."""

    path: str
    start: int
    end: int


@dataclass(frozen=True)
class Finding:
    """A term, how often it occurs and in how many texts, how telling it is, and the line that has it first."""

    term: str
    count: int
    texts: int
    score: float
    quote: str


@dataclass(frozen=True)
class Report:
    """What was read, and the most telling terms, best first."""

    texts: int
    passages: int
    words: int
    findings: list[Finding]


@app.workflow
async def research(folder: str, passages: int = 200, most: int = 12) -> Report:
    """
    Rank the terms of the texts below a folder.

    Args:
        folder: where the texts are.
        passages: into about how many pieces they are cut; all of them are read at the same time.
        most: how many terms are reported.
    """
    pieces = await cut(folder, passages)

    counts: dict[str, Counter[str]] = defaultdict(Counter)  # by text
    first: dict[str, Passage] = {}  # the first passage that has a term
    for reading in asyncio.as_completed([read(piece) for piece in pieces]):
        piece, words = await reading
        counts[piece.path].update(words)
        for word in words:
            first[word] = min(first.get(word, piece), piece, key=pieces.index)

    ranked = rank(counts)[:most]
    desk = asyncio.Semaphore(4)  # as if whoever finds the quotes took four requests at once

    async def quoted(term: str) -> str:
        async with desk:
            return await quote(term, first[term])

    async with asyncio.TaskGroup() as group:
        quotes = [group.create_task(quoted(term)) for term, *_ in ranked]

    return Report(
        texts=len(counts),
        passages=len(pieces),
        words=sum(count.total() for count in counts.values()),
        findings=[Finding(*facts, task.result()) for facts, task in zip(ranked, quotes, strict=True)],
    )


def rank(counts: dict[str, Counter[str]]) -> list[tuple[str, int, int, float]]:
    """Return term, count, number of texts and score: what is used often but not everywhere tells most."""
    totals: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    for count in counts.values():
        totals.update(count)
        spread.update(count.keys())
    scored = [
        (term, total, spread[term], round(total * math.log(len(counts) / spread[term]), 2))
        for term, total in totals.items()
    ]
    return sorted(scored, key=lambda facts: (-facts[3], facts[0]))


# What happens outside: files are read in steps


@app.step
async def cut(folder: str, passages: int) -> list[Passage]:
    """Cut the texts below a folder into about so many passages of equal length."""
    lengths = {path: len(_lines(path)) for path in _texts(folder)}
    size = max(1, math.ceil(sum(lengths.values()) / passages))
    return [
        Passage(path, start, min(start + size, length))
        for path, length in lengths.items()
        for start in range(0, length, size)
    ]


@app.step
async def read(passage: Passage) -> tuple[Passage, dict[str, int]]:
    """Count the words of a passage."""
    await asyncio.sleep(random.uniform(0.1, 1) * THINKING_SECONDS)
    return passage, Counter(word for line in _passage(passage) for word in _words(line))


@app.step
async def quote(term: str, passage: Passage) -> str:
    """Return the line of a passage that has the term."""
    return next(line.strip() for line in _passage(passage) if term in _words(line))


def _texts(folder: str) -> list[str]:
    paths = sorted(Path(folder).rglob("*.md"))
    return [str(path) for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _passage(passage: Passage) -> list[str]:
    return _lines(passage.path)[passage.start : passage.end]


def _words(line: str) -> list[str]:
    return re.findall(r"[a-z]{4,}", line.lower())
