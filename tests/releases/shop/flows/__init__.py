"""The workflows; the files of one name do the same in each language."""
