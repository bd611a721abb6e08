"""What can be wrong with a box: one list of checks, which everything that tells it reads."""
