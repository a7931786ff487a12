"""What a node shows of itself: `/status`, `/ring` and `/dump`. Looking changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from systems_under_test.dynamo.api import in_order_of_ids, shown_key
from systems_under_test.dynamo.membership_change import shown as shown_view
from systems_under_test.dynamo.ring import POSITION_BYTES
from systems_under_test.dynamo.versions import decode

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.node import Node
    from systems_under_test.dynamo.replica import Life
    from systems_under_test.dynamo.step import Step


def status(life: Life, step: Step) -> dict[str, Any]:
    """How the node is: everything that quiescence is judged by, and what it has counted."""
    node = life.node
    return {
        "node": node.name,
        "incarnation": node.incarnation,
        "damage": node.damage,
        "nodes": list(node.nodes),
        "bug": node.bug,
        "options": options(node.configuration),
        "peers": {
            peer: "left-out" if peer in node.detector.left_out else "up"
            for peer in node.nodes
            if peer != node.name
        },
        "lives": {name: latest for name, latest, _ in life.membership.lives},
        "view": shown_view(node.view),
        "store": node.store.shown(),
        "background_slices": node.admission.slices,
        "transfer": {
            "ranges_left": life.transfer.ranges_left,
            "relocating": not life.relocation.is_done,
        },
        "open_requests": life.open_requests,
        "hints": {owner: count for owner, count in node.hints.counts.items() if count},
        "dots": node.dots.counter,
        "digests": {
            str(i): node.versions.digest(step, i).hex() for i in node.lists.held_by(node.name)
        },
        "measured": node.measured.shown(node.configuration.tokens(node.ring.nodes)),
        "counters": msgspec.to_builtins(node.counters),
    }


def options(configuration: Configuration) -> dict[str, Any]:
    """Every option with its value."""
    names = configuration.__dataclass_fields__
    return {name: getattr(configuration, name) for name in names}


def ring(life: Life, step: Step) -> dict[str, Any]:
    """The ring as this node knows it: every range with its end, its home and its stand-ins.

    With the views that led to it, those of this node's own history.
    """
    node = life.node
    return {
        "nodes": list(node.nodes),
        "view": shown_view(node.view),
        "history": [shown_view(view) for view in life.membership.history(step)],
        "tokens": node.configuration.tokens(node.ring.nodes),
        "ranges": [
            {
                "range": i,
                "end": f"{end:032x}",
                "node": node.lists.home(i)[0],
                "home": list(node.lists.home(i)),
                "stand_ins": list(node.lists.fallbacks(i)),
            }
            for i, end in enumerate(node.ring.ends)
        ],
    }


def dump(node: Node, step: Step) -> dict[str, Any]:
    """What this node holds as home, who else should, and the hints that it keeps for others."""
    return {
        "node": node.name,
        "keys": {
            shown_key(stored[POSITION_BYTES:]): {
                "versions": in_order_of_ids(decode(blob)),
                "homes": list(node.lists.home(node.ring.placed(stored).range)),
            }
            for stored, blob in node.versions.scan_all(step)
        },
        "hints": {
            owner: {
                shown_key(stored[POSITION_BYTES:]): in_order_of_ids(decode(blob))
                for stored, blob in node.hints.scan(step, owner)
            }
            for owner, count in node.hints.counts.items()
            if count
        },
    }
