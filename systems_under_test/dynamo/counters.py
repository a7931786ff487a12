"""What a node has done in this life, counted: for its status, for coverage, for comparing runs."""

from __future__ import annotations

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
    hints_stored: int = 0
    hints_delivered: int = 0
    read_repairs_sent: int = 0
    read_repairs_local: int = 0
    siblings_read: int = 0
    digest_rounds_equal: int = 0
    digest_rounds_different: int = 0
    branches_walked: int = 0
    keys_exchanged: int = 0
    tombstones_collected: int = 0
    late_messages_dropped: int = 0
    writes_buffered: int = 0
    buffer_flushes: int = 0
    peers_left_out: int = 0
    peers_back: int = 0
    gossip_rounds: int = 0
    messages_not_understood: int = 0
