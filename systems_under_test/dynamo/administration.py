"""The admin's orders as requests: what the command line and a nemesis send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from systems_under_test.dynamo.configuration import configure
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Reply


class DynamoAdministration:
    """Orders to a Dynamo store; an `Administration`."""

    members_request: Final = Request("GET", "/status")

    def spares(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> tuple[str, ...]:
        """The nodes that are no members at first."""
        first = configure(options).first_members(nodes)
        return tuple(node for node in nodes if node not in first)

    def order(self, change: str, node: str = "", by: str = "") -> Request:
        """The request for an order."""
        whom = {name: value for name, value in (("node", node), ("by", by)) if value}
        if change == "repair":  # Each node is told by itself.
            whom = {}
        query = f"?{urlencode(whom)}" if whom else ""
        return Request("POST", f"/admin/{change}{query}")

    def members(self, reply: Reply) -> tuple[str, ...] | None:
        """Those of the node's view, unless a change of it is under way."""
        if reply.status not in (200, 503):
            return None
        view = msgspec.json.decode(reply.body)["view"]
        return None if view["coming"] else tuple(view["members"])
