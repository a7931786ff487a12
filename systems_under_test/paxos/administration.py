"""The operator's orders as requests, and how it is told from the group's configuration what came of
them: what a nemesis sends and looks at.

A leader takes an order and forgets it with its leadership. So the answer 200 proves nothing: who
gives an order looks at the members that the leader names, asks for the next step that is missing,
and looks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from systems_under_test.paxos.configuration import configure
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Reply


class PaxosAdministration:
    """Orders to a replication group; a `StepwiseAdministration`."""

    members_request: Final = Request("GET", "/status")

    def spares(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> tuple[str, ...]:
        """The log replicas, which are no members at first."""
        return nodes[len(nodes) - configure(options).log_replicas :]

    def problems(self, options: Mapping[str, Any]) -> list[str]:
        """A group that repairs itself undoes what its operator orders."""
        if not configure(options).repair:
            return []
        why = "else the leader adds at once whom they remove, and removes whom they add"
        return [f"changes of members need --option repair=off: {why}"]

    def members(self, reply: Reply) -> tuple[str, ...] | None:
        """The members by the chosen configuration of the node that leads; None of any other."""
        status = msgspec.json.decode(reply.body) if reply.status == 200 else {}
        if status.get("role") != "leader" or not status["group"]["chosen"]:
            return None
        return tuple(sorted(node for node, _, _ in status["group"]["members"]))

    def step(self, change: str, node: str, by: str, members: tuple[str, ...]) -> Request | None:
        """The request that brings these members nearer to an order; None: they are as ordered."""
        joins = {"join": node, "replace": by}.get(change, "")
        leaves = node if change in ("leave", "replace") else ""
        if joins and joins not in members:
            return Request("POST", f"/admin/add?node={joins}")
        if leaves and leaves in members:
            return Request("POST", f"/admin/remove?node={leaves}")
        return None
