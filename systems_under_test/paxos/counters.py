"""What a replica has done in this life, counted: for its status, and for comparing runs."""

from __future__ import annotations

from typing import Final

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
    configurations_refused: int = 0
    slots_proposed: int = 0
    slots_recovered: int = 0
    holes_filled: int = 0
    slots_accepted: int = 0
    slots_applied: int = 0
    duplicates_answered: int = 0
    results_forgotten: int = 0
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


SENTENCES: Final = {
    "suspicions": "times that it had heard no leader for too long",
    "pre_votes_refused": "peers that asked whether it hears a leader, and were not encouraged",
    "elections_begun": "ballots of its own that it began",
    "elections_won": "ballots that it led",
    "stepped_down": "times that it stopped leading",
    "promises_given": "ballots that it promised to take part in, its own included",
    "promises_refused_by_lease": "times that a lease it had granted kept it from promising",
    "promises_refused_after_start": "times that its start or admission was too recent to promise",
    "rejections_sent": "messages of a ballot below its promise",
    "configurations_refused": "messages of an older configuration than it knows to be chosen",
    "slots_proposed": "values that it proposed as leader",
    "slots_recovered": "slots of earlier ballots that it proposed again",
    "holes_filled": "of these, slots for which nobody had accepted anything",
    "slots_accepted": "values of another leader that it accepted",
    "slots_applied": "slots that it applied to its state",
    "duplicates_answered": "commands that were carried out before, and were answered from memory",
    "results_forgotten": "of these, the ones whose result was kept no longer",
    "requests_refused": "requests refused for certain: malformed, too long, not for this node",
    "requests_below_window": "commands below the window of their session",
    "requests_of_another_body": "commands whose id had been used with another body",
    "transactions_refused": "commands refused as a whole by their own conditions",
    "sessions_expired": "sessions forgotten when the log had aged by their life",
    "reads_under_lease": "strong reads answered under the lease",
    "reads_confirmed": "strong reads answered after a quorum round",
    "reads_eventual": "reads answered from its own state",
    "forwards_sent": "requests passed on to the leader",
    "forwards_received": "requests carried out in another node's place",
    "forwards_repeated": "of those sent, the ones that had been sent before",
    "requests_timed_out": "requests given up without an answer",
    "gaps_seen": "messages of values that did not connect to what it held",
    "checkpoints": "times that it made its state durable",
    "slots_truncated": "slots dropped from the log",
    "snapshots_sent": "transfers of its state that it began",
    "snapshots_installed": "transfers of a state that it put in place",
    "snapshots_refused": "parts of a state that was no newer than its own",
    "releases_sent": "hand-overs that it began",
    "releases_taken": "leases that it had granted and was freed from",
    "releases_ignored": "releases that came twice, late, or of another ballot",
    "members_added": "members that it proposed to add",
    "members_removed": "members that it proposed to remove",
    "messages_not_understood": "messages of another protocol, or malformed",
    "objects_written": "segments and snapshots that it put into the archive",
    "objects_failed": "requests that the archive did not carry out",
    "scrubs": "rounds of the scrubber that it finished",
    "damage_found": "records that it found damaged",
    "restores": "restores from the archive that it carried out",
}
