"""The workflows that are measured, in each language: files of one name do the same work."""
