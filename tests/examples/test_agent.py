"""The example of an agent, as users run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_an_agent_survives_and_pays_once(tmp_path: Path) -> None:
    """Its worker is killed twice, its model once; each answer is asked for once, also by a fork."""
    command = [sys.executable, "-m", "examples.agent.demo", "--folder", str(tmp_path / "demo")]
    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)

    assert played.returncode == 0, played.stdout + played.stderr
    assert played.stdout.count("killed (SIGKILL)") == 3
    assert "the model's book has 5 requests, each once; one report was published" in played.stdout
    assert re.search(r"of these paid for *│ 4 *│ 1 *│", played.stdout)
    assert max(map(len, played.stdout.splitlines()[-20:])) <= 80
