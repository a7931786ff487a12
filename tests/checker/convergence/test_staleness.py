from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checker.convergence.contexts import Versions
from checker.convergence.registers import registers
from checker.convergence.staleness import Staleness, is_atomic, read_lags, version_lags
from checker.history.notation import parse
from checker.linearizability.checker import check
from checker.models.register import Register
from tests.checker.convergence.registers_at_random import register_history
from tests.checker.judging import judged

if TYPE_CHECKING:
    from checker.history.columns import History


def lags(text: str) -> list[tuple[int, int]]:
    (register,) = registers(parse(text))
    return read_lags(register)


def observed(text: str) -> dict[str, Any]:
    verdict = judged(Staleness(), text)
    assert verdict.status == "valid"
    return dict(verdict.observed)


def lags_by_definition(history: History) -> list[tuple[int, int]]:
    """Every read against every write, with no index and no order."""
    operations = list(history)
    writes = [op for op in operations if op.f == "write" and op.ret is not None]
    reads = [op for op in operations if op.f == "read"]
    found = []
    for read in reads:
        seen = [op.ret for op in writes if op.input == read.output]
        seen += [op.ret for op in reads if op.output == read.output]
        settled = -1 if read.output is None else min(ret for ret in seen if ret is not None)
        newer = [w for w in writes if w.call > settled and w.ret is not None and w.ret < read.call]
        since = min((w.ret for w in newer if w.ret is not None), default=read.call)
        found.append((len(newer), read.call - since))
    return found


def test_a_fresh_read_misses_nothing() -> None:
    assert (
        lags("""
        p0: write 1 -> ok
        p1: read -> 1
        p0: write 2
        p1: read -> 1
        p0: -> ok
        p1: read -> 2
    """)
        == [(0, 0)] * 3
    )


def test_a_stale_read_misses_what_was_written_between_and_lags_since_the_first_of_it() -> None:
    assert lags("""
        p0: write 1 @0 -> ok @10
        p0: write 2 @20 -> ok @30
        p0: write 3 @40 -> ok @50
        p1: read @75 -> 1 @80
        p1: read @85 -> null @90
    """) == [(2, 45), (3, 75)]


def test_concurrent_writes_are_not_missed() -> None:
    assert lags("""
        p0: write 1 @0
        p1: write 2 @1
        p0: -> ok @10
        p1: -> ok @11
        p2: read @20 -> 1 @21
        p2: read @22 -> 2 @23
    """) == [(0, 0), (0, 0)]


def test_a_value_that_was_read_is_known_to_be_written_also_without_an_answer() -> None:
    assert lags("""
        p0: write 1 -> info
        p1: read -> 1
        p2: write 2 @10 -> ok @20
        p1: read @25 -> 1 @30
    """) == [(0, 0), (1, 5)]


def test_lags_equal_the_definition_on_random_histories() -> None:
    for seed in range(300):
        history = register_history(seed)
        for register in registers(history):
            if not register.unwritten:
                assert read_lags(register) == lags_by_definition(history), f"seed {seed}"


def test_atomicity_by_zones_is_linearizability_of_a_register() -> None:
    atomic = 0
    for seed in range(400):
        history = register_history(seed)
        (register,) = registers(history)
        legal = check(history, Register()).status != "invalid"
        assert is_atomic(register) == legal, f"seed {seed}"
        atomic += legal
    assert 50 < atomic < 350


def test_k_is_at_least_one_more_than_the_versions_missed() -> None:
    text = """
        p0: write 1 -> ok
        p0: write 2 -> ok
        p0: write 3 -> ok
        p1: read -> 1
    """
    found = observed(text)
    assert found["k_at_least"] == 3
    assert found["keys"] == {"not_atomic": 1}
    assert found["stale_reads"] == 1
    assert found["versions_missed"]["max"] == 2


def test_a_history_that_is_not_atomic_needs_two_versions_even_if_no_read_is_surely_stale() -> None:
    found = observed("""
        p0: write 1 @0
        p1: write 2 @0
        p0: -> ok @10
        p1: -> ok @10
        p2: read @20 -> 1 @21
        p2: read @30 -> 2 @31
        p2: read @40 -> 1 @41
    """)
    assert found["stale_reads"] == 0
    assert (found["k_at_least"], found["keys"]) == (2, {"not_atomic": 1})


def test_compare_and_set_is_measured_without_atomicity() -> None:
    found = observed("""
        p0: cas [null, 1] -> true
        p0: cas [7, 8] -> false
        p1: read -> 1
    """)
    assert found["keys"] == {"atomicity_not_measured": 1}
    assert found["reads"] == 2  # A compare-and-set that succeeded had seen the old value.


def test_a_key_whose_values_do_not_tell_their_writes_is_not_measured() -> None:
    found = observed("""
        p0: write 1 -> ok
        p0: write 1 -> ok
        p1: write 5 key="y" -> ok
        p1: append 5 key="z" -> ok
        p1: read key="z" -> 5
    """)
    assert found["keys"] == {"atomic": 1, "not_measured": 2}
    assert len(found["not_measured"]) == 2


def test_measures_the_versions_that_gets_missed() -> None:
    text = """
        p0: put x {"value": 1} @0 -> {"id": "a", "context": "c1"} @10
        p0: put x {"value": 2, "context": "c1"} @11 -> {"id": "b", "context": "c2"} @20
        p1: get x @25 -> {"versions": [{"id": "a", "value": 1}]} @30
        p1: get x @35 -> {"versions": []} @40
        p1: get x @45 -> {"versions": [{"id": "b", "value": 2}]} @50
        p2: delete x {"context": "c2"} @51 -> info @52
        p1: get x @55 -> {"versions": []} @60
    """
    graph = Versions.of(parse(text)).by_key["x"]
    assert version_lags(graph) == [(1, 5), (2, 25), (0, 0), (0, 0)]
    assert observed(text)["lag_ns"]["max"] == 25


@pytest.mark.parametrize("text", ["", "p0: enqueue 1 -> ok", "p0: write 1 -> ok\np1: read -> info"])
def test_nothing_to_measure_is_too_little(text: str) -> None:
    assert judged(Staleness(), text).cause == (
        "too little observed: no read of a register or of versions was answered"
    )
