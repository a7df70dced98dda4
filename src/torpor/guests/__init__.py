"""The guest languages: of each the half that drives it in a VM, and the half that runs inside (``bootstrap/``)."""
