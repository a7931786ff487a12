"""The Dynamo store as the rest of Lineal sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from systems_under_test.dynamo.administration import DynamoAdministration
from systems_under_test.dynamo.bugs import BUGS
from systems_under_test.dynamo.codec import RegisterCodec, SetCodec, SiblingsCodec, decode_dump
from systems_under_test.dynamo.configuration import (
    configure,
    option_docs,
    parse_zones,
    problems_of,
)
from systems_under_test.dynamo.partition_aware_codec import PartitionAware
from systems_under_test.dynamo.promises import promises
from systems_under_test.dynamo.quiescence import unrest
from systems_under_test.dynamo.replica import make_replica
from systems_under_test.system import Offer
from workloads import cart, membership, register, sessions, set, siblings
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.claims import Promises
    from systems_under_test.replica import Place, Replica
    from systems_under_test.system import Bug, FaultPlanSummary
    from workloads.client import Codec, Reply


class Dynamo:
    """A leaderless replicated key-value store with siblings.

    A `BundledSystem`.
    """

    name: Final = "dynamo"
    nodes_default: Final = 5
    workload_default: Final = "siblings"
    replica_path: Final = "systems_under_test.dynamo.replica:make_replica"
    status_request: Final = Request("GET", "/status")
    dump_request: Final = Request("GET", "/dump")
    administration: Final = DynamoAdministration()

    @property
    def offers(self) -> Mapping[str, Offer]:
        """Siblings, alone and while members change, carts, sessions, registers, sets."""
        return {
            "siblings": Offer(siblings.make, SiblingsCodec()),
            "cart": Offer(cart.make, SiblingsCodec()),
            "membership": Offer(membership.make, SiblingsCodec()),
            "sessions": Offer(sessions.make, SiblingsCodec()),
            "register": Offer(register.make, RegisterCodec()),
            "set": Offer(set.make, SetCodec()),
        }

    @property
    def bugs(self) -> Mapping[str, Bug]:
        """Its bugs by name."""
        return BUGS

    @property
    def option_docs(self) -> Mapping[str, str]:
        """Each option with a sentence, its unit and its default."""
        return option_docs()

    def problems(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
        """Everything that is wrong with these options on these nodes."""
        return problems_of(options, nodes)

    def replica(self, place: Place, options: Mapping[str, Any], bug: str | None) -> Replica:
        """A new life of a node."""
        return make_replica(place, options, bug)

    def engine(self, options: Mapping[str, Any]) -> str:
        """The storage engine its host must offer."""
        return configure(options).engine

    def client(self, codec: Codec, options: Mapping[str, Any]) -> Codec:
        """The client that the options ask for, of this codec."""
        configuration = configure(options)
        if configuration.client == "partition-aware":
            return PartitionAware(codec, configuration)
        return codec

    def promises(
        self, options: Mapping[str, Any], nodes: tuple[str, ...], plan: FaultPlanSummary
    ) -> Promises:
        """What it claims in this configuration under this plan."""
        return promises(configure(options), plan)

    def zones(
        self, options: Mapping[str, Any], nodes: tuple[str, ...]
    ) -> tuple[tuple[str, ...], ...]:
        """Nodes by zone, where the option `zones` says so; a node without one is one of its own."""
        named = parse_zones(configure(options).zones) if options.get("zones") else {}
        members: dict[str, list[str]] = {}
        for node in nodes if named else ():
            members.setdefault(named.get(node, f"={node}"), []).append(node)
        return tuple(tuple(zone) for zone in members.values())

    def unrest(self, statuses: Mapping[str, Reply]) -> list[str]:
        """Why the cluster is not quiescent."""
        return unrest(statuses)

    def decode_dump(self, reply: Reply) -> Any:
        """Key -> the versions that the node holds as home, in order of their ids."""
        return decode_dump(reply.body)


SYSTEM: Final = Dynamo()
