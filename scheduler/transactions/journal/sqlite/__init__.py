"""The journal in a file of this box."""
