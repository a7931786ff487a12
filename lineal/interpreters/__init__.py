"""Drives generators: against real nodes in real time, or against the simulation in virtual time."""
