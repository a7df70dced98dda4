"""The workflows, in each language: files of one name do the same."""
