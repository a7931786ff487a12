"""When the store is at rest, judged from one round of status replies of all nodes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Reply

RANGES_NAMED_MAX: Final = 3


def unrest(statuses: Mapping[str, Reply]) -> list[str]:
    """Why the cluster is not quiescent, in sentences; empty if it is.

    Whoever asks judges two rounds in a row: what was on its way in one has arrived in the next.
    """
    reasons: list[str] = []
    known: dict[str, dict[str, Any]] = {}
    for name, reply in statuses.items():
        if reply.status == 200:
            known[name] = msgspec.json.decode(reply.body)
        else:
            reasons.append(f"{name} answers its status request with {reply.status}")
    members = sorted({node for status in known.values() for node in status["nodes"]})
    reasons += [f"{node} did not answer" for node in members if node not in statuses]
    for name, status in known.items():
        if status["open_requests"]:
            reasons.append(f"{name} has {status['open_requests']} open requests")
        reasons += [f"{name} keeps {n} hints for {peer}" for peer, n in status["hints"].items()]
        reasons += [
            f"{name} has left out {peer}"
            for peer, state in status["peers"].items()
            if state != "up"
        ]
    reasons += _changes(known)
    for one, other in combinations(sorted(known), 2):
        reasons += _differences(one, known[one], other, known[other])
    return reasons


def _changes(known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is left to do of a change of members."""
    views = {name: status["view"] for name, status in known.items()}
    latest = max((view["view"] for view in views.values()), default=0)
    reasons = [
        f"{name} is in view {view['view']}, and there is {latest}"
        for name, view in views.items()
        if view["view"] < latest
    ]
    for name, view in views.items():
        if view["view"] == latest and view["phase"] != "stable":
            reasons.append(f"{name} sees a change of members under way ({view['change']})")
        reasons += [f"{name} waits for {node}, which leaves" for node in view["leaving"]]
    reasons += [
        f"{name} is {status['store']['state']}: {status['store']['reason']}"
        for name, status in known.items()
        if status["store"]["state"] != "whole"
    ]
    return reasons + [
        f"{name} hands over what it keeps no more"
        for name, status in known.items()
        if status["transfer"]["relocating"]
    ]


def _differences(
    one: str, its: Mapping[str, Any], other: str, others: Mapping[str, Any]
) -> list[str]:
    """Where two nodes that both compare digests do not agree."""
    if not (its["options"]["anti_entropy"] and others["options"]["anti_entropy"]):
        return []
    shared = its["digests"].keys() & others["digests"].keys()
    different = sorted((i for i in shared if its["digests"][i] != others["digests"][i]), key=int)
    if not different:
        return []
    named = ", ".join(different[:RANGES_NAMED_MAX])
    more = ", ..." if len(different) > RANGES_NAMED_MAX else ""
    return [f"{one} and {other} hold different data in {len(different)} ranges ({named}{more})"]
