"""``docs/frameworks.md``: its sites are made, one is served, and one is tested."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import run_python, write_files

MADE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name).site
"""

FLASK = """
from flask_site import mounted, site
http = site.test_client()
print(http.post("/orders/o-1").text, http.get("/torpor/ready").json, http.get("/torpor/v1/runs").status_code)
mounted.close()
"""


def test_every_site_is_made(tmp_path: Path) -> None:
    """Those of frameworks that are installed."""
    files = [
        name for name in write_files("frameworks.md", tmp_path) if name.endswith("_site.py") and name != "test_site.py"
    ]
    assert len(files) == 10  # Django's settings and views have no file of their own
    names = [name.removesuffix(".py") for name in files]
    there = [name for name in names if _is_installed(name.partition("_")[0])]
    done = run_python(tmp_path, "-c", MADE, *there)
    assert done.returncode == 0, done.stderr


def test_a_site_is_served_as_shown(tmp_path: Path) -> None:
    """It starts a run, and answers below the prefix."""
    pytest.importorskip("flask", reason="not installed: pip install -e '.[dev]'")
    write_files("frameworks.md", tmp_path)
    done = run_python(tmp_path, "-c", FLASK)
    assert done.stdout == "o-1 {'status': 'ok'} 401\n", done.stderr


@pytest.mark.long
def test_a_site_is_tested_as_shown(tmp_path: Path) -> None:
    """On the event loop of the testbed, in time that skips."""
    pytest.importorskip("fastapi", reason="not installed: pip install -e '.[dev]'")
    write_files("frameworks.md", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.torpor]\napp = "shop.py"\n')
    done = run_python(tmp_path, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "test_site.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def _is_installed(name: str) -> bool:
    try:
        __import__(name)
    except ModuleNotFoundError:
        return False
    return True
