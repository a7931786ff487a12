"""The invariants as far as diagnostics and status pages show them: for clusters of real processes.

* One value per slot: replicas that have applied the same slot have the same digest of the log.
* Promises never decrease, in all lives of a node.
* Within a life the applied slot never goes back.
* One holder of the lease: no node holds it while another leads one ballot, before and after, with a
  lease that has not ended meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from systems_under_test.environments.http_client import HttpClient
from workloads.client import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from systems_under_test.environments.cluster import LiveCluster

Line = dict[str, Any]


LINE = re.compile(r"\S+Z mono=\S+ \S+/(?P<life>\d+) (?P<event>promised|applied) (?P<said>.*)")


def lines_of(text: str) -> list[Line]:
    """The lines of a node's log that matter here; a killed node may leave half a one."""
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is not None:
            said = dict(part.partition("=")[::2] for part in match["said"].split())
            with contextlib.suppress(json.JSONDecodeError):
                fields = {name: json.loads(value) for name, value in said.items()}
                life = int(match["life"])
                found.append({**fields, "event": match["event"], "incarnation": life})
    return found


def broken_by(logs: Mapping[str, Iterable[Line]]) -> list[str]:
    """What the logs of the nodes say against the invariants, in sentences."""
    wrong: list[str] = []
    digests: dict[int, tuple[str, str]] = {}
    for name, lines in logs.items():
        promised = (0, "")
        applied: dict[int, int] = {}
        for line in lines:
            if line.get("event") == "promised":
                ballot = (line["round"], line["owner"])
                if ballot < promised:
                    wrong.append(f"{name} promised {ballot} after {promised}")
                promised = ballot
            elif line.get("event") == "applied":
                slot, life = line["slot"], line["incarnation"]
                if slot <= applied.get(life, 0):
                    wrong.append(f"{name} applied slot {slot} after {applied[life]} in one life")
                applied[life] = slot
                other = digests.setdefault(slot, (line["digest"], name))
                if other[0] != line["digest"]:
                    wrong.append(f"{name} and {other[1]} differ in the log up to slot {slot}")
    return wrong


def applied_lines(logs: Mapping[str, Iterable[Line]]) -> int:
    """How much there was to compare."""
    return sum(line.get("event") == "applied" for lines in logs.values() for line in lines)


class Look:
    """What a node said of its lease, and when it was asked and had answered (ns)."""

    def __init__(self, asked: int, status: Mapping[str, Any], answered: int) -> None:
        self.asked = asked
        self.answered = answered
        self.node = status["node"]
        self.ballot = status["ballot"] if status["role"] == "leader" else None
        self.left = int(status["lease_left_ms"] * 1_000_000)


def two_holders(looks: Sequence[Look]) -> list[str]:
    """Where one node's look at its lease falls between two of another that held on all the time.

    A leader that stepped down never leads again in that ballot: so one that leads it in both looks,
    and whose lease of the first had not run out by the second, has held it in between.
    """
    wrong = []
    by_node: dict[str, list[Look]] = {}
    for look in looks:
        by_node.setdefault(look.node, []).append(look)
    for node, seen in by_node.items():
        for first, second in pairwise(seen):
            held = first.ballot is not None and first.ballot == second.ballot
            if not held or first.asked + first.left < second.answered:
                continue
            wrong += [
                f"{other.node} and {node} held the lease at {other.answered}"
                for other in looks
                if other.node != node
                and other.ballot is not None
                and other.left > 0
                and first.answered <= other.asked
                and other.answered <= second.asked
            ]
    return wrong


class Watch:
    """Looks at the lease of every node by turns, in a thread, until told to stop."""

    def __init__(
        self, cluster: LiveCluster, *, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.looks: list[Look] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        clients = {n: HttpClient(self._cluster.client_address(n)) for n in self._cluster.nodes}
        while not self._end.wait(0.005):
            for client in clients.values():
                asked = self._clock()
                reply = client.call(Request("GET", "/status"), 0.5)
                if isinstance(reply, Reply):
                    self.looks.append(Look(asked, json.loads(reply.body), self._clock()))
        for client in clients.values():
            client.close()
