"""The tests of the package scheduler."""
