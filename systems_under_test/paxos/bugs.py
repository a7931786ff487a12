"""The named bugs of the Paxos store, off unless they are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos import names
from systems_under_test.system import Bug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.findings import FindingKind


def _bug(
    name: str,
    sentence: str,
    *,
    faults: str,
    finding: FindingKind = "not-linearizable",
    needs: Mapping[str, Any] | None = None,
    workload: str = "register",
    environments: tuple[str, ...] = ("simulated", "local"),
    masked_by: tuple[str, ...] = (),
    nodes: int | None = None,
) -> Bug:
    return Bug(
        name=name,
        sentence=sentence,
        finding=finding,
        workload=workload,
        needs=needs or {},
        faults=faults,
        environments=environments,
        masked_by=masked_by,
        nodes=nodes,
    )


_BUGS: Final = (
    Bug(
        name=names.ELECTS_WHILE_HEALTHY,
        sentence="A follower that hears no leader begins a ballot without asking the others.",
        finding=None,
        found_by="the counter of elections behind one cut link (tests of availability)",
        workload="register",
        faults="partition",
    ),
    _bug(
        names.PROMISE_NOT_DURABLE,
        "Promises and accepted values are said before they are durable.",
        faults="power@all",
        environments=("simulated",),
    ),
    _bug(
        names.ACCEPTS_BELOW_PROMISE,
        "An acceptor accepts values of a ballot below its promise.",
        faults="partition:one-node",
        needs={"step_down": "off"},
        masked_by=("step_down",),
    ),
    _bug(
        names.SKIPS_HIGHEST_ACCEPTED,
        "A new leader proposes what it has accepted itself, not what the highest ballot had.",
        faults="partition,kill",
    ),
    _bug(
        names.HALF_QUORUM,
        "Half of the members, rounded down, are taken for a quorum.",
        faults="partition",
    ),
    _bug(
        names.DEPOSED_LEADER_READS,
        "A leader reads for as long as it has not heard of another one.",
        faults="partition,pause",
        needs={"step_down": "off", "request_timeout_ms": 300, "keys": 1},
        masked_by=("step_down",),
        nodes=5,
    ),
    _bug(
        names.LEASE_IGNORES_DRIFT,
        "The leader counts its lease as long as the grantors do, whatever the clocks' drift.",
        faults="clock:slow@n1,partition:one-node@n1",
        needs={
            "lease_ms": 1_500,
            "handover_every_ms": 2_500,
            "request_timeout_ms": 200,
            "keys": 1,
        },
        nodes=5,
    ),
    _bug(
        names.VOTES_RIGHT_AFTER_RESTART,
        "A replica votes at once after a start, although it may have granted a lease before.",
        faults="kill@n2+n3+n4,partition:one-node@n1",
        needs={"lease_ms": 10_000, "request_timeout_ms": 300, "keys": 1},
        nodes=5,
    ),
    _bug(
        names.SERVES_BEFORE_NOOP,
        "A new leader reads before it has applied what was acknowledged before its time.",
        faults="partition,kill",
    ),
    _bug(
        names.LATE_ACK_REVIVES_LEASE,
        "An answer to an earlier renewal that comes after the hand-over revives the lease.",
        faults="link:slow",
        needs={"handover_every_ms": 500, "keys": 1, "swaps": 0},
    ),
    _bug(
        names.ACKS_BEFORE_QUORUM,
        "A write is acknowledged once the leader alone holds it.",
        faults="partition,kill",
    ),
    _bug(
        names.APPLIES_PAST_HOLE,
        "A replica that misses a slot takes it for applied, and applies the ones behind it.",
        faults="link:lossy,kill",
    ),
    _bug(
        names.SNAPSHOT_OVER_NEWER,
        "A snapshot that arrives late replaces a newer state.",
        faults="link:slow,kill",
        needs={"checkpoint_slots": 5, "handover_every_ms": 700},
        workload="list-append",
    ),
    _bug(
        names.DUPLICATE_APPLIED_TWICE,
        "A command that the log holds twice is applied twice.",
        faults="link:duplicate",
    ),
    _bug(
        names.CHECKSUM_IGNORED,
        "Nobody looks at checksums: a record with a flipped bit is taken for what was written.",
        faults="disk:flip@minority",
        needs={"handover_every_ms": 500},
        workload="list-append",
        environments=("simulated",),
    ),
    _bug(
        names.AMNESIAC_VOTES,
        "A replica that lost its disk votes on under its old id.",
        faults="disk:lost@majority,partition",
    ),
    _bug(
        names.LOG_REPLICA_COUNTS_EARLY,
        "A log replica takes a failed voter's place in one step, before it holds the log.",
        faults="kill,partition",
        needs={"log_replicas": 2, "replace_after_ms": 500},
        nodes=5,
    ),
    _bug(
        names.EVENTUAL_READS_UNCHOSEN,
        "An eventual read answers from values that are accepted and may never be chosen.",
        faults="partition",
        finding="wrong-slot",
        workload="eventual-reads",
    ),
    _bug(
        names.TRUNCATES_TOO_EARLY,
        "Slots are dropped from the log before any snapshot holds them.",
        faults="kill",
        workload="list-append",
    ),
)

BUGS: Final = {bug.name: bug for bug in _BUGS}
