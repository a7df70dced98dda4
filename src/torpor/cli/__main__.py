"""``python -m torpor.cli …`` is ``torpor …``."""

from torpor.cli import main

main()
