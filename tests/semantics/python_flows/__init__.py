"""Workflows of what only Python has."""
