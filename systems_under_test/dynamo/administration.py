"""The admin's orders as requests: what the command line and a nemesis send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from systems_under_test.dynamo.configuration import configure
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Mapping


class DynamoAdministration:
    """Orders to a Dynamo store; an `Administration`."""

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
