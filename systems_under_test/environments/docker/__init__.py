"""Nodes as containers on one bridge with static addresses, cut by the kernel."""
