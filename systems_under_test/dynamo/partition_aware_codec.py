"""The partition-aware client in a run: the codec of any workload, asked over several nodes.

The ring is fetched from the client's own node and again every ten seconds. A read asks the home
nodes what each holds, and reconciles the first R answers (`partition_aware.py`); where one of them
does not keep the key any more the ring is fetched anew. A write goes to the first home node that
has not failed lately; to the next one only where the request surely never left or was refused for
certain (a 503 with `definite`, of a node that starts over or sees too few others), for a second dot
of the same put would be a sibling that no client wrote. Everything else, and all of it while there
is no ring, goes to the client's own node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from systems_under_test.dynamo.partition_aware import RING_S, ContextsTooLong, KnownRing, reconciled
from workloads.client import Failure, Reply, Request
from workloads.conversation import Round

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from workloads.client import Codec, Completion
    from workloads.conversation import Answers, Conversation
    from workloads.invocations import Invocation

KEYS: Final = "/kv/"
NOT_KEPT: Final = 421
UNAVAILABLE: Final = 503
SECOND: Final = 1_000_000_000
NEWER_RINGS: Final = 1
"""So often a read fetches a newer ring; then the client's own node coordinates it."""
SHUN: Final = SECOND
"""So long a node is passed over to which no connection could be made, or which refused."""


class _Refusal(msgspec.Struct):
    definite: bool = False


@dataclass(frozen=True, slots=True)
class PartitionAware:
    """A codec that knows the ring."""

    codec: Codec
    configuration: Configuration

    def encode(self, invocation: Invocation, request_id: str) -> Request:
        """The request as the workload's codec makes it."""
        return self.codec.encode(invocation, request_id)

    def decode(self, invocation: Invocation, reply: Reply | Failure) -> Completion:
        """What the workload's codec takes a reply for."""
        return self.codec.decode(invocation, reply)

    def converse(
        self,
        invocation: Invocation,
        request_id: str,
        *,
        node: str,
        memory: dict[str, Any],
        now: int,
    ) -> Conversation:
        """Ask home nodes where that can be, else the client's own node."""
        request = self.codec.encode(invocation, request_id)
        own = Round({node: request}, 1)
        if not request.target.startswith(KEYS) or "?" in request.target:
            return self.codec.decode(invocation, (yield own)[node])
        name = unquote_to_bytes(request.target.removeprefix(KEYS))
        for _ in range(1 + NEWER_RINGS):
            if now - memory.get("ring_at", -RING_S * SECOND) >= RING_S * SECOND:
                memory["ring"], memory["ring_at"] = _ring((yield _fetching(node)).get(node)), now
            ring: KnownRing | None = memory["ring"]
            if ring is None:
                del memory["ring_at"]
                return self.codec.decode(invocation, (yield own)[node])
            if request.method != "GET":
                break
            answers = yield self._reading(ring.homes(name), request)
            if not _is_old(answers):
                reply = self._read(ring, name, answers) or (yield own)[node]
                return self.codec.decode(invocation, reply)
            del memory["ring_at"]
        else:
            return self.codec.decode(invocation, (yield own)[node])
        reply = Failure("no home node was asked", definite=True)
        for home in _not_shunned(ring.homes(name), memory, now):
            reply = (yield Round({home: request}, 1))[home]
            if not _never_happened(reply):
                break
            memory.setdefault("shunned", {})[home] = now
        return self.codec.decode(invocation, reply)

    def _reading(self, homes: tuple[str, ...], request: Request) -> Round:
        own = Request("GET", f"{request.target}?r=own", request.headers)
        return Round(dict.fromkeys(homes, own), self.configuration.r)

    def _read(self, ring: KnownRing, name: bytes, answers: Answers) -> Reply | Failure | None:
        """What the answers say together; None where that is longer than a context."""
        good = [
            msgspec.json.decode(answer.body)
            for answer in answers.values()
            if isinstance(answer, Reply) and answer.status == 200
        ]
        needed = self.configuration.r
        if len(good) < needed:
            return Failure(f"{len(good)} of {needed} home nodes answered", definite=False)
        last = self.configuration.reconciliation == "last-write-wins"
        try:
            versions, context = reconciled(ring.place(name), good, last_write_wins=last)
        except ContextsTooLong:
            return None
        return Reply(200, {}, msgspec.json.encode({"versions": versions, "context": context}))


def _fetching(node: str) -> Round:
    """The round that fetches the ring."""
    return Round({node: Request("GET", "/ring")}, 1)


def _ring(answer: Reply | Failure | None) -> KnownRing | None:
    if not isinstance(answer, Reply) or answer.status != 200:
        return None
    return KnownRing(msgspec.json.decode(answer.body))


def _is_old(answers: Answers) -> bool:
    """Whether a node that was asked does not keep the key: members have come and gone."""
    return any(isinstance(it, Reply) and it.status == NOT_KEPT for it in answers.values())


def _never_happened(reply: Reply | Failure) -> bool:
    """Whether the node surely did nothing of a write, and another one may do it.

    Refusals other than 503 are about the write itself: the next node would say the same.
    """
    if isinstance(reply, Failure):
        return reply.definite
    if reply.status != UNAVAILABLE:
        return False
    try:
        return msgspec.json.decode(reply.body, type=_Refusal).definite
    except msgspec.DecodeError:
        return False


def _not_shunned(homes: tuple[str, ...], memory: dict[str, Any], now: int) -> list[str]:
    """The home nodes in order of preference, those last that lately took no write."""
    shunned: dict[str, int] = memory.get("shunned", {})
    return sorted(homes, key=lambda home: now - shunned.get(home, now - SHUN) < SHUN)
