"""``docs/telemetry.md``, followed in an empty directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.processes import Process
from tests.docs.pages import run_python, write_files

pytest.importorskip("opentelemetry.sdk", reason="needs torpor[otel] and the SDK")


def test_the_quick_start(tmp_path: Path) -> None:
    """The worker prints the spans, the innermost first, and the run is there as a tree."""
    assert write_files("telemetry.md", tmp_path) == ["traced.py"]
    start = ("-m", "torpor.cli", "start", "checkout", "o-1", "--app", "traced.py", "--run-id", "order-17")
    assert run_python(tmp_path, *start).stdout.strip() == "order-17"
    with Process(tmp_path, "worker", "traced.py") as worker:
        for name in ("ask the bank", "step.execute charge", "workflow.run checkout"):
            worker.wait_line(name)
    told = run_python(tmp_path, "-m", "torpor.cli", "trace", "order-17", "--app", "traced.py").stdout
    assert "run checkout  completed" in told
    assert "└─ step charge  completed" in told
