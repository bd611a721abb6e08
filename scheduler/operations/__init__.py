"""For the operator: what a box did and does."""
