"""Jobs: a condition that is read with every block, and an action for when it is true."""
