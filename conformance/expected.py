"""
What is expected to fail, by name and reason, and what is new.

Each module has a file in ``expected/``: words of :data:`REASONS` at the beginning of lines, and under each, indented,
the tests that fail for it. Names begin behind that of the module.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from conformance.driver import Outcome

FOLDER: Final = Path(__file__).parent / "expected"

REASONS: Final = {
    "absent": "a module of Python's that the guest lacks, such as ctypes or _testcapi",
    "bits": "a text of 2³¹ bytes and the like: WebAssembly has 32 bits, a VM 512 MiB here",
    "drift": "the tests are of another 3.15 than the guest",
    "drive": "what runs the tests here is not unittest's own runner",
    "files": "reads or writes files, or the texts of Python's own modules, which are not in the library",
    "input": "somebody at a terminal",
    "lookup": "looks into Torpor's module api, which refuses what it lacks with advice, not an AttributeError",
    "loop": "wants a loop of its own kind, policy or signals",
    "musl": "the C library of WASI: names of encodings, time zones and errors",
    "network": "a socket",
    "processes": "another process",
    "sleep": "time.sleep, which is refused",
    "stack": "a depth that the stack of a VM does not have",
    "text": "the text of a refusal, or of a line of Python itself in a traceback, is another one or missing",
    "threads": "threads, or waiting for one",
    "time": "more CPU time than it gets here, or a clock that goes on while code runs",
}
"""Why tests fail that are expected to."""

_TELLING: Final = (
    ("threads", r"threading\.Thread|another thread|to_thread|there are no threads|can't start new thread"),
    ("network", r"socket\.socket|there is no network|getaddrinfo|start_server|open_connection"),
    ("processes", r"subprocess|there are no processes|os\.fork|posix_spawn"),
    ("sleep", r"time\.sleep\(\)"),
    ("input", r"nobody sits"),
    ("files", r"there are no files|No usable temporary directory|No such file or directory|Read-only file system"),
    ("absent", r"No module named|has no attribute '_(test|socket)"),
    ("bits", r"MemoryLimitError|MemoryError|OverflowError"),
    ("time", r"CpuLimitError"),
    ("stack", r"StackLimitError|RecursionError"),
    ("lookup", r"torpor\.\w+ cannot be used"),
)
"""Reasons that the words of a failure tell."""


class Verdict(NamedTuple):
    """What is to be told of a module."""

    new: list[Outcome]
    passed: list[str]
    missing: list[str]


def expected(module: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return the failures that are expected of a module: test → reason. What has no known reason is not expected."""
    path = folder / f"{module}.txt"
    found, reason = dict[str, str](), ""
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        if not line.startswith(" "):
            reason = line.strip()
        elif reason in REASONS:
            found[_full(module, line.strip())] = reason
    return found


def verdict(known: dict[str, str], outcomes: Iterable[Outcome]) -> Verdict:
    """Compare what came out with what is expected."""
    found = {each.test: each for each in outcomes}
    failed = {each.test for each in found.values() if each.outcome in ("failed", "ended")}
    return Verdict(
        new=[found[test] for test in sorted(failed - known.keys())],
        passed=sorted(test for test in known if test in found and test not in failed),
        missing=sorted(known.keys() - found.keys()),
    )


def write(module: str, outcomes: Iterable[Outcome], folder: Path = FOLDER) -> None:
    """Write down what failed as what is expected; reasons that are neither known nor told by the failure are ``?``."""
    known, tests = expected(module, folder), defaultdict[str, list[str]](list)
    for each in outcomes:
        if each.outcome in ("failed", "ended"):
            reason = known.get(each.test) or _told(each.detail) or "?"
            tests[reason].append(each.test.removeprefix(f"{module}."))
    path = folder / f"{module}.txt"
    if tests:
        path.write_text("\n".join(_lines(tests)) + "\n", "utf-8")
    else:
        path.unlink(missing_ok=True)


def _lines(tests: dict[str, list[str]]) -> Iterator[str]:
    for reason in sorted(tests):
        yield reason
        yield from (f"    {test}" for test in sorted(set(tests[reason])))


def _told(detail: str) -> str | None:
    return next((reason for reason, pattern in _TELLING if re.search(pattern, detail)), None)


def _full(module: str, test: str) -> str:
    return test if test.startswith("unittest.") else f"{module}.{test}"
