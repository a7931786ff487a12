"""What a replica has done in this life, counted: for its status, and for comparing runs."""

from __future__ import annotations

import msgspec


class Counters(msgspec.Struct):
    """Each field counts one kind of event."""

    suspicions: int = 0
    pre_votes_refused: int = 0
    elections_begun: int = 0
    elections_won: int = 0
    stepped_down: int = 0
    promises_given: int = 0
    promises_refused_by_lease: int = 0
    promises_refused_after_start: int = 0
    rejections_sent: int = 0
    slots_proposed: int = 0
    slots_recovered: int = 0
    holes_filled: int = 0
    slots_accepted: int = 0
    slots_applied: int = 0
    duplicates_answered: int = 0
    requests_refused: int = 0
    requests_below_window: int = 0
    requests_of_another_body: int = 0
    transactions_refused: int = 0
    sessions_expired: int = 0
    reads_under_lease: int = 0
    reads_confirmed: int = 0
    reads_eventual: int = 0
    forwards_sent: int = 0
    forwards_received: int = 0
    forwards_repeated: int = 0
    requests_timed_out: int = 0
    gaps_seen: int = 0
    checkpoints: int = 0
    slots_truncated: int = 0
    snapshots_sent: int = 0
    snapshots_installed: int = 0
    snapshots_refused: int = 0
    releases_sent: int = 0
    releases_taken: int = 0
    releases_ignored: int = 0
    members_added: int = 0
    members_removed: int = 0
    messages_not_understood: int = 0
    objects_written: int = 0
    objects_failed: int = 0
    scrubs: int = 0
    damage_found: int = 0
    restores: int = 0
