"""Makes those pages of docs/ that say what the code says: python -m docs.generator."""
