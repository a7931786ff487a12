"""The names of the bugs: switches that break the store on purpose, off unless they are named."""

from __future__ import annotations

from typing import Final

PROMISE_NOT_DURABLE: Final = "promise-not-durable"
ACCEPTS_BELOW_PROMISE: Final = "accepts-below-promise"
SKIPS_HIGHEST_ACCEPTED: Final = "skips-highest-accepted"
HALF_QUORUM: Final = "half-quorum"
DEPOSED_LEADER_READS: Final = "deposed-leader-reads"
LEASE_IGNORES_DRIFT: Final = "lease-ignores-drift"
VOTES_RIGHT_AFTER_RESTART: Final = "votes-right-after-restart"
SERVES_BEFORE_NOOP: Final = "serves-before-noop"
LATE_ACK_REVIVES_LEASE: Final = "late-ack-revives-lease"
ACKS_BEFORE_QUORUM: Final = "acks-before-quorum"
APPLIES_PAST_HOLE: Final = "applies-past-hole"
SNAPSHOT_OVER_NEWER: Final = "snapshot-over-newer"
DUPLICATE_APPLIED_TWICE: Final = "duplicate-applied-twice"
ELECTS_WHILE_HEALTHY: Final = "elects-while-healthy"
CHECKSUM_IGNORED: Final = "checksum-ignored"
AMNESIAC_VOTES: Final = "amnesiac-votes"
LOG_REPLICA_COUNTS_EARLY: Final = "log-replica-counts-early"
EVENTUAL_READS_UNCHOSEN: Final = "eventual-reads-unchosen"
TRUNCATES_TOO_EARLY: Final = "truncates-too-early"
