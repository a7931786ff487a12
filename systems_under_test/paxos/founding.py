"""What the disks of a new group hold that begins with a restored state.

Each member begins as if it had installed a snapshot of the state at its slot: the log is empty
behind it, the members are new ones, nothing was promised. Sessions are not taken over: the clients
of the old group are not those of the new one, whose log goes on differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from systems_under_test.paxos.acceptor import VOTE, VOTE_TABLE, Vote
from systems_under_test.paxos.commands import canonical
from systems_under_test.paxos.group import first_group
from systems_under_test.paxos.messages import NO_BALLOT
from systems_under_test.paxos.node import HEAD, META, Head
from systems_under_test.paxos.state_machine import VALUES
from systems_under_test.replica import Write

if TYPE_CHECKING:
    from collections.abc import Mapping

SIZES = (3, 5)
"""How many storage replicas a group has."""
_encode = msgspec.msgpack.Encoder().encode


def founding(
    nodes: tuple[str, ...], slot: int, time: int, keys: Mapping[str, Any]
) -> dict[str, list[Write]]:
    """For each node what its empty storage has to be given, durably and at once.

    `slot` and `time` (in nanoseconds) are the log's at the moment restored to; `keys` the values.
    Raises ValueError unless there are three or five nodes.
    """
    if len({*nodes}) != len(nodes) or len(nodes) not in SIZES:
        raise ValueError(f"a group has 3 or 5 storage replicas, not {', '.join(nodes)}")
    group = first_group(nodes, len(nodes))
    head = Head(0, slot, slot, time, slot, group)
    state = [Write(META, HEAD, _encode(head))]
    state += [Write(f"{VALUES}-0", key.encode(), canonical(value)) for key, value in keys.items()]
    return {
        member.node: [Write(VOTE_TABLE, VOTE, _encode(Vote(member.replica, NO_BALLOT, 0))), *state]
        for member in group.members
    }
