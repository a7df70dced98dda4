"""The page of errors has every code, and no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from torpor import errors

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| (`\w+`(?:, `\w+`)*) \|$", re.MULTILINE)


def test_all_codes_are_there() -> None:
    """Each class of errors stands beside its code."""
    told = {name.strip("`"): code for code, names in ROW.findall(PAGE) for name in names.split(", ")}
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.TorporError)]
    assert told == {each.__name__: each.code for each in classes}


def test_codes_of_failed_runs_are_explained() -> None:
    """What a failed run may tell has a line that says what to do."""
    _, _, section = PAGE.partition("## Why a run failed")
    table = section.partition("## ")[0]
    codes = "USER_ERROR LIMIT_EXCEEDED DEADLINE_EXCEEDED NOT_ALLOWED MAX_DELIVERIES_EXCEEDED RUNTIME_ERROR"
    for code in codes.split():
        assert table.count(f"| `{code}` |") == 1
