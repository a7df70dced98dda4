"""``torpor tick``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor

APP = """
from pathlib import Path

from torpor import Torpor, sleep

app = Torpor("sqlite:///ticks.db")


@app.workflow
async def naps() -> str:
    await sleep("1h")
    return "rested"


@app.wake
def wake(at, name):
    Path("woken").write_text(f"{name} {at.isoformat()}")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application whose world no worker has seen, as the working folder."""
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ticks_carry_a_run_to_its_end(torpor: Torpor, project: Path) -> None:
    """Each says when the next is due, and has asked for it."""
    assert torpor.ok("tick") == "0 runs went on; no tick is due before something comes from outside\n"
    assert not (project / "woken").exists()
    run = torpor.ok("start", "naps").strip()
    told = json.loads(torpor.ok("tick", "app.py", "--json"))
    assert (told["runs"], told["more"]) == (1, False)
    assert "0 runs went on; the next tick is due at 20" in torpor.ok("tick")
    assert (project / "woken").read_text().startswith("torpor-")
    torpor.ok("wake", run)
    assert torpor.ok("tick").startswith("1 run went on; no tick is due")


@pytest.mark.usefixtures("project")
def test_a_tick_refuses_what_cannot_be(torpor: Torpor) -> None:
    """A budget that is none, and a world that ends with the command."""
    refused = torpor("tick", "--budget", "soon")
    assert refused.exit_code == 2
    assert "tick(budget='soon')" in refused.stderr
    refused = torpor("tick", "--world", "memory://")
    assert refused.exit_code == 2
    assert "lives inside the process" in refused.stderr
