"""What must hold of a history whatever the model: sets, counts, recovery."""
