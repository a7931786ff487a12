"""State counters: what the nodes of a run counted of themselves, for coverage and for comparison.

A bundled system shows `counters` in its status. The run asks for statuses anyway, to see whether
the cluster serves and is at rest; whatever counters come with them are kept, for each life of each
node as they were last seen. So what a life counted that was killed in between is not in it. A
counter that never moves names a state that a test never reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from workloads.client import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workloads.client import Failure


@dataclass(slots=True)
class StateCounters:
    """The counters of each life, by node and incarnation, as they were last seen."""

    by_life: dict[tuple[str, int], dict[str, int]] = field(default_factory=dict)

    def see(self, replies: Mapping[str, Reply | Failure]) -> None:
        """Take what these status replies tell. One that tells no counters tells nothing."""
        for node, reply in replies.items():
            if not isinstance(reply, Reply) or reply.status != 200:
                continue
            try:
                status = msgspec.json.decode(reply.body)
                counters = dict(status["counters"])
                life = int(status.get("incarnation", 0))
            except (msgspec.DecodeError, TypeError, KeyError, ValueError):
                continue
            self.by_life[node, life] = {
                name: count for name, count in counters.items() if isinstance(count, int)
            }

    @property
    def total(self) -> dict[str, int]:
        """Every counter, over all lives, in order of names."""
        return summed(self.by_life.values())

    def to_json(self) -> dict[str, Any]:
        """What `counters.json` holds."""
        lives: dict[str, dict[str, dict[str, int]]] = {}
        for (node, life), counters in sorted(self.by_life.items()):
            lives.setdefault(node, {})[str(life)] = counters
        return {"total": self.total, "never_moved": never_moved(self.total), "lives": lives}


def summed(all_counters: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counters added up by name, in order of names."""
    total: dict[str, int] = {}
    for counters in all_counters:
        for name, count in counters.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))


def never_moved(total: Mapping[str, int]) -> list[str]:
    """The names of counters that stand at 0."""
    return [name for name, count in total.items() if not count]
