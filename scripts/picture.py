"""
Takes the README's picture: a moment in the life of one of the demo's orders, as a browser shows it.

    make demo
    .venv/bin/python scripts/picture.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.http.pages.browser import Browser, find_browser  # noqa: E402  # the checkout is found by now

WIDTH, HEIGHT = 1_200, 940
ORDERS = "/?workflow=workflow%2F%2F.%2Fapp.py%2F%2Fcheckout"
OLDEST = "[...document.querySelectorAll('.runs .run > a')].at(-1).href"
HALFWAY = "Math.round(document.getElementById('at').max * 0.6)"


def main() -> None:
    """Serve the demo's pages, travel to the middle of its first order in Python, and keep the picture."""
    parser = argparse.ArgumentParser(description="Picture a page of the demo for the README.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="of the demo (.demo)")
    parser.add_argument("--to", type=Path, default=ROOT / "docs/pictures/pages.png", help="where the picture goes")
    arguments = parser.parse_args()
    program = find_browser()
    if program is None:
        sys.exit("scripts/picture.py: there is no browser: install chromium, or name one in TORPOR_TEST_BROWSER")
    command = [sys.executable, "-m", "torpor.cli", "web", "--world", "sqlite:///torpor.db"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=arguments.folder) as server,
        Browser(program) as browser,
    ):
        assert server.stdout is not None, "it is a pipe"
        link = next(line for line in server.stdout if line.startswith("open once ")).split()[2]
        browser.size(WIDTH, HEIGHT)
        browser.theme("light")
        browser.open(link)
        browser.open(link.partition("/dev/")[0] + ORDERS)
        run = f"{browser.script(OLDEST)}/travel"
        browser.open(run)
        browser.open(f"{run}?at={browser.script(HALFWAY)}&since=6")
        browser.picture(arguments.to, whole=False)
        server.terminate()


if __name__ == "__main__":
    main()
