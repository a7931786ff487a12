"""A cluster in one Python process: one seed, virtual time, and every fault on demand."""
