"""The nftables program that cuts links, and what it counts.

A link is cut by the addresses of its two ends, so clients, who come from elsewhere, are spared.
A table has three sets: `cut` is what is cut now; `dropped` and `passed` hold every link, once for
all, and count what became of its packets. The counters are the evidence that a cut took effect.

On the host one table of the family `bridge` sees all nodes, and outlives their containers. Inside a
node's own network a table sees what that node receives, and is gone when the container is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from systems_under_test.environments.cluster import Link


@dataclass(frozen=True, slots=True)
class Filter:
    """One table: its name and place, and the links that it sees, by their keys."""

    family: str
    table: str
    hook: str
    key_type: str
    key: str
    elements: Mapping[Link, str]
    """The key of each link, as it stands in a set."""

    def program(self) -> str:
        """Makes the table, with nothing cut."""
        every = ", ".join(self.elements.values())
        elements = f"elements = {{ {every} }};" if every else ""  # A lone node has no links.
        counted = f"{{ type {self.key_type}; counter; {elements} }}"
        return (
            f"table {self.family} {self.table} {{\n"
            f"  set cut {{ type {self.key_type}; }}\n"
            f"  set dropped {counted}\n"
            f"  set passed {counted}\n"
            f"  chain links {{\n"
            f"    type filter hook {self.hook} priority -10; policy accept;\n"
            f"    {self.key} @cut {self.key} @dropped drop\n"
            f"    {self.key} @passed accept\n"
            f"  }}\n"
            f"}}\n"
        )

    def cut(self, links: Iterable[Link]) -> str:
        """Cuts exactly those of the links that it sees, in one transaction."""
        keys = [self.elements[link] for link in sorted(links) if link in self.elements]
        flush = f"flush set {self.family} {self.table} cut\n"
        if not keys:
            return flush
        return f"{flush}add element {self.family} {self.table} cut {{ {', '.join(keys)} }}\n"

    def listing(self) -> list[str]:
        """The command that prints it, for `counters`."""
        return ["nft", "-j", "list", "table", self.family, self.table]

    def counters(self, listed: str) -> dict[Link, dict[str, int]]:
        """`passed` and `dropped` packets of each link."""
        links = {key: link for link, key in self.elements.items()}
        found = {link: {"passed": 0, "dropped": 0} for link in self.elements}
        for item in json.loads(listed)["nftables"]:
            name = item.get("set", {}).get("name")
            if name not in ("passed", "dropped"):
                continue
            for element in item["set"].get("elem", ()):
                about = element["elem"]
                found[links[_key(about["val"])]][name] = about["counter"]["packets"]
        return found


def bridge_filter(run: str, addresses: Mapping[str, str], links: Iterable[Link]) -> Filter:
    """The table of a whole run, on the host."""
    return Filter(
        family="bridge",
        table=f"lineal_{run}",
        hook="forward",
        key_type="ipv4_addr . ipv4_addr",
        key="ip saddr . ip daddr",
        elements={(a, b): f"{addresses[a]} . {addresses[b]}" for a, b in sorted(links)},
    )


def receiver_filter(
    run: str, receiver: str, addresses: Mapping[str, str], links: Iterable[Link]
) -> Filter:
    """The table in one node's own network."""
    return Filter(
        family="inet",
        table=f"lineal_{run}",
        hook="input",
        key_type="ipv4_addr",
        key="ip saddr",
        elements={link: addresses[link[0]] for link in sorted(links) if link[1] == receiver},
    )


def _key(value: Any) -> str:
    return " . ".join(value["concat"]) if isinstance(value, dict) else str(value)
