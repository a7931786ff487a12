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
        environments=("simulated",),
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
        sentence="The first node stamps its writes by a clock that is an hour ahead, so that later "
        "writes of others lose against them.",
        finding="lost-update",
        workload="siblings",
        needs={"reconciliation": "last-write-wins"},
        faults="none",
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
)

BUGS: Final = {bug.name: bug for bug in _BUGS}
