"""An application whose runs start runs."""
