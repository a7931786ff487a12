"""When the store is at rest, judged from one round of status replies of all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.client import Reply


def unrest(statuses: Mapping[str, Reply]) -> list[str]:
    """Why the cluster is not quiescent, in sentences; empty if it is."""
    reasons: list[str] = []
    known: dict[str, dict[str, Any]] = {}
    for name, reply in statuses.items():
        if reply.status == 200:
            known[name] = msgspec.json.decode(reply.body)
        else:
            reasons.append(f"{name} answers its status request with {reply.status}")
    if reasons or not known:
        return reasons
    some = next(iter(known.values()))
    reasons += [f"{node} did not answer" for node in some["nodes"] if node not in known]
    for what in ("ballot", "chosen"):
        values = sorted({str(status[what]) for status in known.values()})
        if len(values) > 1:
            reasons.append(f"the replicas differ in {what}: {', '.join(values)}")
    for name, status in known.items():
        reasons += _unrest_of(name, status)
    return reasons


def _unrest_of(name: str, status: Mapping[str, Any]) -> list[str]:
    reasons = []
    if status["open_requests"]:
        reasons.append(f"{name} has {status['open_requests']} open requests")
    if status["role"] == "leader" and status["last"] != status["chosen"]:
        reasons.append(f"{name} leads and waits for a quorum of slot {status['last']}")
    if status["stores"] and status["applied"] != status["chosen"]:
        reasons.append(f"{name} has applied {status['applied']} of {status['chosen']} slots")
    if status["group"]["id"] < status["group"]["told"]:
        reasons.append(f"{name} lacks the configuration that its leader has")
    members = {node: replica for node, replica, _ in status["group"]["members"]}
    expected = status["options"]["repair"] and status["stores"]
    if expected and members.get(name) != status["replica"]:
        reasons.append(f"{name} is no voting member")
    return reasons


def roles(statuses: Mapping[str, Reply]) -> dict[str, tuple[str, ...]]:
    """Who leads: of the nodes that hold themselves for the leader the one of the highest ballot.

    One that was cut off does so until its lease has run out.
    """
    leaders: list[tuple[Any, str]] = []
    for name, reply in statuses.items():
        try:
            status = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            continue
        if isinstance(status, dict) and status.get("role") == "leader":
            leaders.append((status["ballot"], name))
    return {"leader": (max(leaders)[1],)} if leaders else {}
