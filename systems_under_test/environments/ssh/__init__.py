"""Nodes on machines that are reached by SSH, cut from each other by the kernel's packet filter."""
