"""
Programs that mean harm, as tenants' texts: what becomes of each, and whether anybody beside it notices.

``python -m tests.hostile`` runs them all and prints a table; ``test_hostile.py`` runs some.
"""
