from __future__ import annotations

from collections import defaultdict

import pytest

from checker.sessions.hits import OwnWrites
from systems_under_test.rng import Rng
from tests.checker.judging import judged
from tests.workloads.runs import record, verdicts
from tests.workloads.stores import Versioned
from workloads import sessions
from workloads.generators.conformance import check_generator
from workloads.parameters import WrongParameters

PUT = 'p1: put x {"value": %d} -> {"id": "n1.1.%d", "context": "%s"}\n'
ONE, TWO = '{"id": "n1.1.1", "value": 1}', '{"id": "n1.1.2", "value": 2}'


def read(process: str, *versions: str) -> str:
    return f'{process}: get x -> {{"versions": [{", ".join(versions)}]}}\n'


def test_reads_after_an_own_write_are_counted_with_those_that_found_it() -> None:
    text = read("p1") + PUT % (1, 1, "A") + read("p1", ONE) + read("p1") + read("p2", ONE)
    verdict = judged(OwnWrites(), text)
    assert verdict.status == "valid"
    assert verdict.observed == {"reads_after_own_write": 2, "hits": 1, "percent": 50.0}


def test_a_write_that_was_replaced_by_one_that_is_read_was_found() -> None:
    replaced = 'p2: put x {"value": 2, "context": "A"} -> {"id": "n1.1.2", "context": "B"}\n'
    verdict = judged(OwnWrites(), PUT % (1, 1, "A") + replaced + read("p1", TWO))
    assert verdict.observed["hits"] == 1


def test_without_such_a_read_there_is_no_share() -> None:
    assert judged(OwnWrites(), read("p1")).observed["percent"] is None


def test_the_two_kinds_of_clients_are_judged_apart() -> None:
    names = {judge.name for judge in sessions.make().judges}
    apart = {"sessions-sticky", "sessions-roaming", "own-writes-sticky", "own-writes-roaming"}
    assert apart <= names
    alone = {judge.name for judge in sessions.make(roaming=0).judges}
    assert not any("roaming" in name for name in alone)


def test_a_sticky_client_keeps_to_its_node_and_a_roaming_one_does_not() -> None:
    nodes = defaultdict(set)
    for op in record(sessions.make(), Versioned(), operations=800):
        if op.f in ("get", "put") and not (op.input or {}).get("r"):
            nodes[op.process, op.key[0]].add(op.node)
    assert {kind for _, kind in nodes} == {"s", "r"}
    for (_, kind), used in nodes.items():
        assert len(used) == 1 if kind == "s" else len(used) > 1, (kind, used)


@pytest.mark.parametrize("seed", range(3))
def test_a_store_of_one_copy_gives_every_guarantee(seed: int) -> None:
    workload = sessions.make()
    found = verdicts(workload, record(workload, Versioned(), seed=seed))
    assert [(name, f.sentence) for name, v in found.items() for f in v.findings] == []
    assert found["sessions-sticky"].status == found["sessions-roaming"].status == "valid"
    for kind in ("sticky", "roaming"):
        share = found[f"own-writes-{kind}"].observed
        assert share["percent"] == 100
        assert share["reads_after_own_write"] > 50


def test_the_generator_keeps_the_rules() -> None:
    assert check_generator(sessions.make().generator, streams=Rng) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WrongParameters) as caught:
        sessions.make(keys=-1, roaming=100)
    assert len(str(caught.value).splitlines()) == 2
