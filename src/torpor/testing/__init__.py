"""What tests of Torpor, and of applications and worlds made with it, can use."""
