"""What the node says: connection, heads and reorgs, block time, pinned reads, simulation."""
