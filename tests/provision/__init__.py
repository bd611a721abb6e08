"""provision/ on a box of its own: a real Debian with systemd in namespaces (machine.py)."""
