"""Dockerfiles, beside the code that builds them."""
