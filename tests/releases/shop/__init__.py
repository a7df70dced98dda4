"""A small shop, whose runs are recorded once per release and go on in every later one."""
