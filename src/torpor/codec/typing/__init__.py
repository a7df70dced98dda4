"""Values as the annotations of functions want them."""
