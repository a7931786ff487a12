"""Where nodes exist: the same verbs in a deterministic simulation and on real processes."""
