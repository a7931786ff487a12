"""What replicas owe each other: siblings by their causal contexts, convergence, staleness."""
