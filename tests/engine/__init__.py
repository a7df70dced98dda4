"""Runs from end to end: real VMs, real worlds, real workers."""
