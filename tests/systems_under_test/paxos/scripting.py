"""Between the words of a scenario and what replicas are told and say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from systems_under_test.paxos import commands, group
from systems_under_test.paxos import messages as m
from systems_under_test.paxos.api import REQUEST_HEADER
from systems_under_test.replica import ClientRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checker.history.language import Part
    from systems_under_test.paxos.messages import AnyMessage, Ballot

_json: Final = msgspec.json.Encoder().encode
ORDERS: Final = {"handover": "to", "add": "node", "remove": "node"}


def asked_of(asked: Part, number: int) -> ClientRequest:
    """The request of a client's line."""
    path = f"/kv/{quote(asked.key or '')}"
    query = "&".join(
        f"{n}={asked.attributes[n]}" for n in ("read", "slot") if n in asked.attributes
    )
    method, target, body = "GET", f"{path}?{query}" if query else path, b""
    match asked.word:
        case "read":
            pass
        case "write":
            method, target, body = "PUT", path, _json(asked.value)
        case "delete":
            method, target = "DELETE", path
        case "cas":
            method, target, body = "POST", f"{path}/cas", _json(asked.value)
        case "txn":
            method, target, body = "POST", "/txn", _json(asked.value)
        case order if order in ORDERS:
            named = f"?{ORDERS[order]}={asked.key}" if asked.key else ""
            method, target = "POST", f"/admin/{order}{named}"
        case _:
            raise ValueError(f"a client does not know {asked.word}")
    headers = {REQUEST_HEADER: asked.attributes["id"]} if "id" in asked.attributes else {}
    return ClientRequest(number, method, target, headers, body)


def outcome_of(verb: str, status: int, body: bytes) -> str:
    """How a request ended, in the words of a history."""
    content = msgspec.json.decode(body)
    if status != 200:
        outcome = "fail" if content["definite"] else "info"
        sentence = _json(f"{status}: {content['error']}").decode()
        return f"{outcome} {sentence}"
    if verb in ORDERS:
        return "ok"
    name = {"read": "value", "cas": "swapped", "txn": "txn"}.get(verb)
    value = "ok" if name is None else _json(content[name]).decode()
    return f"{value} slot={content['slot']}"


def kind_of(message: AnyMessage) -> str:
    """The word for a message; an accept without values is a heartbeat."""
    if isinstance(message, m.Accept) and not message.values:
        return "heartbeat"
    return str(type(message).__struct_config__.tag)


def told(configuration: int, message: AnyMessage) -> tuple[str, str]:
    """A message in words: its kind, and what of it matters in a story.

    The configuration that it names is told from the second one on.
    """
    fields = _fields(message) | ({"group": configuration} if configuration else {})
    return kind_of(message), " ".join(f"{name}={value}" for name, value in fields.items())


def _fields(message: AnyMessage) -> dict[str, Any]:
    match message:
        case m.Ask(_, held):
            return {"held": held}
        case m.Prepare(ballot, first, released):
            more = {"released": _ballot(released)} if released != m.NO_BALLOT else {}
            return {"ballot": _ballot(ballot), "first": first, **more}
        case m.Promise(ballot, _, accepted):
            slots = {s: f"{_ballot(e.ballot)} {payload_text(e.payload)}" for s, e in accepted}
            return {"ballot": _ballot(ballot), "accepted": _json(slots).decode()}
        case m.Superseded(content) | m.Listed(content):
            return {"members": _json(_members(content)).decode()}
        case m.Rejected(promised):
            return {"promised": _ballot(promised)}
        case m.Accept():
            return _accept(message)
        case m.Accepted(ballot, replica, _, held):
            return {"ballot": _ballot(ballot), "held": held, "replica": replica}
        case m.Release(ballot) | m.TakeOver(ballot):
            return {"ballot": _ballot(ballot)}
        case m.Forward(_, command, key):
            what = payload_text(command) if command is not None else f"read {key}"
            return {"asks": _json(what).decode()}
        case m.Answered(_, status):
            return {"status": status}
        case m.SnapshotPart(_, slot, _, part, parts):
            return {"slot": slot, "part": part, "parts": parts}
        case m.SnapshotTaken(slot, _, part):
            return {"slot": slot, "part": part}
    return {}


def _accept(message: m.Accept) -> dict[str, Any]:
    fields: dict[str, Any] = {"ballot": _ballot(message.ballot), "chosen": message.chosen}
    if message.values:
        fields["first"] = message.first
        fields["values"] = _json([payload_text(payload) for _, payload in message.values]).decode()
    return fields


def _ballot(ballot: Ballot) -> str:
    return f"{ballot.node}.{ballot.round}" if ballot.node else "none"


def _members(content: bytes) -> str:
    members: Sequence[group.Member] = group.decode(content).members
    return " ".join(member.node for member in members)


def payload_text(payload: bytes) -> str:
    """What stands in a slot, in words."""
    if payload == commands.NOOP:
        return "noop"
    if payload[:1] == commands.REGROUP:
        return f"members {_members(payload[1:])}"
    steps = commands.decode(payload).steps
    return ", ".join(f"{verb} {key} {value.decode()}" for verb, key, value in steps)
