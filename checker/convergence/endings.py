"""What was seen at the end: replica dumps and final reads, both made once the cluster was at rest.

There may be several rounds, because a write whose outcome is unknown may arrive late: the last
answered dump of each node counts, and the last answered final read of each key through each node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from checker.convergence.versions import GET
from checker.history.values import canonical

if TYPE_CHECKING:
    from checker.convergence.contexts import Versions
    from checker.convergence.versions import Read, Version, VersionGraph
    from checker.history.columns import History
    from checker.history.events import Operation
    from checker.identity import Identity

DUMP: Final = "dump"


@dataclass(frozen=True, slots=True)
class Holding:
    """What the replica on a node held of a key, by its dump; nothing where it did not list it."""

    node: str
    operation: Operation
    versions: tuple[Version, ...]


@dataclass(slots=True)
class Ending:
    """What was seen of one key at the end.

    `finals` are the last answered final reads by node. `holdings` are the dumps of the nodes that
    listed the key, and of those that had to: its homes, where a dump names them.
    """

    graph: VersionGraph
    finals: list[Read] = field(default_factory=list)
    holdings: list[Holding] = field(default_factory=list)


@dataclass(slots=True)
class Endings:
    """The end of a run: of every key, and of the nodes that were asked for a dump."""

    quiescent_time: int | None
    by_key: dict[Identity, Ending]
    dumped: list[str] = field(default_factory=list)
    undumped: list[str] = field(default_factory=list)
    final_reads: int = 0
    final_reads_unanswered: int = 0

    @classmethod
    def of(cls, history: History, versions: Versions) -> Endings:
        """Empty if the cluster was never at rest. ValueError for a dump of another shape."""
        by_key = {key: Ending(graph) for key, graph in versions.by_key.items()}
        endings = cls(history.quiescent_time, by_key)
        if endings.quiescent_time is not None:
            endings._read_finals(history)
            endings._read_dumps(history)
        return endings

    def is_final(self, operation: Operation) -> bool:
        """Whether it is a read of all replicas once the cluster was at rest."""
        time, asked = self.quiescent_time, operation.input
        is_of_all = isinstance(asked, dict) and asked.get("r") == "all"
        return operation.f == GET and is_of_all and time is not None and operation.call >= time

    def is_settled(self, operation: Operation) -> bool:
        """Whether the write was over before the end, so that it has to be seen there."""
        if operation.outcome != "ok" or operation.ret is None or self.quiescent_time is None:
            return False
        return operation.ret < self.quiescent_time

    def _read_finals(self, history: History) -> None:
        for operation in history.operations(GET):
            if self.is_final(operation):
                self.final_reads += 1
                self.final_reads_unanswered += operation.outcome != "ok"
        for ending in self.by_key.values():
            last: dict[str, Read] = {}
            for read in ending.graph.reads:
                if self.is_final(read.operation):
                    last[read.operation.node or ""] = read
            ending.finals = [last[node] for node in sorted(last)]

    def _read_dumps(self, history: History) -> None:
        asked: set[str] = set()
        last: dict[str, Operation] = {}
        for operation in history.operations(DUMP):
            node = operation.node or f"(dump at index {operation.index})"
            asked.add(node)
            if operation.outcome == "ok":
                last[node] = operation
        self.dumped, self.undumped = sorted(last), sorted(asked - set(last))
        dumps = {node: _Dump.of(last[node]) for node in self.dumped}
        homes: dict[str, set[str]] = {}
        for dump in dumps.values():
            for key, nodes in dump.homes.items():
                homes.setdefault(key, set()).update(nodes)
        for ending in self.by_key.values():
            name = _name_in_dumps(ending.graph.key)
            for node, dump in dumps.items():
                if name in dump.entries or node in homes.get(name, ()):
                    entries = dump.entries.get(name, [])
                    versions = tuple(map(ending.graph.version, entries))
                    ending.holdings.append(Holding(node, dump.operation, versions))


@dataclass(frozen=True, slots=True)
class _Dump:
    """Lists of versions by the name of the key; homes by the same where the dump says them."""

    operation: Operation
    entries: dict[str, list[Any]]
    homes: dict[str, list[str]]

    @classmethod
    def of(cls, operation: Operation) -> _Dump:
        """Its output is `{key: [version, ...]}` or `{key: {"versions": [...], "homes": [...]}}`."""
        output = {} if operation.output is None else operation.output
        if not isinstance(output, dict):
            raise ValueError(f"the dump at index {operation.index} maps no keys to versions")
        entries: dict[str, list[Any]] = {}
        homes: dict[str, list[str]] = {}
        for key, held in output.items():
            if isinstance(held, dict):
                homes[key] = list(held.get("homes", ()))
                held = held.get("versions")
            if not isinstance(held, list):
                raise ValueError(f"the dump at index {operation.index} has no versions of {key!r}")
            entries[key] = held
        return cls(operation, entries, homes)


def _name_in_dumps(key: Any) -> str:
    """Keys of a JSON object are strings; a key that is none stands there as its JSON text."""
    return key if isinstance(key, str) else canonical(key).decode()
