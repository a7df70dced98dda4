"""Torpor inside other frameworks and platforms, one file each."""
