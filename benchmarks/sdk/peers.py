"""Those that are compared, each a process that runs what it is told to, one run after another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.processor import used_ms
from benchmarks.sdk.definitions import Definition, Sample
from benchmarks.sdk.projects import SDK, SDK_ON_POSTGRES, WORLD_POSTGRES, sdk_project
from benchmarks.sdk.torpor_peer import Application
from torpor.model import Runtime
from torpor.programs.javascript.sdk_project import node

Steps = Literal["python", "node"]
Engine = Literal["node", "quickjs"]

_ROOT: Final = Path(__file__).parent.parent.parent
_START_SECONDS_MAX: Final = 120
_RUN_SECONDS_MAX: Final = 180
_TOLD_BYTES: Final = 2_000
_EXTENDED_CONSTANTS: Final = "--experimental-wasm-extended-const"
"""What Node 20 needs for the SDK's QuickJS, and later ones have anyway."""


class PeerError(Exception):
    """A peer has not done what it was asked to; the message says what it did."""


class Peer:
    """
    A process that is compared.

    Args:
        process: it.
        log: where its words go.

    Attributes:
        name: who it is.
        place: the kind of world.
        engine: what runs workflow code.
        version: of the SDK, empty for Torpor.
    """

    def __init__(
        self, name: str, place: str, engine: str, version: str, process: subprocess.Popen[bytes], log: Path
    ) -> None:
        self.name, self.place, self.engine, self.version = name, place, engine, version
        self._process = process
        self._log = log

    @property
    def is_torpor(self) -> bool:
        """Whether it is us."""
        return not self.version

    def measure(self, definition: Definition, runtime: Runtime = "snapshot") -> Sample:
        """
        Return what one run took.

        Raises:
            PeerError: it failed, or returned something else than it ought to.
        """
        work = msgspec.structs.replace(definition.work, runtime=runtime)
        before = used_ms(self._process.pid)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(work) + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._failed("is gone") from None
        sample = msgspec.json.decode(self.line(_RUN_SECONDS_MAX), type=Sample)
        cpu = used_ms(self._process.pid) - before
        self.line(_RUN_SECONDS_MAX)  # which says that it is ready again
        if sample.error:
            raise self._failed(f"fails in {definition.name}: {sample.error}")
        if not definition.is_met_by(sample):
            raise self._failed(f"returns something else in {definition.name}: {sample!r:.200}")
        return msgspec.structs.replace(sample, cpu_ms=cpu)

    def line(self, seconds: float) -> bytes:
        """
        Return the next line that it tells.

        Raises:
            PeerError: there is none within the time, in which case it is killed.
        """
        assert self._process.stdout is not None
        watch = threading.Timer(seconds, self._process.kill)
        watch.start()
        found = self._process.stdout.readline()
        watch.cancel()
        if not found:
            raise self._failed(f"ended, or said nothing for {seconds:g} s and was killed")
        return found

    def _failed(self, how: str) -> PeerError:
        told = self._log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace").strip()
        return PeerError(f"{self.name} {how}" + (f"; its last words:\n{told}" if told else ""))

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


@contextmanager
def torpor(steps: Steps, world: str, place: str, project: Path, folder: Path) -> Iterator[Peer]:
    """
    Give Torpor on a world.

    Args:
        steps: in which language they are.
        world: URL.
        place: the kind of world, for people.
        project: for steps in Node.
        folder: for the log.

    Raises:
        BenchmarkError: it does not start.
    """
    told = msgspec.json.encode(Application(world, steps, str(project))).decode()
    command = [sys.executable, "-m", "benchmarks.sdk.torpor_peer", told]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
    with _started(f"torpor-{steps}", place, "quickjs", "", command, environment, _ROOT, folder) as peer:
        yield peer


@contextmanager
def sdk(engine: Engine, postgres: str | None, folder: Path) -> Iterator[Peer]:
    """
    Give the SDK, on its local world or on Postgres.

    Args:
        engine: what runs its workflow code.
        postgres: URL of an empty database, None for the local world.
        folder: for the local world's files and the log.

    Raises:
        BenchmarkError: it cannot be installed, built or started.
    """
    project = sdk_project(on_postgres=postgres is not None)
    environment = os.environ | {"NODE_ENV": "production", "WORKFLOW_VM": engine, "WORKFLOW_TELEMETRY_DISABLED": "1"}
    if postgres is None:
        place, version = "sdk-local", SDK
        environment["WORKFLOW_LOCAL_DATA_DIR"] = str(folder / f"sdk-{engine}-data")
    else:
        place, version = "sdk-postgres", f"{SDK_ON_POSTGRES} with its world {WORLD_POSTGRES}"
        environment |= {"WORKFLOW_TARGET_WORLD": "@workflow/world-postgres", "WORKFLOW_POSTGRES_URL": postgres}
        _make_schema(project, environment)
    command = [node(), "--expose-gc", "server.mjs"]
    if engine == "quickjs" and _major_version() < 21:
        command.insert(1, _EXTENDED_CONSTANTS)
    with _started(f"sdk-{engine}", place, engine, version, command, environment, project, folder) as peer:
        yield peer


def _make_schema(project: Path, environment: Mapping[str, str]) -> None:
    script = project / "node_modules" / "@workflow" / "world-postgres" / "bin" / "setup.js"
    done = subprocess.run(
        [node(), str(script)], cwd=project, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"the SDK's world on Postgres cannot be set up: {done.stderr.strip()[-1000:]}")


def _major_version() -> int:
    told = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.strip().removeprefix("v").split(".")[0])


@contextmanager
def _started(
    name: str,
    place: str,
    engine: str,
    version: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    folder: Path,
) -> Iterator[Peer]:
    log = folder / f"{name}.log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words
        )
    peer = Peer(name, place, engine, version, process, log)
    try:
        peer.line(_START_SECONDS_MAX)  # which says that it is ready
        yield peer
    except PeerError as error:
        raise BenchmarkError(str(error)) from None
    finally:
        peer.close()
