"""The turn and what surrounds it. Knows guests and worlds by protocol only."""
