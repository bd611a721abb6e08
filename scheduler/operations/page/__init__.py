"""The status page: the box at a glance, and each intent's story, for a browser; it only looks."""
