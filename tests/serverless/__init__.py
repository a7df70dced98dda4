"""Runs in processes that live only for a moment."""
