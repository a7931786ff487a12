"""The page names every option with its default, every bug with its faults, functions that exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from checker.history.language import statements
from systems_under_test.paxos import names
from systems_under_test.paxos.bugs import BUGS
from systems_under_test.paxos.configuration import OPTIONS, option_docs
from systems_under_test.paxos.counters import SENTENCES, Counters
from tests.systems_under_test.paxos.test_scenarios import SCENARIOS

PAGE = (Path(__file__).parents[3] / "docs/systems/paxos.md").read_text(encoding="utf-8")
MODULES = {
    "Acceptor": "acceptor",
    "Clients": "clients",
    "Configuration": "configuration",
    "Election": "election",
    "Group": "group",
    "Installation": "installation",
    "Leadership": "leadership",
    "Learner": "learner",
    "Log": "log",
    "PaxosReplica": "replica",
    "Reconfiguration": "reconfiguration",
    "RequestTable": "request_table",
    "Snapshots": "snapshots",
    "StateMachine": "state_machine",
    "StrongReads": "reads",
}


def test_every_option_stands_there_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| .* \| (\S+) \|$", PAGE, re.MULTILINE))
    for name in OPTIONS:
        assert option_docs()[name].endswith(f"default {rows[name.replace('_', '-')]}.")


def test_every_counter_has_a_sentence_and_stands_there() -> None:
    names_of = [field.name for field in msgspec.structs.fields(Counters)]
    assert list(SENTENCES) == names_of
    assert len(names_of) >= 15
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert {name: rows.get(name) for name in names_of} == SENTENCES


def test_every_bug_stands_there_with_what_exposes_it_and_with_the_rule_that_it_breaks() -> None:
    declared = {value for name, value in vars(names).items() if name.isupper()}
    assert declared == set(BUGS)
    for name, bug in BUGS.items():
        rows = re.findall(rf"^\|.*`{name}`.*\|$", PAGE, re.MULTILINE)
        assert len(rows) == 2
        assert bug.faults in rows[1]
        assert (bug.finding or bug.found_by) in rows[1]


def test_every_function_that_holds_a_rule_is_there() -> None:
    table = PAGE.partition("### Safety rules")[2].partition("### Leases")[0]
    held = re.findall(r"`([A-Za-z_]+)\.([a-z_]+)`", table)
    assert len(held) > 15
    for owner, name in held:
        if owner in MODULES:
            module = import_module(f"systems_under_test.paxos.{MODULES[owner]}")
            assert hasattr(getattr(module, owner), name), f"{owner}.{name}"
        else:
            assert hasattr(import_module(f"systems_under_test.paxos.{owner}"), name)


def test_every_word_of_the_scenarios_is_explained() -> None:
    told = PAGE.partition("## Scenarios")[2].partition("\n## ")[0]
    for path in SCENARIOS:
        for statement in statements(path.read_text(encoding="utf-8")):
            if statement.asked is not None:
                assert f"`{statement.asked.word}`" in told, (path.name, statement)
                for name in statement.asked.attributes.keys() & {"only", "again", "at", "to", "id"}:
                    assert f"`{name}=" in told


@pytest.mark.parametrize("message", ["Ask", "Prepare", "Accept", "Release", "TakeOver"])
def test_the_messages_are_named(message: str) -> None:
    assert f"`{message}`" in PAGE
