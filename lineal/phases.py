"""The phases of a run after its cluster is up.

Drive under faults, heal, wait until everyone answers, wait until quiescent, dump every replica,
read everything. The order matters: a dump repairs nothing and judges convergence, so it comes
before the reads, which repair.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from checker.convergence.siblings import differences_to_read_again
from checker.history.columns import History
from lineal.health import STATUS_TIMEOUT_NS
from lineal.live_check import WhileFine
from nemesis.administration import administrator
from nemesis.membership import CHANGES
from nemesis.schedule import QuietTail
from systems_under_test.environments.cluster import EnvironmentFailed
from workloads.client import Reply
from workloads.generators import (
    first_of,
    on_clients,
    on_nemesis,
    phases,
    stagger,
    time_limit,
)
from workloads.invocations import invoke

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineal.definition import Test
    from lineal.health import Health
    from lineal.interpreters.world import World
    from lineal.live_check import LiveCheck
    from workloads.generators.protocol import Generator

SECOND: Final = 1_000_000_000
POLL_NS: Final = SECOND // 5
CALM_ROUNDS: Final = 2
"""A digest may be equal by chance of timing: quiescent is what stays so for a second round."""

READING_ROUNDS_MAX: Final = 3

logger = logging.getLogger("lineal.phases")


@dataclass(frozen=True, slots=True)
class Phases:
    """Carries a test through its phases in a world; `tell` is given the name of each phase.

    A live check ends the driving when it finds a violation.
    """

    test: Test
    world: World
    health: Health
    tell: Callable[[str], None]
    live: LiveCheck | None = None

    def all(self) -> None:
        """Every phase in order. Final reads only once the cluster is quiescent."""
        self.await_ready()
        self.drive()
        self.heal()
        if self.await_recovered() and self.await_quiescent():
            self.note_members()
            self.read_everything()
        self.note_deaths()

    def await_ready(self) -> None:
        """Wait until every node answers; EnvironmentFailed where one does not in time."""
        self.tell("starting")
        silent = self._await_answers(self.test.ready_limit_s)
        if silent:
            raise EnvironmentFailed(
                f"not ready within {self.test.ready_limit_s:g} s: {'; '.join(silent)}"
            )

    def drive(self) -> None:
        """Clients and nemesis side by side for the time limit."""
        self.tell("driving")
        test = self.test
        workload = on_clients(stagger(1 / test.rate, test.made_workload.generator))
        breaking = on_nemesis(QuietTail(test.plan.schedule, test.faults_end_ns))
        # The faults first among equals: drawn, a fault more or less would reshuffle the clients.
        driving = time_limit(test.time_limit_s, first_of(breaking, workload))
        self.world.run(driving if self.live is None else WhileFine(driving, self.live))
        if self.live is not None and self.live.violation is not None:
            self._note("stopped", {"not_linearizable": self.live.violation})
        elif self.live is not None and self.live.gave_up is not None:
            self._note("live-check-gave-up", {"reason": self.live.gave_up})
        self.note_deaths()
        desk = self.world.desk
        missed = test.missed_nemeses(desk.injected, set(desk.asked_by.values()))
        if missed:
            self._note("not-injected", {"nemeses": missed})
        asked: dict[str, list[int]] = {}
        for number, name in desk.asked_by.items():
            asked.setdefault(name, []).append(number)
        if len(asked) > 1:  # Of one plan alone the faults tell by themselves.
            self._note("asked", {"plans": asked})

    def heal(self) -> None:
        """Heal every fault that is open, newest first, and start what died of itself."""
        self.tell("healing")
        faults = sorted(self.world.desk.faults, reverse=True)
        if faults:
            self.world.run(on_nemesis(phases(*(invoke("heal", {"fault": n}) for n in faults))))
        for node in self.world.cluster.nodes.values():
            if node.state() == "dead":
                node.start()

    def await_recovered(self) -> bool:
        """Wait until every node answers again, and record how long it took."""
        self.tell("recovering")
        began = self.world.now()
        silent = self._await_answers(self.test.recovery_limit_s)
        self._note("not-quiescent", {"reasons": silent}) if silent else self._note(
            "recovered", {"after_ns": self.world.now() - began}
        )
        return not silent

    def await_quiescent(self) -> bool:
        """Wait until the cluster is at rest in successive rounds, and record how long it took."""
        self.tell("settling")
        began = self.world.now()
        calm = 0
        while True:
            reasons = self._orders() + self.health.unrest()
            calm = 0 if reasons else calm + 1
            if calm >= CALM_ROUNDS:
                self._note("quiescent", {"after_ns": self.world.now() - began})
                return True
            if self.world.now() - began > self.test.recovery_limit_s * SECOND:
                self._note("not-quiescent", {"reasons": reasons})
                return False
            self.world.wait(POLL_NS)

    def note_members(self) -> None:
        """Where faults changed members: record who they are now by each node, and who they were."""
        test, administration = self.test, self.test.administration
        request = getattr(administration, "members_request", None)
        if request is None or not self.world.desk.injected & CHANGES.keys():
            return
        assert administration is not None
        replies = self.world.ask(dict.fromkeys(test.nodes, request), STATUS_TIMEOUT_NS)
        told = {n: administration.members(r) for n, r in replies.items() if isinstance(r, Reply)}
        members = {node: list(said) for node, said in told.items() if said is not None}
        first = [node for node in test.nodes if node not in test.spares]
        self._note("members", {"at_first": first, "at_the_end": members})

    def read_everything(self) -> None:
        """Dump every replica and read every key; again while only unsettled writes differ.

        A write that nobody acknowledged may arrive between two dumps: that is no fault of the
        system, and settles.
        """
        for _ in range(READING_ROUNDS_MAX):
            self._read_once()
            if not differences_to_read_again(History.read(self.world.desk.recorder.path)):
                return
            self.world.wait(SECOND)

    def _read_once(self) -> None:
        self.tell("reading")
        nodes = self.test.nodes
        if self.test.has_dump:
            dumps = (invoke("dump", node=node) for node in nodes)
            self.world.run(on_clients(phases(*dumps)))
        final: Generator | None = self.test.made_workload.final_generator(nodes)
        if final is not None:
            self.world.run(on_clients(final))

    def _orders(self) -> list[str]:
        """Orders to the system itself that are not carried out yet."""
        orders = administrator(self.world.cluster)
        return [] if orders is None else orders.under_way()

    def note_deaths(self) -> None:
        """Record every node that died though nobody killed it."""
        for name in self.world.cluster.unprovoked_deaths():
            self._note("node-died", {"node": name})

    def _await_answers(self, limit_s: float) -> list[str]:
        """Wait until all nodes serve; otherwise which do not, and what they do instead."""
        began = self.world.now()
        while True:
            silent = self.health.silent()
            if not silent or self.world.now() - began > limit_s * SECOND:
                return silent
            self.world.wait(POLL_NS)

    def _note(self, f: str, output: object) -> None:
        self.world.desk.note(f, self.world.now(), output)
