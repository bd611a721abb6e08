"""The embedded development chain: a local node with the alarm clock's contracts deployed."""
