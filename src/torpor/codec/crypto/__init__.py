"""Keys, and what a run's payloads go through when it has one."""
