"""``python -m torpor.sdk steps|world``: prints where the npm package ``@torpor/steps``, or ``torpor-world``, is."""

from __future__ import annotations

import sys
from typing import Final

from torpor.programs.javascript.sdk_project import npm_package

PACKAGES: Final = ("steps", "world")

if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in PACKAGES]:
        sys.exit("usage: python -m torpor.sdk steps|world\n\nprints where the package is, for npm install and pack")
    sys.stdout.write(f"{npm_package(sys.argv[1])}\n")
