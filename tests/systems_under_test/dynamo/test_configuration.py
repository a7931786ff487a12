"""Options: typed or as text, every problem at once, each with its sentence."""

from __future__ import annotations

from typing import Any

import pytest

from systems_under_test.dynamo.configuration import (
    OPTIONS,
    Configuration,
    configure,
    option_docs,
    problems_of,
)
from systems_under_test.dynamo.replica import make_replica
from systems_under_test.replica import Place

NODES = ("n1", "n2", "n3", "n4", "n5")


def test_text_and_typed_values_mean_the_same() -> None:
    text = {"n": "4", "read-repair": "off", "quorum": "strict", "capacities": "n1=2,n3=4"}
    typed = {"n": 4, "read_repair": False, "quorum": "strict", "capacities": {"n1": 2, "n3": 4}}
    assert configure(text) == configure(typed)
    assert configure(text).tokens(("n1", "n2")) == {"n1": 32, "n2": 16}
    assert configure({}) == Configuration()


def test_all_problems_are_named_at_once() -> None:
    options = {"n": "many", "quorum": "loose", "colour": 1, "read_repair": 3, "w": 9, "vnodes": 0}
    problems = problems_of(options, NODES)
    assert len(problems) == 6
    assert any("w=9" in p for p in problems)
    assert any("vnodes must be at least 1" in p for p in problems)
    assert any("whole number" in p for p in problems)
    assert any("sloppy or strict" in p for p in problems)
    assert any("no option 'colour'" in p and "vnodes" in p for p in problems)
    assert any("on or off" in p for p in problems)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 6}, "n=6 copies need at least 6 nodes"),
        ({"n": 0, "r": 0, "w": 0}, "n must be at least 1"),
        ({"w": 4}, "w=4 can never be reached with n=3"),
        ({"r": -1}, "r must be at least 1"),
        ({"extended": 2}, "extended=2 must be 0 or from n=3 to 5"),
        ({"capacities": "n9=2"}, "n9, which are not nodes"),
        ({"capacities": "n1:2"}, "capacities must be like"),
        ({"capacities": "n1=0"}, "capacities must be like"),
        ({"capacities": "n1=64", "vnodes": 100}, "more than 4096 tokens"),
        ({"request_timeout_ms": 100}, "must not be shorter"),
        ({"gossip_interval_ms": 10**9}, "gossip_interval_ms must be at most"),
        ({"versioning": "scalar"}, "versioning must be dotted or vector-clock"),
        ({"engine": "rocksdb"}, "memory or sqlite or lmdb"),
        ({"n": True}, "whole number"),
    ],
)
def test_refuses_what_cannot_work(options: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in problems_of(options, NODES))


def test_the_defaults_and_every_fitting_combination_have_no_problem() -> None:
    assert problems_of({}, NODES) == []
    assert problems_of({"n": 5, "r": 5, "w": 5, "extended": 5}, NODES) == []
    assert problems_of({"n": 1, "r": 1, "w": 1}, ("n1",)) == []


def test_every_option_says_what_it_means_in_which_unit_and_by_default() -> None:
    docs = option_docs()
    assert set(docs) == set(OPTIONS)
    assert docs["quorum"].endswith(" One of sloppy, strict; default sloppy.")
    assert docs["read_repair"].endswith(" On or off; default on.")
    assert docs["probe_interval_ms"].endswith(" In ms; default 500.")


def test_a_node_is_not_made_with_unknown_options_or_bugs() -> None:
    place = Place("n1", NODES)
    with pytest.raises(ValueError, match=r"no option 'x'.*; n must be a whole number"):
        make_replica(place, {"x": 1, "n": "y"}, None)
    with pytest.raises(ValueError, match="no bug 'gremlins'; it has drop-siblings"):
        make_replica(place, {}, "gremlins")
