"""``docs/serverless.md``, followed in an empty directory."""

from __future__ import annotations

import json
from pathlib import Path

from tests.docs.pages import run_python, write_files

BOTO = """
class _Scheduler:
    class exceptions:
        class ConflictException(Exception):
            pass

    def create_schedule(self, **asked):
        print(asked["Name"], asked["ScheduleExpression"], asked["Target"]["Arn"])
        raise self.exceptions.ConflictException


def client(name):
    return _Scheduler()
"""
"""As far as the page uses it."""

CALL = """
import os
os.environ |= {"TICK_ARN": "arn:tick", "TICK_ROLE_ARN": "arn:role"}
import function


class Context:
    def get_remaining_time_in_millis(self):
        return 30_000


print(function.handler({}, Context()))
"""


def test_the_quick_start_runs_as_pasted(tmp_path: Path) -> None:
    """Two ticks of a run that sleeps, and the same as a function on Lambda."""
    assert write_files("serverless.md", tmp_path) == ["reminders.py", "function.py"]

    def torpor(*arguments: str) -> str:
        done = run_python(tmp_path, "-m", "torpor.cli", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    torpor("start", "remind", "water", "--app", "reminders.py")
    first = torpor("tick", "reminders.py")
    assert first.startswith("in a day: water\n1 run went on; the next tick is due at ")
    again = json.loads(torpor("tick", "reminders.py", "--json"))
    assert (again["runs"], again["more"]) == (0, False)
    timers = (tmp_path / "timers.txt").read_text().splitlines()
    assert len(timers) == 2
    assert len(set(timers)) == 1
    (tmp_path / "boto3.py").write_text(BOTO)
    (tmp_path / "call.py").write_text(CALL)
    done = run_python(tmp_path, "call.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == timers[0].split()[0]
    assert " at(20" in done.stdout
    assert "'runs': 0" in done.stdout
