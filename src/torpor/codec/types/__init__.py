"""What the format can carry beyond JSON: a table for each family of types."""
