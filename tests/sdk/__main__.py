"""``python -m tests.sdk``: every case in both runtimes, on both databases, as a table; see ``make sdk``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.harness.npm import NpmError
from tests.postgres_server import server_url
from tests.sdk.cases import Case
from tests.sdk.fetched import FETCHED, make_fetched
from tests.sdk.installed import VERSIONS, make_project
from tests.sdk.newest import CASES, LEFT_OUT, NEWER
from tests.sdk.setting import setting
from torpor.model import Runtime

_RUNTIMES: tuple[Runtime, ...] = ("snapshot", "replay")
_WORLDS = ("sqlite", "postgres")
_AT_ONCE = 8
_PASSED = "passed"

Outcomes = dict[str, list[str]]
"""By the name of a case, how it went in each column."""


async def _outcomes(
    project: Path, world: str, runtime: Runtime, cases: Mapping[str, Case], *, by_http: bool
) -> dict[str, str]:
    places = asyncio.Semaphore(_AT_ONCE)
    async with setting(project, world, runtime, by_http=by_http) as to:

        async def outcome(case: Case) -> str:
            async with places:
                try:
                    await case(to)
                except Exception as error:  # noqa: BLE001  # it is what the table tells
                    return f"{type(error).__name__}: {error!s:.300}"
                return _PASSED

        found = await asyncio.gather(*(outcome(case) for case in cases.values()))
    return dict(zip(cases, found, strict=True))


def _in_all_columns(
    project: Path, urls: Mapping[str, str], cases: Mapping[str, Case], *, by_http: bool, title: str
) -> Outcomes:
    """Run cases on each database in each runtime."""
    found: Outcomes = {name: [] for name in cases}
    for world, url in urls.items():
        for runtime in _RUNTIMES:
            own = url.replace("RUNTIME", f"{title}-{runtime}")
            told = asyncio.run(_outcomes(project, own, runtime, cases, by_http=by_http))
            print(f"{title}, {world}, {runtime}: {list(told.values()).count(_PASSED)} of {len(told)}", file=sys.stderr)
            for name, outcome in told.items():
                found[name].append(outcome)
    return found


def _table(columns: list[str], found: Outcomes, left_out: Mapping[str, str]) -> None:
    width = max(map(len, [*found, *left_out]))
    print(f"{'':{width}}  {'  '.join(columns)}")
    for name, told in found.items():
        marks = [
            f"{each if each == _PASSED else 'FAILED':{len(column)}}" for each, column in zip(told, columns, strict=True)
        ]
        print(f"{name:{width}}  {'  '.join(marks)}".rstrip())
        for column, each in zip(columns, told, strict=True):
            if each != _PASSED:
                print(f"{'':{width}}  {column}: {each}")
    for name, reason in left_out.items():
        print(f"{name:{width}}  left out: {reason}")


def _urls(folder: str, wanted: str) -> dict[str, str]:
    """Return the worlds by name, without Postgres where there is none and nobody has asked for it."""
    urls = {name: f"sqlite:///{folder}/RUNTIME.db" for name in _WORLDS[:1] if wanted in ("both", name)}
    if wanted != "sqlite":
        try:
            urls["postgres"] = server_url()
        except pytest.skip.Exception as reason:
            if wanted == "postgres":
                raise SystemExit(str(reason)) from None
            print(f"without Postgres: {reason}", file=sys.stderr)
    return urls


def main() -> int:
    """Print the table; return 1 if a case has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdk", description=__doc__)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--world", choices=("both", *_WORLDS), default="both", help="the database; both by default")
    parser.add_argument("--http", action="store_true", help="steps by a step worker over HTTP, not by a child process")
    parser.add_argument("--version", choices=sorted(VERSIONS), default="5", help="of the SDK")
    given = parser.parse_args()
    os.environ.update(SDK_CASE_ALLOWED="yes", SDK_CASE_HIDDEN="no")
    lacking = NEWER if given.version == "4" else ()
    cases = {name: CASES[name] for name in given.names or CASES if name not in lacking}
    left_out = {} if given.names else {**LEFT_OUT, **dict.fromkeys(lacking, "version 4 of the SDK has no such thing")}
    with tempfile.TemporaryDirectory() as folder:
        urls = _urls(folder, given.world)
        project = make_project(Path(folder) / "project", VERSIONS[given.version])
        found = _in_all_columns(project, urls, cases, by_http=given.http, title="cases")
        if given.version == "5" and not given.http and not given.names:
            try:
                fetched = make_fetched(Path(folder) / "fetched")
            except NpmError as error:
                left_out |= dict.fromkeys((f"as fetched: {name}" for name in FETCHED), str(error))
            else:
                told = _in_all_columns(fetched, urls, FETCHED, by_http=False, title="as fetched")
                found |= {f"as fetched: {name}": outcomes for name, outcomes in told.items()}
    columns = [f"{world} {runtime}" for world in urls for runtime in _RUNTIMES]
    _table(columns, found, left_out)
    passed = sum(set(told) == {_PASSED} for told in found.values())
    print(f"{passed} of {len(found)} cases passed, in each of {len(columns)} columns; {len(left_out)} left out")
    return int(passed < len(found))


if __name__ == "__main__":
    sys.exit(main())
