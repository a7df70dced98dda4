"""
Runs CPython's own tests inside the Python guest: ``make conformance``.

``testsuite.py`` gets Lib/test of a CPython, ``modules.py`` says which of its modules are run, ``inside.py`` runs the
tests of one of them within a workflow, ``driver.py`` is the host of that workflow, and ``expected.py`` compares what
came out with what is expected: the failures listed in ``expected/``, by name and reason.
"""
