"""Two versions of one application, rolled out one over the other."""
