"""The Paxos store: one replication group as DynamoDB runs it, linearizable by a replicated log."""
