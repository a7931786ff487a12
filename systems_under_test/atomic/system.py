"""The atomic store as the rest of Lineal sees it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from systems_under_test.atomic.bugs import BUGS
from systems_under_test.atomic.codec import RegisterCodec
from systems_under_test.atomic.promises import promises
from systems_under_test.atomic.replica import make_replica
from systems_under_test.system import Offer
from workloads.client import Request
from workloads.register import make as make_register

if TYPE_CHECKING:
    from collections.abc import Mapping

    from checker.claims import Promises
    from systems_under_test.replica import Place, Replica
    from systems_under_test.system import Bug, Engine, FaultPlanSummary
    from workloads.client import Reply

ENGINES: Final[tuple[Engine, ...]] = ("sqlite", "lmdb", "memory")


class Atomic:
    """A single durable copy with read, write, compare-and-set and delete.

    A `BundledSystem`.
    """

    name: Final = "atomic"
    nodes_default: Final = 1
    workload_default: Final = "register"
    replica_path: Final = "systems_under_test.atomic.replica:make_replica"
    status_request: Final = Request("GET", "/status")
    dump_request: Final = None

    @property
    def offers(self) -> Mapping[str, Offer]:
        """Registers with compare-and-set."""
        return {"register": Offer(partial(make_register, cas=True), RegisterCodec())}

    @property
    def bugs(self) -> Mapping[str, Bug]:
        """Its bugs by name."""
        return BUGS

    @property
    def option_docs(self) -> Mapping[str, str]:
        """Each option with a sentence and its default."""
        return {
            "engine": "Where the log is kept: `sqlite` (the default) or `lmdb`, on disk; `memory`, "
            "which forgets all of it when the process ends.",
        }

    def problems(self, options: Mapping[str, Any], nodes: tuple[str, ...]) -> list[str]:
        """Unknown options, engines that there are not, and more than one node."""
        found = [
            f"the atomic store has no option {name!r}; it has: {', '.join(self.option_docs)}"
            for name in sorted(options)
            if name not in self.option_docs
        ]
        engine = self.engine(options)
        if engine not in ENGINES:
            found.append(f"engine {engine!r}: it is one of {', '.join(ENGINES)}")
        if len(nodes) != 1:
            found.append(f"the atomic store is one copy on one node, not {len(nodes)}: --nodes 1")
        return found

    def replica(self, place: Place, options: Mapping[str, Any], bug: str | None) -> Replica:
        """A new life of the node."""
        return make_replica(place, options, bug)

    def engine(self, options: Mapping[str, Any]) -> Engine:
        """The storage engine its host must offer."""
        chosen: Engine = options.get("engine", ENGINES[0])
        return chosen

    def promises(
        self, options: Mapping[str, Any], nodes: tuple[str, ...], plan: FaultPlanSummary
    ) -> Promises:
        """What it claims under this plan."""
        return promises(self.engine(options), plan)

    def unrest(self, statuses: Mapping[str, Reply]) -> list[str]:
        """A single copy is at rest as soon as it answers."""
        return [
            f"{node} answers its status request with {reply.status}"
            for node, reply in statuses.items()
            if reply.status != 200
        ]

    def decode_dump(self, reply: Reply) -> Any:
        """It has no dump: with a single copy there is nothing to compare."""
        raise ValueError("the atomic store has no dump")


SYSTEM: Final = Atomic()
