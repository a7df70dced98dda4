"""
Whole worlds in virtual time: clients, workers and their VMs, steps, and all that may go wrong, told by a seed.

``python -m torpor.testing.simulation --seeds 10000`` runs many; :func:`simulate` runs one.
"""

from torpor.testing.simulation.scenario import Outcome, simulate

__all__ = ["Outcome", "simulate"]
