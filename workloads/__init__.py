"""What is asked: generators of operations, the client codec, and one file for each workload."""
