"""Eventual reads, against a log whose replicas lag; broken, they name the slot before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.rng import Rng
from tests.workloads.runs import kinds, record, verdicts
from tests.workloads.stores import ok
from workloads import eventual_reads
from workloads.generators.conformance import check_generator
from workloads.parameters import WrongParameters

if TYPE_CHECKING:
    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng as AnyRng
    from workloads.generators.schedule import Ending


@dataclass
class Log:
    """Registers in one log; an eventual read is of any slot that the reader is content with."""

    broken: bool = False
    states: list[dict[str, Any]] = field(default_factory=lambda: [{}])

    def __call__(self, op: Invocation, rng: AnyRng) -> Ending:
        slot = len(self.states) - 1
        if op.f == "read":
            return ok(rng, self.states[-1].get(op.key), slot=slot)
        if op.f == "read-eventual":
            at = rng.between(min(op.input or 0, slot), slot)
            named = at - 1 if self.broken and at else at
            return ok(rng, self.states[at].get(op.key), slot=named)
        held = self.states[-1].get(op.key)
        swaps = op.f == "write" or held == op.input[0]
        new = op.input if op.f == "write" else op.input[1]
        self.states.append({**self.states[-1], op.key: new} if swaps else self.states[-1])
        return ok(rng, None if op.f == "write" else swaps, slot=slot + 1)


def test_a_log_whose_replicas_lag_is_valid() -> None:
    workload = eventual_reads.make()
    found = verdicts(workload, record(workload, Log()))
    assert {verdict.status for verdict in found.values()} == {"valid"}


def test_answers_that_name_the_slot_before_are_found_out() -> None:
    workload = eventual_reads.make()
    assert kinds(workload, record(workload, Log(broken=True))) == {"wrong-slot"}


def test_half_of_the_eventual_reads_ask_for_the_slot_that_their_process_saw_last() -> None:
    history = record(eventual_reads.make(), Log())
    asked = [op.input for op in history.operations("read-eventual")]
    assert all(slot is None or slot >= 0 for slot in asked)
    assert 0.3 < sum(slot is not None for slot in asked) / len(asked) < 0.6


def test_the_generator_keeps_the_rules() -> None:
    assert check_generator(eventual_reads.make().generator, streams=Rng) == []


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(WrongParameters, match="leave some for strong reads"):
        eventual_reads.make(writes=50, swaps=10, eventual=40)
