"""Read repair: home nodes whose answer to a read was stale are sent what they lack.

Source: DeCandia et al., SOSP 2007, 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from systems_under_test.dynamo.messages import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.ring import Key
    from systems_under_test.dynamo.step import Step

NO_ANSWER = 0


def repair(
    node: Node, step: Step, key: Key, answers: Mapping[str, bytes | None], merged: bytes | None
) -> None:
    """Bring every home node that answered otherwise up to the merged set of versions.

    Nobody waits for it: a repair that is lost leaves the node as it was.
    """
    if merged is None:
        return
    for home in node.lists.home(key.range):
        if home not in answers or answers[home] == merged:
            continue
        if home == node.name:
            node.counters.read_repairs_local += node.versions.merge(step, key, merged)
        else:
            node.counters.read_repairs_sent += 1
            step.send(home, Store(NO_ANSWER, key.name, merged, home))
