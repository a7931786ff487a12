"""Benchmarks: what is measured, on which machine, at which commit. `make bench` runs them."""
