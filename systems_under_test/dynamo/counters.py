"""What a node has done in this life, counted: for its status, for coverage, for comparing runs."""

from __future__ import annotations

from typing import Final

import msgspec


class Counters(msgspec.Struct):
    """Each field counts one kind of event."""

    reads: int = 0
    writes: int = 0
    reads_failed: int = 0
    writes_failed: int = 0
    refused: int = 0
    sloppy_writes: int = 0
    stand_ins_asked: int = 0
    forwards_sent: int = 0
    forwards_received: int = 0
    forwards_doubled: int = 0
    writes_to_fastest: int = 0
    hints_stored: int = 0
    hints_delivered: int = 0
    read_repairs_sent: int = 0
    read_repairs_local: int = 0
    written_back: int = 0
    siblings_read: int = 0
    digest_rounds_equal: int = 0
    digest_rounds_different: int = 0
    branches_walked: int = 0
    keys_exchanged: int = 0
    tombstones_collected: int = 0
    late_messages_dropped: int = 0
    clocks_cut: int = 0
    writes_buffered: int = 0
    buffer_flushes: int = 0
    peers_left_out: int = 0
    peers_back: int = 0
    gossip_rounds: int = 0
    views_seen: int = 0
    transfers_begun: int = 0
    transfers_confirmed: int = 0
    changes_ended: int = 0
    other_views_met: int = 0
    ranges_gained: int = 0
    pages_pulled: int = 0
    keys_transferred: int = 0
    keys_relocated: int = 0
    keys_given_up: int = 0
    background_deferred: int = 0
    messages_not_understood: int = 0


SENTENCES: Final = {
    "reads": "reads that this node has coordinated and answered",
    "writes": "writes that it has coordinated and acknowledged",
    "reads_failed": "reads of which R answers did not come in time",
    "writes_failed": "writes of which W copies, or the coordinator's answer, did not come in time",
    "refused": "requests refused for certain: malformed, too long, or too few nodes up",
    "sloppy_writes": "writes of which a stand-in was given a copy",
    "stand_ins_asked": "stand-ins asked because a node had not answered in time",
    "forwards_sent": "writes passed on to a node that may coordinate them",
    "forwards_received": "writes coordinated in another node's place",
    "forwards_doubled": "forwards that came twice, and were taken once",
    "writes_to_fastest": "writes passed on to the node that had read fastest for their client",
    "hints_stored": "copies kept as hints for home nodes that did not answer",
    "hints_delivered": "hints that their owner has acknowledged",
    "read_repairs_sent": "home nodes that were sent what their answer to a read had lacked",
    "read_repairs_local": "own copies that a read has brought up to date",
    "written_back": "copies made of what a read shows before it is answered",
    "siblings_read": "reads that returned more than one version",
    "digest_rounds_equal": "comparisons with a peer that found nothing to exchange",
    "digest_rounds_different": "comparisons with a peer that found differing ranges",
    "branches_walked": "branches of Merkle trees that differed and were walked into",
    "keys_exchanged": "keys that anti-entropy has brought up to date here",
    "tombstones_collected": "tombstones forgotten after every node had confirmed them",
    "late_messages_dropped": "messages older than a fence of the collection of tombstones",
    "clocks_cut": "causal histories of new versions that were cut: vector clocks, to ten entries",
    "writes_buffered": "new versions that waited in the write buffer",
    "buffer_flushes": "times that the writer stored what had waited",
    "peers_left_out": "times that a peer was left out because it did not answer",
    "peers_back": "times that a peer answered again",
    "gossip_rounds": "times that views were exchanged with some peer",
    "views_seen": "views that this node has come to",
    "transfers_begun": "of these, those in which ranges begin to move",
    "transfers_confirmed": "those in which everything has been fetched, and reads ask the new home",
    "changes_ended": "those that end a change: only the new home counts, or the old one again",
    "other_views_met": "messages of another view, which were not taken",
    "ranges_gained": "ranges that it was new to in a change of members",
    "pages_pulled": "pages of such ranges that it has asked for",
    "keys_transferred": "keys that they have brought up to date here",
    "keys_relocated": "keys that it keeps no more, made into hints for those who do",
    "keys_given_up": "keys forgotten because it was removed, or came anew",
    "background_deferred": "steps of background work put off because requests were slow",
    "messages_not_understood": "messages of another protocol, or malformed; dropped",
}
"""What each counter counts."""
