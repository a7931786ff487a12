from __future__ import annotations

import inspect
import re

import pytest

from checker.claims import CLAIMS
from workloads.registry import WORKLOADS
from workloads.workload import Workload


def test_the_workloads_are_named() -> None:
    assert sorted(WORKLOADS) == [
        "bank",
        "cart",
        "eventual-reads",
        "kv",
        "list-append",
        "membership",
        "register",
        "sessions",
        "set",
        "siblings",
    ]


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_workload_is_made_under_its_name_and_can_judge_something(name: str) -> None:
    made = WORKLOADS[name].make()
    assert isinstance(made, Workload)
    assert made.name == name
    assert made.claims
    assert made.claims <= set(CLAIMS)
    assert len({judge.name for judge in made.judges}) == len(made.judges)


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_parameter_is_described_with_its_default(name: str) -> None:
    named = WORKLOADS[name]
    signature = inspect.signature(named.make).parameters
    assert list(signature) == list(named.parameters)
    for parameter, sentence in named.parameters.items():
        default = signature[parameter].default
        assert re.search(rf"default {str(default).lower()}\b", sentence), sentence
    assert dict(named.make().parameters) == {p: signature[p].default for p in signature}


def test_an_unknown_parameter_is_an_error() -> None:
    with pytest.raises(TypeError, match="replicas"):
        WORKLOADS["set"].make(replicas=3)
