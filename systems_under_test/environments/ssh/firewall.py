"""A chain of our own in the packet filter of a node's machine, and nobody else's.

There is a rule for each other node: what it sends to the port on which this node listens for nodes
is dropped, all of it or some by chance, or passed on and counted. Messages of a node travel only on
connections that it opened itself, so to drop these packets cuts one direction and leaves the other,
acknowledgements included. Clients come to another port and are spared.

Runs on the machine of the node; imports the standard library only.
"""

from __future__ import annotations

import getpass
import os
import subprocess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RUN_S_MAX = 10.0
WAIT_S = "5"
MILLION = 1_000_000
COUNTERS = PASSED, DROPPED, DELAYED = ("passed", "dropped", "delayed")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Refused(Exception):
    """What was asked cannot be done here; the message says why."""


class Firewall:
    """The chain of one run on this machine; its name is `LINEAL-<run id>`."""

    def __init__(self, chain: str) -> None:
        self.chain = chain
        self._rules: list[tuple[str, int]] = []
        self._fates: list[tuple[str, int]] = []
        self._counted: list[dict[str, int]] = []

    def make(self) -> None:
        """Make the chain. Raises Refused, for example for want of rights; then there is none."""
        run(["iptables", "-w", WAIT_S, "-N", self.chain])

    def open(self, peers: Iterable[tuple[str, int]]) -> None:
        """Let everything that comes in pass the chain, with nothing cut. Raises Refused."""
        self._rules = list(peers)
        self._fates = [(PASSED, 0)] * len(self._rules)
        self._counted = [dict.fromkeys(COUNTERS, 0) for _ in self._rules]
        self._restore()
        run(["iptables", "-w", WAIT_S, "-I", "INPUT", "1", "-j", self.chain])

    def become(
        self, cut: Iterable[str], held: Iterable[str] = (), lost: Mapping[str, int] | None = None
    ) -> None:
        """Drop what comes from exactly these addresses, in one step. Raises Refused.

        What is cut or held is dropped whole, of what is lost so many packets in a million. A sender
        sends again what a link holds, so it is counted as delayed.
        """
        silenced, holding, losing = frozenset(cut), frozenset(held), lost or {}
        self.count()
        self._fates = [
            (DROPPED, MILLION) if address in silenced
            else (DELAYED, MILLION) if address in holding
            else (DROPPED, losing[address]) if address in losing
            else (PASSED, 0)
            for address, _ in self._rules
        ]  # fmt: skip
        self._restore()

    def count(self) -> dict[str, dict[str, int]]:
        """Packets of each address since the chain was made. Raises Refused."""
        said = run(["iptables", "-w", WAIT_S, "-Z", "-nvxL", self.chain]).splitlines()
        packets = [
            int(words[0]) for line in said if (words := line.split()) and words[0].isdecimal()
        ]
        lines = [
            (place, counter)
            for place, fate in enumerate(self._fates)
            for counter, _ in _lines(fate)
        ]
        for (place, counter), number in zip(lines, packets, strict=False):
            self._counted[place][counter] += number
        return {
            address: dict(counted)
            for (address, _), counted in zip(self._rules, self._counted, strict=True)
        }

    def chances(self) -> dict[str, int]:
        """How many packets in a million of each address the chain drops, as the kernel tells.

        Raises Refused.
        """
        found = dict.fromkeys((address for address, _ in self._rules), 0)
        for line in run(["iptables", "-w", WAIT_S, "-S", self.chain]).splitlines():
            words = line.split()
            if "-s" in words and words[-1] == "DROP":
                address = words[words.index("-s") + 1].removesuffix("/32")
                chance = float(words[words.index("--probability") + 1]) if "random" in words else 1
                found[address] = round(chance * MILLION)
        return found

    def _restore(self) -> None:
        """The whole chain anew in one transaction; `--noflush` leaves all others as they are."""
        lines = ["*filter", f":{self.chain} - [0:0]"]
        for (address, port), fate in zip(self._rules, self._fates, strict=True):
            start = f"-A {self.chain} -s {address} -p tcp -m tcp --dport {port}"
            lines += [f"{start} {end}" for _, end in _lines(fate)]
        run(["iptables-restore", "-w", WAIT_S, "--noflush"], "\n".join([*lines, "COMMIT", ""]))


def _lines(fate: tuple[str, int]) -> list[tuple[str, str]]:
    """The ends of an address's rules, and what each of them counts."""
    counter, chance = fate
    if not chance:
        return [(PASSED, "-j RETURN")]
    if chance == MILLION:
        return [(counter, "-j DROP")]
    by_chance = f"-m statistic --mode random --probability {chance / MILLION:.6f} -j DROP"
    return [(counter, by_chance), (PASSED, "-j RETURN")]


def remove(chain: str) -> None:
    """Take the chain away, as far as it is there. Raises Refused if it stays."""
    for step in (["-D", "INPUT", "-j", chain], ["-F", chain], ["-X", chain]):
        try:
            run(["iptables", "-w", WAIT_S, *step])
        except Refused:
            continue
    if f"-N {chain}\n" in run(["iptables", "-w", WAIT_S, "-S"]):
        raise Refused(f"the chain {chain} could not be removed")


def reset(peers: Iterable[tuple[str, int]]) -> bool:
    """Reset connections from here to these addresses and ports; False where that is not known.

    After a cut a connection would wait out what is left of its back-off, as long again as the cut.
    """
    wanted = " or ".join(f"dst {address}:{port}" for address, port in peers)
    try:
        run(["ss", "-K", "-t", "-n", "state", "connected", f"( {wanted} )"])
    except Refused:
        return False
    return True


def run(command: Sequence[str], fed: str = "") -> str:
    """What a program prints that needs root. Raises Refused with what it complained of."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        done = subprocess.run(
            [*sudo, *command],
            input=fed,
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
            env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{PATH}", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        if sudo and error.filename == "sudo":
            raise Refused(_needs_root("there is no sudo here")) from error
        raise Refused(f"there is no {command[0]} here: install it") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]}: {error}") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"ended with status {done.returncode}"
        if sudo and said.startswith("sudo:"):
            raise Refused(_needs_root(said))
        raise Refused(f"{' '.join(command[:1])}: {said}")
    return done.stdout


def _needs_root(said: str) -> str:
    return (
        f"packet filters need root, and {said}; log in as root, or let {getpass.getuser()} run "
        "iptables, iptables-restore and ss by sudo without a password"
    )
