"""Tests of time travel: moments of a run's past, and forks."""
