"""``npm install "$(python -m torpor.sdk)"``: prints where the npm package ``torpor-world`` is."""

from __future__ import annotations

import sys

from torpor.programs.javascript.sdk_project import npm_package

if __name__ == "__main__":
    sys.stdout.write(f"{npm_package('world')}\n")
