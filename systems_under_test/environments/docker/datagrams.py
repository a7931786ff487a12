"""Whether packets pass between nodes, tried with datagrams from supervisor to supervisor."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Final

from systems_under_test.environments.cluster import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from systems_under_test.environments.cluster import Link
    from systems_under_test.environments.docker.engine import Engine
    from systems_under_test.environments.docker.node import DockerNode

LOOK_S: Final = 0.005


def datagram_latencies(
    engine: Engine, nodes: Mapping[str, DockerNode], within_s: Mapping[Link, float]
) -> dict[Link, int | None]:
    """For each link in how many nanoseconds a datagram came through.

    None if one of its ends does not run, or none came through in the seconds that it is given.
    """
    probe = secrets.token_hex(8)
    ends = sorted({end for link in within_s for end in link})
    states = engine.side_by_side(lambda name: nodes[name].state(), ends)
    running = {name for name, state in zip(ends, states, strict=True) if state == "running"}
    wanted = {link for link in within_s if running.issuperset(link)}
    heard: dict[Link, int] = {}

    def send(sender: str) -> None:
        to = {b: nodes[b].address for a, b in sorted(wanted) if a == sender}
        _or_nothing(lambda: nodes[sender].supervised.ask("send", probe=probe, to=to))

    def listen(receiver: str) -> None:
        answer = _or_nothing(lambda: nodes[receiver].supervised.ask("heard", probe=probe))
        heard.update(
            ((sender, receiver), int(took)) for sender, took in answer.get("from", {}).items()
        )

    engine.side_by_side(send, sorted({sender for sender, _ in wanted}))
    began = time.monotonic()
    while True:
        passed_s = time.monotonic() - began
        missing = wanted - heard.keys()
        engine.side_by_side(listen, sorted({receiver for _, receiver in missing}))
        # One that is late now has been listened for once more.
        if all(passed_s > within_s[link] for link in wanted - heard.keys()):
            return {link: heard.get(link) for link in within_s}
        time.sleep(LOOK_S)


def _or_nothing(ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """A container that is killed or paused meanwhile hears and sends nothing."""
    try:
        return ask()
    except EnvironmentFailed:
        return {}
