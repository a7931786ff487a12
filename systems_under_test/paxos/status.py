"""What a replica shows of itself: `/status` and `/dump`. Looking changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.paxos.configuration import MS
from systems_under_test.paxos.messages import NO_BALLOT
from systems_under_test.paxos.state_machine import VALUES

if TYPE_CHECKING:
    from systems_under_test.paxos.node import Node
    from systems_under_test.paxos.step import Step

DUMP_BYTES: Final = 4 << 20
"""A page of a dump ends with the row that has it reach so many bytes of keys and values."""


def ready(node: Node, step: Step) -> bool:
    """Whether requests that are taken in here can be expected to be carried out."""
    if node.leadership is not None:
        return node.leadership.ready and node.leadership.has_lease(step)
    knows_time = node.learner.time > 0 or not node.stores  # A command carries the log's time.
    return knows_time and node.leader != NO_BALLOT and node.election.hears_leader(step.mono)


def status(node: Node, step: Step) -> dict[str, Any]:
    """How the node is: everything that quiescence is judged by, and what it has counted."""
    newest, leadership = node.groups.newest, node.leadership
    return {
        "node": node.name,
        "incarnation": node.incarnation,
        "nodes": list(node.nodes),
        "bug": node.bug,
        "options": options(node),
        "role": "leader" if leadership is not None else "follower",
        "ready": ready(node, step),
        "lease_left_ms": leadership.lease_left(step) / MS if leadership is not None else 0,
        "leader": node.leader.node or None,
        "ballot": list(node.leader),
        "promised": list(node.acceptor.promised),
        "replica": node.acceptor.replica,
        "no_vote": node.acceptor.why_no_vote(),
        "stores": node.stores,
        "damage": node.damage,
        "archive": node.archiver.status(),
        "scrub": node.scrubber.report,
        "group": {
            "id": newest.id,
            "since": node.groups.pending[-1][0] if node.groups.pending else node.groups.base_slot,
            "told": newest.id if leadership is not None else node.told_group,
            "chosen": not node.groups.pending,
            "members": [[member.node, member.replica, member.role] for member in newest.members],
        },
        "chosen": node.learner.chosen,
        "applied": node.learner.applied,
        "digest": node.learner.digest.hex(),
        "last": node.log.last,
        "log_start": node.log.start,
        "checkpoint": node.snapshots.checkpoint,
        "log_time": node.learner.time,
        "sessions": len(node.state.requests.sessions),
        "open_requests": len(node.clients.open),
        "counters": msgspec.to_builtins(node.counters),
    }


def options(node: Node) -> dict[str, Any]:
    """Every option with its value."""
    names = node.configuration.__dataclass_fields__
    return {name: getattr(node.configuration, name) for name in names}


def dump(node: Node, step: Step, after: str | None) -> dict[str, Any]:
    """A page of the state of this replica, and the slot that it stands for.

    `next` is the key after which the next page goes on, null with the last one. Pages of one state
    are those that name the same slot.
    """
    table = node.state.table(VALUES)
    start = b"" if after is None else after.encode() + b"\0"
    rows = list(step.storage.scan(table, start, size_max=DUMP_BYTES))
    last = rows[-1][0] if rows else b""
    more = bool(rows) and any(True for _ in step.storage.scan(table, last + b"\0", size_max=1))
    return {
        "node": node.name,
        "slot": node.learner.applied,
        "keys": {key.decode(): msgspec.Raw(value) for key, value in rows},
        "next": last.decode() if more else None,
    }
