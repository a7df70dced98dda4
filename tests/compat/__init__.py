"""Code that was written for other engines, and runs here."""
