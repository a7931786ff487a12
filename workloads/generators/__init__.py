"""Generators: immutable values that say which operation comes next."""
