"""The room integrations."""
