"""What one client is owed by the answers to its own earlier operations."""
