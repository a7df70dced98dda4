"""The SDK's benchmarks: what they are, what is told of them, and one of them with the SDK itself beside Torpor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.npm import NpmError, packages
from benchmarks.harness.rows import Report, Row
from benchmarks.harness.setting import Setting
from benchmarks.sdk import compared, figures
from benchmarks.sdk.definitions import Sample, definitions
from benchmarks.sdk.figures import Measured
from tests.sdk.installed import VERSIONS, modules

ROOT = Path(__file__).parent.parent.parent


class FakePeer:
    """What a figure needs to know of a peer."""

    def __init__(self, name: str, version: str = "") -> None:
        self.name, self.version = name, version
        self.place, self.engine = "sqlite", "quickjs"
        self.is_torpor = not version


def test_there_are_the_21_with_their_waits() -> None:
    """Their names differ; a factor shortens the waits of steps and nothing else."""
    whole, short = definitions(), definitions(0.1)
    assert len({each.name for each in whole}) == len(whole) == 21
    waits = {each.name: each.waits_ms for each in whole}
    assert [waits[f"{steps} sequential steps"] for steps in (10, 25, 50)] == [10_000, 12_500, 10_000]
    assert waits["Promise.race 50"] == 1_000
    assert [each.waits_ms for each in short[-4:]] == [each.waits_ms for each in whole[-4:]]
    assert [each.expects for each in short] == [each.expects for each in whole]


def test_a_result_counts_only_when_it_is_the_expected_one() -> None:
    """Values are compared, and streams by what they carry."""
    plain, stream = definitions()[0], definitions()[-1]
    assert plain.is_met_by(Sample(value=42))
    assert not plain.is_met_by(Sample(value=43))
    assert not stream.is_met_by(Sample(bytes=13, sha256="0" * 64))


def test_ratios_are_of_what_is_beyond_the_ideal() -> None:
    """The best of the SDK's runtimes counts, by its median."""
    definition = definitions()[1]
    ours, slow, quick = FakePeer("torpor-python"), FakePeer("sdk-quickjs", "5"), FakePeer("sdk-node", "5")
    by_peer = [
        ((ours, "snapshot"), [Sample(wall_ms=wall) for wall in (1002, 1005, 1030)]),
        ((slow, None), [Sample(wall_ms=1500)]),
        ((quick, None), [Sample(wall_ms=1060)]),
    ]
    rows = figures.rows_of([Measured("sqlite", definition, 1000, by_peer)])  # type: ignore[arg-type]  # fakes
    ratio = next(row for row in rows if row.name == "ratio")
    assert ratio.median == pytest.approx(60 / 5)
    assert ratio.budget is not None
    assert ratio.budget.met
    assert [row.median for row in rows if row.name == "overhead"] == [5, 500, 60]


def test_an_unknown_word_is_told_what_there_is() -> None:
    """Before anything is started."""
    with pytest.raises(BenchmarkError, match="--only 'lua' is no peer, no world and in no benchmark's name"):
        compared.run(Setting(only=("lua",)))


def test_without_npm_the_error_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever has Node alone learns what is missing, and for what."""
    fake = tmp_path / "bin" / "node"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho v22.0.0\n", "utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("TORPOR_NODE", str(fake))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("TORPOR_CACHE", str(tmp_path))
    with pytest.raises(NpmError, match="there is no npm, which installs workflow@1 here"):
        packages("sdk", "workflow@1")


def test_torpor_and_the_sdk_run_one_side_by_side() -> None:
    """Each peer's figures are there, and the ratio of the two."""
    modules(VERSIONS["5"])
    words = ("no steps", "torpor-python", "sdk-node", "sqlite")
    command = [sys.executable, "-m", "benchmarks", "sdk", "--quick", "--json", "--runtime", "snapshot"]
    command += [argument for word in words for argument in ("--only", word)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=Report)
    assert {_who(row) for row in report.rows if row.name == "overhead"} == {"torpor-python", "sdk-node"}
    assert [row.world for row in report.rows if row.name == "ideal"] == ["sqlite"]
    assert [row.params["peer"] for row in report.rows if row.budget] == ["torpor-python"]


def _who(row: Row) -> str:
    return str(row.params["peer"])
