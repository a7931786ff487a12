"""Figures of the bundled systems: how much they carry, live and simulated, and where time goes."""
