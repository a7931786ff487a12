"""Local failure detection: a peer that did not answer is left out for a while and probed again.

Nothing of it is shared. Only an answer to something that this node asked counts as a sign of life:
under a one-way cut a peer's own messages keep arriving while it hears nothing of ours.

Source: DeCandia et al., SOSP 2007, 4.8.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from systems_under_test.dynamo.configuration import MS
from systems_under_test.dynamo.messages import Ping

if TYPE_CHECKING:
    from systems_under_test.dynamo.configuration import Configuration
    from systems_under_test.dynamo.counters import Counters
    from systems_under_test.dynamo.step import Step

PROBE: Final = "probe"


class FailureDetection:
    """Who answers, as this node sees it. Everybody does until the contrary is seen."""

    def __init__(self, configuration: Configuration, counters: Counters) -> None:
        self._patience = configuration.replica_timeout
        self._interval = configuration.probe_interval_ms * MS
        self._counters = counters
        self._answered: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self.left_out: dict[str, int] = {}
        """Since when a peer is left out, in nanoseconds of this node's clock."""

    def start(self, step: Step) -> None:
        """Begin to probe."""
        step.set_jittered(PROBE, self._interval)

    def is_up(self, peer: str) -> bool:
        """Whether the peer is asked; a node always is up to itself."""
        return peer not in self.left_out

    def asked(self, step: Step, peer: str) -> None:
        """Something was sent that must be answered; `on_probe` looks whether it was."""
        self._asked.setdefault(peer, step.mono)

    def answered(self, step: Step, peer: str) -> bool:
        """The peer answered something; whether it had been left out until now."""
        self._answered[peer] = step.mono
        self._asked.pop(peer, None)
        if self.left_out.pop(peer, None) is None:
            return False
        self._counters.peers_back += 1
        step.log("peer-back", peer=peer)
        return True

    def missed(self, step: Step, peer: str, asked_at: int) -> None:
        """Nothing came within the time-out: leave the peer out, unless it answered anything since.

        A single lost message says little about a peer that keeps answering others.
        """
        if peer in self.left_out or self._answered.get(peer, -1) > asked_at:
            return
        self.left_out[peer] = step.mono
        self._counters.peers_left_out += 1
        step.log("peer-left-out", peer=peer)

    def on_probe(self, step: Step) -> None:
        """Look for answers that are overdue, and ask those who are left out once more."""
        for peer, asked_at in list(self._asked.items()):
            if step.mono - asked_at >= self._patience:
                del self._asked[peer]
                self.missed(step, peer, asked_at)
        for peer in self.left_out:
            step.send(peer, Ping())
        step.set_jittered(PROBE, self._interval)
