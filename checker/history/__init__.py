"""What was asked and answered: events, operations, columns, their file format and its notation."""
