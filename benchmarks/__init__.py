"""
Benchmarks, with one definition for this engine and for others; see ``docs/benchmarks.md``.

``python -m benchmarks --list`` tells their names. Each is a module here with one function, ``run(setting) -> rows``.
"""
