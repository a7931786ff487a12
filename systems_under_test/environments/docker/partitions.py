"""Methods of cutting links: on the host's bridge, through a sidecar, inside the containers.

All of them drop packets by the addresses of a link's ends. What was silent for long does not speak
at once when it is mended, for TCP waits ever longer between its tries: so mending also resets the
connections over the links that it mends, and whoever had them connects anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Final, Protocol

from systems_under_test.environments.cluster import EnvironmentFailed
from systems_under_test.environments.docker.entrances import run_here
from systems_under_test.environments.docker.packet_filter import bridge_filter, receiver_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.entrances import Entrance, Program

LISTED_TRIES: Final = 3


class Cutter(Protocol):
    """A method of cutting links. Used by one thread at a time."""

    def begin(self) -> None:
        """Make the tables, with nothing cut."""
        ...

    def cut(self, links: frozenset[Link]) -> None:
        """Cut exactly these links."""
        ...

    def began_again(self, node: str) -> None:
        """A node's container has been started anew, with an empty network."""
        ...

    def counters(self) -> dict[Link, dict[str, int]]:
        """Packets `passed` and `dropped` of each link since the start of the run."""
        ...

    def end(self) -> None:
        """Take away what would stay behind."""
        ...


class HostBridge:
    """A table of the family `bridge` on this machine; Docker never touches it."""

    def __init__(self, run: str, addresses: Mapping[str, str], links: Iterable[Link]) -> None:
        self._filter = bridge_filter(run, addresses, links)

    def begin(self) -> None:
        """As the protocol says."""
        self._nft(self._filter.program())

    def cut(self, links: frozenset[Link]) -> None:
        """As the protocol says."""
        self._nft(self._filter.cut(links))

    def began_again(self, node: str) -> None:
        """Nothing is lost: addresses are what is cut, and they stay."""

    def counters(self) -> dict[Link, dict[str, int]]:
        """As the protocol says."""
        listed = run_here({"nft": (self._filter.listing(), "")})["nft"]
        return self._filter.counters(listed)

    def end(self) -> None:
        """As the protocol says."""
        self._nft(f"delete table bridge {self._filter.table}\n")

    def _nft(self, program: str) -> None:
        run_here({"nft": (["nft", "-f", "-"], program)})


class InNetworks:
    """A table in the network of each node, through an entrance."""

    def __init__(
        self,
        run: str,
        addresses: Mapping[str, str],
        links: Iterable[Link],
        entrance: Entrance,
        lives: Callable[[str], bool],
    ) -> None:
        """`lives` tells whether a node's container does; one that does not has no network."""
        links = list(links)
        self._lives = lives
        self._filters = {node: receiver_filter(run, node, addresses, links) for node in addresses}
        self._entrance = entrance
        self._cut: frozenset[Link] = frozenset()
        # What was counted in networks that are gone, and what was seen last in those that are.
        self._gone: dict[Link, dict[str, int]] = {}
        self._seen: dict[Link, dict[str, int]] = {}

    def begin(self) -> None:
        """As the protocol says."""
        self._nft({node: filter.program() for node, filter in self._filters.items()})

    def cut(self, links: frozenset[Link]) -> None:
        """As the protocol says."""
        changed = {receiver for _, receiver in links ^ self._cut}
        self._cut = links
        living = sorted(filter(self._lives, changed))  # The others get it when they begin again.
        self._nft({node: self._filters[node].cut(links) for node in living})

    def began_again(self, node: str) -> None:
        """As the protocol says."""
        for link in self._filters[node].elements:
            for name, number in self._seen.pop(link, {}).items():
                gone = self._gone.setdefault(link, {})
                gone[name] = gone.get(name, 0) + number
        mine = self._filters[node]
        self._nft({node: mine.program() + mine.cut(self._cut)})

    def counters(self) -> dict[Link, dict[str, int]]:
        """As the protocol says; what a network counted after the last look is lost with it."""
        for node, listed in self._listed().items():
            self._seen |= self._filters[node].counters(listed)
        return {
            link: {
                name: sum(
                    counted.get(link, {}).get(name, 0) for counted in (self._seen, self._gone)
                )
                for name in ("passed", "dropped")
            }
            for filter in self._filters.values()
            for link in filter.elements
        }

    def _listed(self) -> dict[str, str]:
        """The table of each network that is there.

        `docker exec` may bring nothing of what was printed (seen once on a busy machine, with
        status 0); a table is never nothing, and to look again changes none.
        """
        wanted = {node: it for node, it in self._filters.items() if self._lives(node)}
        listed: dict[str, str] = {}
        for _ in range(LISTED_TRIES):
            commands = {n: (f.listing(), "") for n, f in wanted.items() if not listed.get(n)}
            listed |= self._entrance.run(commands)
            if all(listed.values()):
                return listed
        missing = ", ".join(node for node in wanted if not listed[node])
        raise EnvironmentFailed(f"`nft` in the network of {missing} printed nothing")

    def end(self) -> None:
        """Nothing stays: the tables go with the networks that they are in."""

    def _nft(self, programs: Mapping[str, str]) -> None:
        if programs:
            self._entrance.run(
                {node: (["nft", "-f", "-"], text) for node, text in programs.items()}
            )


def reset_connections(
    entrance: Entrance, links: Iterable[Link], addresses: Mapping[str, str]
) -> None:
    """Reset every connection between the ends of these links, on both sides."""
    peers: dict[str, set[str]] = {}
    for sender, receiver in links:
        peers.setdefault(sender, set()).add(addresses[receiver])
        peers.setdefault(receiver, set()).add(addresses[sender])
    programs: dict[str, Program] = {}
    for node, others in sorted(peers.items()):
        words = " or ".join(f"dst {address}" for address in sorted(others)).split()
        programs[node] = (["ss", "-K", "-H", "-t", "state", "connected", *words], "")
    if programs:
        entrance.run(programs)


def host_can() -> str | None:
    """Why this machine's own bridge cannot be used; None if it can."""
    if os.geteuid() != 0:
        return "the harness is not root"
    for program in ("nft", "nsenter", "ss"):
        if shutil.which(program) is None:
            return f"there is no `{program}` here"
    tried = subprocess.run(
        ["nft", "list", "tables", "bridge"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() if tried.returncode else None
