"""The named bugs: switches that break the store on purpose, off unless they are named."""

from __future__ import annotations

from typing import Final

from systems_under_test.system import Bug

DROP_SIBLINGS: Final = "drop-siblings"
FORGET_HINTS: Final = "forget-hints"
DELETE_HINT_EARLY: Final = "delete-hint-early"
REUSE_DOT_AFTER_CRASH: Final = "reuse-dot-after-crash"
ACK_BEFORE_DURABLE: Final = "ack-before-durable"
CONTEXT_COLLAPSE: Final = "context-collapse"
QUORUM_LIE: Final = "quorum-lie"
STALE_ANTI_ENTROPY: Final = "stale-anti-entropy"
TRUNCATE_AT_TWO: Final = "truncate-at-two"
EARLY_TOMBSTONE_COLLECTION: Final = "early-tombstone-collection"
LWW: Final = "lww"
REUSE_DOT_AFTER_HANDOFF: Final = "reuse-dot-after-handoff"
JOIN_SERVES_EARLY: Final = "join-serves-early"
INCARNATION_BLIND: Final = "incarnation-blind"
DOUBLE_FORWARD: Final = "double-forward"
WHOLE_TOO_SOON: Final = "whole-too-soon"
NO_STAND_INS: Final = "no-stand-ins"
FORGET_WRITE_BACK: Final = "forget-write-back"

_BUGS = (
    Bug(
        name=DROP_SIBLINGS,
        sentence="A merge keeps only one of two concurrent versions.",
        finding="lost-update",
        workload="siblings",
        faults="none",
    ),
    Bug(
        name=FORGET_HINTS,
        sentence="Hints are kept in memory only, yet a copy kept as a hint counts toward W.",
        finding="lost-update",
        workload="siblings",
        needs={"n": 2, "r": 1, "w": 1, "anti_entropy": "off", "read_repair": "off"},
        faults="partition,kill",
        masked_by=("anti_entropy", "read_repair"),
    ),
    Bug(
        name=DELETE_HINT_EARLY,
        sentence="A hint is deleted when it has been sent, not when its owner has acknowledged it.",
        finding="lost-update",
        workload="siblings",
        needs={"n": 2, "r": 1, "w": 1, "anti_entropy": "off", "read_repair": "off"},
        faults="partition,link:lossy",
        masked_by=("anti_entropy", "read_repair"),
    ),
    Bug(
        name=REUSE_DOT_AFTER_CRASH,
        sentence="Dots are counted in memory and without the life of the node, so that they begin "
        "again at n1.1.1 after a crash.",
        finding="lost-update",
        workload="siblings",
        faults="kill",
    ),
    Bug(
        name=ACK_BEFORE_DURABLE,
        sentence="Writes are acknowledged before they are durable.",
        finding="lost-update",
        workload="siblings",
        faults="power@all",
    ),
    Bug(
        name=EARLY_TOMBSTONE_COLLECTION,
        sentence="Each node forgets its tombstones after a while, whoever has not heard of them.",
        finding="resurrection",
        workload="siblings",
        needs={"quorum": "strict"},
        faults="partition",
    ),
    Bug(
        name=CONTEXT_COLLAPSE,
        sentence="The reply to a write carries the context of all that its coordinator holds, so "
        "that the next write replaces versions that its client never saw.",
        finding="lost-update",
        workload="siblings",
        faults="none",
    ),
    Bug(
        name=QUORUM_LIE,
        sentence="A read is answered at the first reply, whatever R was declared.",
        finding="read-your-writes",
        workload="siblings",
        needs={"quorum": "strict"},
        faults="partition",
        masked_by=("read_repair", "anti_entropy"),
    ),
    Bug(
        name=STALE_ANTI_ENTROPY,
        sentence="Anti-entropy overwrites what a node holds instead of merging into it.",
        finding="lost-update",
        workload="siblings",
        needs={"quorum": "strict", "read_repair": "off"},
        faults="partition",
        masked_by=("read_repair",),
    ),
    Bug(
        name=LWW,
        sentence="That no write loses against one of long before is promised wherever clocks are "
        "set, though writes are ordered by wall clocks alone.",
        finding="lost-update",
        workload="siblings",
        needs={"reconciliation": "last-write-wins", "keys": 40},
        faults="clock:jump",
        upholds=("lost-update-by-time", "clock"),
    ),
    Bug(
        name=TRUNCATE_AT_TWO,
        sentence="Causal histories are cut to two entries, as the paper's are to ten, so that what "
        "was replaced is read beside its replacement.",
        finding="false-sibling",
        workload="siblings",
        needs={"versioning": "dotted"},
        faults="none",
    ),
    Bug(
        name=REUSE_DOT_AFTER_HANDOFF,
        sentence="Dots are counted by key, on from what the node holds of it, so that a stand-in "
        "that has handed a key off begins again at n1.1.1.",
        finding="lost-update",
        workload="siblings",
        faults="partition",
    ),
    Bug(
        name=JOIN_SERVES_EARLY,
        sentence="A node that is new to a range says that it has fetched it before it has.",
        finding="read-your-writes",
        workload="membership",
        needs={
            "quorum": "strict",
            "r": 1,
            "w": 3,
            "spares": 1,
            "read_repair": "off",
            "anti_entropy": "off",
        },
        faults="membership",
        masked_by=("read_repair", "anti_entropy"),
        nodes=6,
    ),
    Bug(
        name=INCARNATION_BLIND,
        sentence="Replicas know a write by the lowest number that is free in this life of its "
        "coordinator, so that an acknowledgement to an earlier life counts toward W.",
        finding="lost-update",
        workload="siblings",
        needs={
            "quorum": "strict",
            "n": 2,
            "r": 1,
            "w": 2,
            "anti_entropy": "off",
            "read_repair": "off",
            "replica_timeout_ms": 1000,
            "request_timeout_ms": 1200,
            "capacities": "n1=16,n2=16",
            "keys": 12,
            "reads": 40,
        },
        faults="kill:brief@n1,pause@n2,link:lossy@n1,link:lossy@n2",
        masked_by=("anti_entropy", "read_repair"),
    ),
    Bug(
        name=DOUBLE_FORWARD,
        sentence="A forward that is not answered soon is sent to another node too, which makes a "
        "second dot of the same put.",
        finding="false-sibling",
        workload="siblings",
        faults="link:slow",
    ),
    Bug(
        name=NO_STAND_INS,
        sentence="Nobody stands in for a home node that does not answer, though the quorum is "
        "declared sloppy.",
        finding="unavailable",
        workload="siblings",
        faults="partition",
    ),
    Bug(
        name=FORGET_WRITE_BACK,
        sentence="A read is answered at R, and what it shows is not written back.",
        finding="monotonic-reads",
        workload="sessions",
        needs={
            "quorum": "strict",
            "write_back": "on",
            "read_repair": "off",
            "anti_entropy": "off",
        },
        faults="partition",
        masked_by=("read_repair", "anti_entropy"),
    ),
    Bug(
        name=WHOLE_TOO_SOON,
        sentence="A node that starts over from its peers says that it is whole before it has "
        "fetched anything.",
        finding="lost-update",
        workload="siblings",
        needs={"quorum": "strict", "r": 1, "w": 3, "read_repair": "off", "anti_entropy": "off"},
        faults="disk:flip@n1",
        masked_by=("read_repair", "anti_entropy"),
    ),
)

BUGS: Final = {bug.name: bug for bug in _BUGS}
