"""``docs/frameworks.md``: its sites are made, and those of each kind place an order and are asked about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import run_python, write_files

MADE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name).site
"""

FASTAPI = """
from fastapi_site import site
from starlette.testclient import TestClient
with TestClient(site) as http:
    print(http.post("/orders/o-1").json(), http.post("/orders/none").status_code)
    told = http.post("/torpor/.well-known/workflow/v1/webhook/approval-o-1").status_code
    print(http.get("/torpor/ready").json(), http.get("/torpor/v1/runs").status_code)
"""

FLASK = """
from flask_site import mounted, site
http = site.test_client()
print(http.post("/orders/o-1").text, http.get("/torpor/ready").json, http.get("/torpor/v1/runs").status_code)
mounted.close()
"""


def test_every_site_is_made(tmp_path: Path) -> None:
    """Those of frameworks that are installed."""
    files = [name for name in write_files("frameworks.md", tmp_path) if name != "shop.py"]
    assert len(files) == 10  # Django's settings and views have no file of their own
    names = [name.removesuffix(".py") for name in files]
    there = [name for name in names if _is_installed(name.partition("_")[0])]
    done = run_python(tmp_path, "-c", MADE, *there)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("asked", [FASTAPI, FLASK])
def test_a_site_is_served_as_shown(tmp_path: Path, asked: str) -> None:
    """It starts a run, and answers below the prefix."""
    pytest.importorskip("fastapi" if asked is FASTAPI else "flask", reason="not installed: pip install -e '.[dev]'")
    write_files("frameworks.md", tmp_path)
    done = run_python(tmp_path, "-c", asked)
    assert done.returncode == 0, done.stderr
    assert "o-1" in done.stdout
    assert done.stdout.rstrip().endswith("{'status': 'ok'} 401")


def _is_installed(name: str) -> bool:
    try:
        __import__(name)
    except ModuleNotFoundError:
        return False
    return True
