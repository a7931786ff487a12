"""The arithmetic of leader leases. All times are readings of one node's own monotonic clock.

The argument. Let every clock run at a rate between 1-r and 1+r. A grantor promises no other ballot
for L on its clock after it handled a message, which lasts at least L/(1+r) of true time. The
leader counts L(1-r)/(1+r) on its own clock from before it sent that message, which lasts at most
L/(1+r) of true time and began earlier. So while the leader believes in its lease, a quorum of
grantors promises nobody else, and no other leader can have been elected.

Counting from the arrival of the answer would add the way there and back (`late-ack-revives-lease`),
counting L without the drift would let a slow clock hold on (`lease-ignores-drift`).

Source: Gray and Cheriton, "Leases", SOSP 1989, section 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.paxos.group import Group

NEVER = -1


def confirmed_at(group: Group, quorum: int, own: str, now: int, echoed: Mapping[str, int]) -> int:
    """The latest reading such that a quorum has answered a message sent at it or after.

    `echoed` holds for each member the latest `sent_at` that it answered; the leader itself is
    always up to date. NEVER if there is no quorum.
    """
    times = [
        now if member.node == own else echoed.get(member.node, NEVER) for member in group.members
    ]
    if len(times) < quorum:
        return NEVER
    times.sort(reverse=True)
    return times[quorum - 1]
