"""The atomic store: a single durable copy. Every checker must pass it, and find its bugs."""
