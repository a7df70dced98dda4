"""From an application's sources to programs: a builder for each guest language, and the catalogue of what was made."""
