"""The demo of programs that a model writes."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.test_architecture import ROOT


def test_the_demo_shows_what_it_says() -> None:
    """What the person has approved is paid, once; two hostile programs are stopped, and a neighbour goes on."""
    command = [sys.executable, "-m", "examples.tenants.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "result   T-1: refunded; T-2: declined" in said
    assert "ledger   [('T-1', 1900)]" in said
    assert re.search(r"stopped  NOT_ALLOWED: .*asks for step step//\./app\.py//pay_out", said)
    assert re.search(r"stopped  QUOTA_EXCEEDED: .*quota cpu_per_turn", said)
    assert "beside it a program of the same model went on: []" in said
    assert "The ledger is as the person wanted it: True." in said
    assert re.search(r"4 runs, \d+ steps", said)
