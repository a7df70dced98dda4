"""Doors for code that was written for other engines: change an import, and it runs here."""
