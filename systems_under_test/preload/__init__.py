"""Moves the wall clock of programs that know nothing of us: a library loaded before their own."""
