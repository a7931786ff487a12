"""Nodes as processes on 127.0.0.1, each directed link through the harness's own proxy."""
