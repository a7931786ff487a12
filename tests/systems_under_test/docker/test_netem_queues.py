"""All that `tc` is told on behalf of netem, and how answers of a kernel that has it are read.

The answers are in the form in which kernels with netem give them; this machine's may have none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.docker.kernel_links import KernelLinks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems_under_test.environments.docker.entrances import Program

MS = 1_000_000
ADDRESSES = {"n1": "10.1.0.11", "n2": "10.1.0.12", "n3": "10.1.0.13"}
LINK = ("n1", "n2")
HTB = '{"kind":"htb","handle":"4c69:","root":true,"options":{"default":"0"},%s}'
NETEM = (
    '{"kind":"netem","handle":"8002:","parent":"4c69:1","options":{"limit":10000,'
    '"delay":{"delay":0.125,"jitter":0.025,"correlation":0},"ecn":false,"gap":0},%s}'
)
QUEUE = ["qdisc add dev eth0 root handle 4c69: htb default 0"]
CLASS = "class add dev eth0 parent 4c69: classid 4c69:1 htb rate 10gbit quantum 60000"
MATCH = "u32 match ip dst 10.1.0.12/32 flowid 4c69:1"
FILTER = f"filter add dev eth0 parent 4c69: protocol ip prio 1 {MATCH}"
SLOW = LinkQuality(delay_ns=100 * MS, jitter_ns=50 * MS)


class Kernel:
    """Writes down what it is told, and gives the answers that were put into its mouth."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str], str]] = []
        self.queues = dict.fromkeys(ADDRESSES, "[]")

    def run(self, programs: Mapping[str, Program]) -> Mapping[str, str]:
        answers = {}
        for node, (line, fed) in programs.items():
            command = list(line)
            if command == ["tc", "-s", "-j", "qdisc", "show", "dev", "eth0"]:
                answers[node] = self.queues[node]
            elif command == ["nft", "-j", "list", "ruleset", "ip"]:
                answers[node] = '{"nftables": [{"metainfo": {"json_schema_version": 1}}]}'
            else:
                self.told.append((node, command, fed))
                answers[node] = ""
        return answers

    def tells(self, node: str, *queues: str, **counts: int) -> None:
        """Answer so from now on."""
        counted = {"bytes": 0, "packets": 0, "drops": 0, "overlimits": 0, "requeues": 0} | counts
        inner = json.dumps(counted)[1:-1]
        self.queues[node] = "[" + ",".join(queue % inner for queue in queues) + "]"


def links_of(kernel: Any) -> KernelLinks:
    return KernelLinks("ab", ADDRESSES, kernel, lambda _: True)


def test_a_slow_link_is_one_batch_in_the_senders_network_and_is_taken_away_by_one_line() -> None:
    kernel = Kernel()
    links = links_of(kernel)
    links.shape({LINK: SLOW})
    delayed = "qdisc add dev eth0 parent 4c69:1 netem limit 10000 delay 125000us 25000us"
    batch = "".join(f"{line}\n" for line in [*QUEUE, CLASS, delayed, FILTER])
    assert kernel.told == [("n1", ["tc", "-batch", "-"], batch)]
    assert links.method == "kernel: netem"

    kernel.told.clear()
    kernel.tells("n1", HTB, NETEM)
    links.shape({})
    assert kernel.told == [
        ("n1", ["tc", "-batch", "-"], "qdisc del dev eth0 root handle 4c69:\n"),
    ]


def test_what_came_through_the_queue_is_counted_and_kept_when_it_goes() -> None:
    kernel = Kernel()
    links = links_of(kernel)
    links.shape({LINK: SLOW})
    kernel.tells("n1", HTB, NETEM, packets=48, drops=3)
    assert links.qualities()[LINK] == SLOW
    assert links.counters()[LINK] == {"delayed": 48, "dropped": 3, "duplicated": 0, "arrived": 0}
    links.shape({})
    kernel.tells("n1")
    assert links.qualities()[LINK] == LinkQuality()
    assert links.counters()[LINK]["delayed"] == 48


def test_a_queue_that_somebody_takes_away_or_makes_is_seen() -> None:
    kernel = Kernel()
    links = links_of(kernel)
    links.shape({LINK: SLOW})
    kernel.tells("n1", HTB)
    assert links.qualities()[LINK] == LinkQuality()
    links.shape({})
    kernel.tells("n1", HTB, NETEM)
    assert links.qualities()[LINK] != LinkQuality()


def test_the_trial_of_netem_in_a_node_is_undone() -> None:
    kernel = Kernel()
    links_of(kernel).check("n1", {"loss_ppm"})
    assert kernel.told == []
    links_of(kernel).check("n1", {"delay_ns"})
    assert [" ".join(line) for _, line, _ in kernel.told] == [
        "tc qdisc add dev lo root netem delay 1ms",
        "tc qdisc del dev lo root",
    ]
