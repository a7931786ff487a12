"""The Paxos store as the rest of Lineal sees it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.paxos.administration import PaxosAdministration
from systems_under_test.paxos.bugs import BUGS
from systems_under_test.paxos.codec import KvCodec, RegisterCodec, TransactionCodec, decode_dump
from systems_under_test.paxos.configuration import configure, option_docs, problems_of
from systems_under_test.paxos.promises import promises
from systems_under_test.paxos.quiescence import roles, unrest
from systems_under_test.paxos.replica import make_replica
from systems_under_test.system import Offer
from workloads import bank, eventual_reads, kv, list_append, register
from workloads.client import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.claims import Promises
    from systems_under_test.replica import Place, Replica
    from systems_under_test.system import Bug, Engine, FaultPlanSummary
    from workloads.client import Reply


class Paxos:
    """One replication group: a replicated log under a leader.

    A `BundledSystem`.
    """

    name: Final = "paxos"
    nodes_default: Final = 3
    workload_default: Final = "register"
    replica_path: Final = "systems_under_test.paxos.replica:make_replica"
    status_request: Final = Request("GET", "/status")
    administration: Final = PaxosAdministration()
    role_names: Final = frozenset({"leader"})
    dump_request: Final = Request("GET", "/dump")

    @property
    def offers(self) -> Mapping[str, Offer]:
        """Registers with compare-and-set, a map, and transactions over lists and accounts."""
        return {
            "register": Offer(partial(register.make, cas=True), RegisterCodec()),
            "eventual-reads": Offer(eventual_reads.make, RegisterCodec()),
            "kv": Offer(kv.make, KvCodec()),
            "list-append": Offer(list_append.make, TransactionCodec()),
            "bank": Offer(bank.make, TransactionCodec()),
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

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The storage engine its host must offer."""
        chosen: Engine = configure(options).engine  # type: ignore[assignment]
        return chosen

    def promises(
        self, options: Mapping[str, Any], nodes: tuple[str, ...], plan: FaultPlanSummary
    ) -> Promises:
        """What it claims in this configuration under this plan."""
        return promises(configure(options), plan)

    def unrest(self, statuses: Mapping[str, Reply]) -> list[str]:
        """Why the cluster is not quiescent."""
        return unrest(statuses)

    def roles(self, statuses: Mapping[str, Reply]) -> Mapping[str, tuple[str, ...]]:
        """The leader: of those that hold themselves for one, who has the highest ballot."""
        return roles(statuses)

    def decode_dump(self, reply: Reply) -> Any:
        """Key -> value. Raises ValueError if it is not all in one page."""
        return decode_dump(reply.body)


SYSTEM: Final = Paxos()
