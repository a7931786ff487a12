"""The workloads over transactions and over a map, against stores in memory, some broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from systems_under_test.rng import Rng
from tests.workloads.runs import kinds, record, verdicts
from tests.workloads.stores import ok
from workloads import bank, kv, list_append
from workloads.generators.conformance import check_generator
from workloads.generators.schedule import Ending
from workloads.parameters import WrongParameters

if TYPE_CHECKING:
    from collections.abc import Callable

    from workloads.generators import Invocation
    from workloads.generators.protocol import Rng as AnyRng
    from workloads.workload import Workload

MAKERS: list[Callable[[], Workload]] = [kv.make, list_append.make, bank.make]


@dataclass
class Transactions:
    """One copy of everything; broken, a transaction forgets its last step now and then."""

    broken: bool = False
    held: dict[tuple[Any, str], Any] = field(default_factory=dict)
    count: int = 0

    def __call__(self, op: Invocation, rng: AnyRng) -> Ending:
        """Carry out a transaction, or a step on one key."""
        if op.f != "txn":
            return self._single(op, rng)
        after, answers = dict(self.held), []
        for verb, name, value in op.input:
            place = (op.key, name)
            held = after.get(place)
            if verb == "r" and value is not None and held != value:
                return Ending("fail", 1, "refused")
            if verb == "append":
                after[place] = [*(held or []), value]
            elif verb == "w":
                after[place] = value
            answers.append([verb, name, held if verb == "r" else value])
        writes = [(op.key, name) for verb, name, _ in op.input if verb != "r"]
        self.count += bool(writes)
        if writes and self.broken and self.count % 7 == 0:
            after[writes[-1]] = self.held.get(writes[-1])
        self.held = after
        return ok(rng, answers)

    def _single(self, op: Invocation, rng: AnyRng) -> Ending:
        place = (None, str(op.key))
        if op.f == "get":
            return ok(rng, self.held.get(place))
        self.count += 1
        if not (self.broken and self.count % 7 == 0):
            before = self.held.get(place) or ""
            self.held[place] = {"put": op.input, "append": before + (op.input or "")}.get(op.f)
        return ok(rng)


@pytest.mark.parametrize("make", MAKERS)
def test_a_correct_store_is_found_valid(make: Callable[[], Workload]) -> None:
    workload = make()
    found = verdicts(workload, record(workload, Transactions()))
    assert {v.status for n, v in found.items() if n != "sessions"} == {"valid"}


@pytest.mark.parametrize("make", MAKERS)
def test_a_store_that_forgets_writes_is_found_out(make: Callable[[], Workload]) -> None:
    workload = make()
    assert "not-linearizable" in kinds(workload, record(workload, Transactions(broken=True)))


def test_money_that_vanishes_is_found_by_the_total() -> None:
    workload = bank.make()
    assert "wrong-total" in kinds(workload, record(workload, Transactions(broken=True)))


@pytest.mark.parametrize("make", MAKERS)
def test_the_generator_keeps_the_rules(make: Callable[[], Workload]) -> None:
    assert check_generator(make().generator, streams=Rng) == []


def test_the_accounts_are_opened_again_until_that_succeeds() -> None:
    store, refusals = Transactions(), [1, 2]

    def refusing(op: Invocation, rng: AnyRng) -> Ending:
        return Ending("fail", refusals.pop(), "later") if refusals else store(op, rng)

    history = record(bank.make(), refusing)
    asked = list(history.operations("txn"))
    openings = [op for op in asked if op.input[0][0] == "w"]
    assert [op.outcome for op in openings[:3]] == ["fail", "fail", "ok"]
    assert asked[: len(openings)] == openings


def test_every_element_appended_is_unique() -> None:
    history = record(list_append.make(), Transactions())
    added = [
        value for op in history.operations("txn") for verb, _, value in op.input if verb == "append"
    ]
    assert len(added) > 100
    assert len(set(added)) == len(added)


def test_transfers_move_money_between_two_accounts_on_a_condition() -> None:
    history = record(bank.make(), Transactions())
    transfers = [op for op in history.operations("txn", outcome="ok") if len(op.input) == 4]
    assert len(transfers) > 30
    for op in transfers:
        (_, a, before_a), (_, b, before_b), (_, _, after_a), (_, _, after_b) = op.input
        assert a != b
        assert after_a >= 0
        assert before_a + before_b == after_a + after_b


@pytest.mark.parametrize(
    ("make", "parameters", "sentence"),
    [
        (bank.make, {"accounts": 1}, "accounts is 1"),
        (bank.make, {"transfers": 100}, "leave some for reads"),
        (kv.make, {"puts": 50, "appends": 50}, "leave some for gets"),
        (list_append.make, {"steps": 0}, "steps is 0"),
    ],
)
def test_what_is_wrong_is_said(make: Any, parameters: dict[str, int], sentence: str) -> None:
    with pytest.raises(WrongParameters, match=sentence):
        make(**parameters)
