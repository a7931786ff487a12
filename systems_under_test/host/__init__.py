"""Runs a bundled replica as a real process: sockets, disk, clocks, HTTP for clients."""
