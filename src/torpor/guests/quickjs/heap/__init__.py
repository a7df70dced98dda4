"""The heap of a QuickJS VM, read from outside: which functions wait, for what, and what they hold (0074)."""
