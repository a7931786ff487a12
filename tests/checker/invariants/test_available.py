"""Writes have to succeed while enough nodes are up and connected, and nothing else is held so."""

from __future__ import annotations

import pytest

from checker.history.events import FaultWindow
from checker.invariants.available import Available, companies
from systems_under_test.rng import Rng
from tests.checker.judging import judged, kinds, sentence

PUTS = Available(frozenset({"put"}))
CUT = 'nemesis: partition {"grudge": {"n3": ["n1", "n2"]}} fault=1 -> applied'
ALL_OF_A = """
p1: put a 1 node=n1 @3000000000 -> fail
p1: put a 2 node=n2 -> fail
p1: put a 3 node=n1 -> fail
"""
OTHERS = """
p1: put b 4 node=n1 -> ok
p1: put b 5 node=n2 -> ok
p1: put c 6 node=n2 -> ok
"""
ELSEWHERE = "p2: read a node=n3 -> 1\n"


def found(text: str) -> list[str]:
    return kinds(judged(PUTS, ELSEWHERE + text, claims=["unavailable"]))


def test_rejects_a_key_that_a_majority_never_takes() -> None:
    text = ELSEWHERE + CUT + ALL_OF_A + OTHERS
    told = sentence(judged(PUTS, text, claims=["unavailable"]))
    assert "n1 and n2 were up and connected with one another" in told
    assert 'all 3 writes of key "a" through them failed, while 3 of other keys succeeded' in told


@pytest.mark.parametrize(
    ("was", "instead"),
    [
        ("p1: put a 3 node=n1 -> fail", "p1: put a 3 node=n1 -> ok"),
        ("p1: put a 3 node=n1 -> fail", ""),
        ("p1: put a 3 node=n1 -> fail", "p1: put a 3 node=n3 -> fail"),
        ("p1: put a 3 node=n1 -> fail", 'p1: put a 3 node=n1 -> fail error="status 409: full"'),
        ("@3000000000", "@1000000000"),
        ("p1: put c 6 node=n2 -> ok", ""),
        ('["n1", "n2"]}', '["n1", "n2"], "n2": ["n1"]}'),
        ('partition {"grudge": {"n3": ["n1", "n2"]}}', 'kill {"targets": ["n2"]}'),
        ('partition {"grudge": {"n3": ["n1", "n2"]}}', 'own {"who": ["n2"]}'),
        ('partition {"grudge": {"n3": ["n1", "n2"]}}', 'link {"links": [["n1", "n2"]]}'),
        ('partition {"grudge": {"n3": ["n1", "n2"]}}', 'partition {"grudge": {"n3": ["n1"]}}'),
    ],
)
def test_accepts(was: str, instead: str) -> None:
    text = CUT + ALL_OF_A + OTHERS
    assert was in text
    assert found(text.replace(was, instead)) == []


def test_writes_of_a_key_that_timed_out_may_be_how_nodes_find_out_who_is_missing() -> None:
    unknown = ALL_OF_A.replace("p1: put a 3 node=n1 -> fail", "p8: put a 3 node=n1 -> info")
    more = OTHERS + "p1: put c 8 node=n2 -> ok\n"
    assert found(CUT + unknown + more) == []
    refused = "p1: put a 7 node=n2 -> fail\n"
    assert found(CUT + unknown + refused + more) == ["unavailable"]


@pytest.mark.parametrize("effect", ["partly", "uncertain", "ineffective"])
def test_a_fault_that_was_not_applied_as_asked_tells_nobody_who_reaches_whom(effect: str) -> None:
    assert found(CUT + ALL_OF_A + OTHERS) == ["unavailable"]
    assert found(CUT.replace("applied", effect) + ALL_OF_A + OTHERS) == []


def test_writes_across_a_healing_are_of_neither_stretch() -> None:
    healed = "nemesis: heal fault=1 -> healed\n"
    halves = ALL_OF_A.replace("p1: put a 3", healed + "p1: put a 3")
    assert found(CUT + halves + OTHERS) == []


@pytest.mark.parametrize("ending", ["-> leaked", "-> uncertain", ""])
def test_after_a_healing_that_did_not_take_nobody_knows_what_is_cut(ending: str) -> None:
    tried = CUT + f"\nnemesis: heal fault=1 @4 {ending}" + ALL_OF_A + OTHERS
    assert found(tried) == []
    assert found(tried.replace("heal fault=1", "heal fault=2")) == ["unavailable"]


def test_before_a_healing_that_leaked_a_cut_is_what_it_was_seen_to_be() -> None:
    leaked = "nemesis: heal fault=1 -> leaked\n"
    assert found(CUT + ALL_OF_A + OTHERS + leaked) == ["unavailable"]


def test_nothing_is_said_while_a_fault_is_still_being_injected() -> None:
    slow = CUT.replace(" -> applied", "")
    seen = "nemesis: -> applied fault=1\n"
    assert found(slow + ALL_OF_A + OTHERS + seen) == []
    assert found(slow + "\n" + seen + ALL_OF_A + OTHERS) == ["unavailable"]


def test_rejects_that_nothing_at_all_succeeds_only_after_many() -> None:
    def failing(count: int, last: int) -> str:
        return (
            CUT
            + "\np1: put a 0 node=n1 @3000000000 -> fail\n"
            + "".join(f"p1: put k{i} {i} node=n{1 + i % 2} -> fail\n" for i in range(2, count))
            + f"p1: put z 1 node=n1 @{last} -> fail\n"
        )

    assert found(failing(20, last=5_000_000_000)) == ["unavailable"]
    assert found(failing(19, last=5_000_000_000)) == []
    assert found(failing(20, last=4_900_000_000)) == [], "fifty clients meet one stalled disk"


def test_without_a_stretch_it_says_so_and_accuses_nobody() -> None:
    verdict = judged(PUTS, "p1: put a 1 node=n1 -> fail", claims=["unavailable"])
    assert verdict.status == "valid"
    assert verdict.observed == {"stretches": 0, "writes_judged": 0}
    assert judged(PUTS, "p1: put a 1 node=n1 -> fail", claims=[]).observed == {}


@pytest.mark.parametrize("seed", range(30))
def test_companies_are_the_connected_parts_that_are_complete(seed: int) -> None:
    rng = Rng(f"companies/{seed}")
    nodes = [f"n{i}" for i in range(6)]
    grudge: dict[str, list[str]] = {}
    for _ in range(rng.below(16)):
        grudge.setdefault(rng.choice(nodes), []).append(rng.choice(nodes))
    grudge = {to: [s for s in senders if s != to] for to, senders in grudge.items()}
    struck = [node for node in nodes if rng.below(6) == 0]
    faults = [window("partition", {"grudge": grudge}), window("kill", {"targets": struck})]
    up = [node for node in nodes if node not in struck]

    def linked(a: str, b: str) -> bool:
        return a not in grudge.get(b, []) and b not in grudge.get(a, [])

    parts: list[set[str]] = []
    for node in up:
        touching = [part for part in parts if any(linked(node, other) for other in part)]
        parts = [part for part in parts if part not in touching]
        parts.append({node}.union(*touching))
    complete = [p for p in parts if all(linked(a, b) for a in p for b in p if a != b)]
    assert sorted(map(sorted, companies(nodes, faults))) == sorted(map(sorted, complete))


def window(f: str, given: object) -> FaultWindow:
    return FaultWindow(fault=1, f=f, input=given, start=0, end=None, effect=None, method=None)
