"""An application in both languages, whose runs start one another."""
