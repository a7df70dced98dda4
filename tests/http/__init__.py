"""The front door on HTTP."""
