"""``python -m tests.sdk``: every case in both runtimes, as a table; see ``make sdk``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.postgres_server import server_url
from tests.sdk.cases import CASES, LEFT_OUT, NEWER
from tests.sdk.installed import VERSIONS, make_project
from tests.sdk.setting import setting
from torpor.model import Runtime

_RUNTIMES: tuple[Runtime, ...] = ("snapshot", "replay")
_AT_ONCE = 8


async def _outcomes(project: Path, world: str, runtime: Runtime, names: list[str], *, by_http: bool) -> dict[str, str]:
    places = asyncio.Semaphore(_AT_ONCE)
    async with setting(project, world, runtime, by_http=by_http) as to:

        async def outcome(name: str) -> str:
            async with places:
                try:
                    await CASES[name](to)
                except Exception as error:  # noqa: BLE001  # it is what the table tells
                    return f"{type(error).__name__}: {error!s:.300}"
                return "passed"

        found = await asyncio.gather(*(outcome(name) for name in names))
    return dict(zip(names, found, strict=True))


def main() -> int:
    """Print the table; return 1 if a case has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sdk", description=__doc__)
    parser.add_argument("names", nargs="*", help="cases; all by default")
    parser.add_argument("--postgres", action="store_true", help="on Postgres in place of SQLite")
    parser.add_argument("--http", action="store_true", help="steps by a step worker over HTTP, not by a child process")
    parser.add_argument("--version", choices=sorted(VERSIONS), default="5", help="of the SDK")
    given = parser.parse_args()
    os.environ.update(SDK_CASE_ALLOWED="yes", SDK_CASE_HIDDEN="no")
    lacking = NEWER if given.version == "4" else ()
    names = given.names or [name for name in CASES if name not in lacking]
    left_out = {**LEFT_OUT, **dict.fromkeys(lacking, "version 4 of the SDK has no such thing")}
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project", VERSIONS[given.version])
        found = {}
        for runtime in _RUNTIMES:
            world = server_url() if given.postgres else f"sqlite:///{folder}/{runtime}.db"
            found[runtime] = asyncio.run(_outcomes(project, world, runtime, names, by_http=given.http))
    width = max(map(len, [*names, *left_out]))
    print(f"{'':{width}}  {'  '.join(f'{runtime:8}' for runtime in _RUNTIMES)}")
    for name in names:
        told = [found[runtime][name] for runtime in _RUNTIMES]
        marks = [f"{each if each == 'passed' else 'FAILED':8}" for each in told]
        print(f"{name:{width}}  {'  '.join(marks)}")
        for runtime, each in zip(_RUNTIMES, told, strict=True):
            if each != "passed":
                print(f"{'':{width}}  {runtime}: {each}")
    if not given.names:
        for name, reason in left_out.items():
            print(f"{name:{width}}  left out: {reason}")
    passed = sum(all(found[runtime][name] == "passed" for runtime in _RUNTIMES) for name in names)
    print(f"{passed} of {len(names)} cases passed, in each of {len(_RUNTIMES)} runtimes; {len(left_out)} left out")
    return int(passed < len(names))


if __name__ == "__main__":
    sys.exit(main())
