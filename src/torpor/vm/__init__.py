"""Snapshotable WebAssembly. Knows nothing of runs or worlds."""
