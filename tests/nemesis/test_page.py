"""The page about nemeses: its code runs, its nemesis breaks things, its table is complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lineal.definition import CAPABILITIES_BY_ENVIRONMENT
from nemesis.plan import Fault, FaultPlan
from nemesis.plans import NEMESES, parse
from nemesis.targets import WORDS
from systems_under_test.atomic.system import SYSTEM
from systems_under_test.environments.cluster import ClusterSpec
from systems_under_test.environments.local.cluster import LocalCluster
from systems_under_test.environments.simulated.cluster import SimulatedCluster
from tests.nemesis.memory_cluster import MemoryCluster
from tests.nemesis.rehearsal import Rehearsal
from tests.nemesis.test_simulated import SimulatedStage

PAGE = (Path(__file__).parents[2] / "docs" / "nemesis.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OWN = EXAMPLES[-1]


def names_of_the_page() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    for example in EXAMPLES:
        exec(compile(example, "docs/nemesis.md", "exec"), names)
    return names


ROWS = {"resources": {"cpu", "memory"}}
"""What a row of the table stands for, where that is not the capability of its name."""


def table() -> dict[str, dict[str, str]]:
    """Family -> environment -> how it is carried there, by the page."""
    (found,) = re.findall(r"^\| family \| `simulated`.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in found.splitlines() if line
    ]
    environments = [cell.strip("`") for cell in lines[0][1:]]
    return {row[0]: dict(zip(environments, row[1:], strict=True)) for row in lines[2:]}


@pytest.mark.parametrize("environment", sorted(CAPABILITIES_BY_ENVIRONMENT))
def test_the_table_shows_what_each_environment_carries(environment: str) -> None:
    shown: set[str] = set()
    for family, cells in table().items():
        shown |= ROWS.get(family, {family}) if cells[environment] else set()
    assert shown == CAPABILITIES_BY_ENVIRONMENT[environment]


def test_the_page_says_how_simulated_and_local_clusters_carry_each_family(tmp_path: Path) -> None:
    spec = ClusterSpec(
        nodes=("n1",),
        replica_path=SYSTEM.replica_path,
        options={},
        bug=None,
        engine="sqlite",
        seed=1,
        directory=tmp_path,
    )
    for cluster in (SimulatedCluster(spec), LocalCluster(spec)):
        for capability, how in cluster.method.items():
            row = next((row for row, of in ROWS.items() if capability in of), capability)
            assert how in table()[row][cluster.environment], capability


def test_a_nemesis_of_ones_own_takes_at_most_20_lines() -> None:
    assert len([line for line in OWN.splitlines() if line.strip()]) <= 20


def test_the_nemesis_of_the_page_is_found_by_its_import_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bounce.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    plan = parse("bounce:bounce,partition")
    assert plan.name == "bounce:bounce,partition"
    assert plan.nemesis.faults == {"bounce", "partition"}


def test_the_nemesis_of_the_page_breaks_simulated_nodes_and_composes() -> None:
    plan: FaultPlan = names_of_the_page()["bounce"]
    stage = SimulatedStage(seed=4)
    rehearsal = Rehearsal(plan + parse("kill@one"), seconds=30, stage=stage)
    rehearsal.heal()
    assert len(rehearsal.invoked("bounce")) >= 4
    assert ("bounce", "applied") in rehearsal.effects()
    assert {node.state() for node in stage.cluster.nodes.values()} == {"running"}
    assert max(node.incarnation() for node in stage.cluster.nodes.values()) > 2


@pytest.mark.parametrize("verb", ["kill", "start"])
def test_the_nemesis_of_the_page_sees_through_verbs_that_do_nothing(verb: str) -> None:
    plan: FaultPlan = names_of_the_page()["bounce"]
    fault = Fault(1, "bounce", {"targets": ["n1", "n2"]})
    assert plan.nemesis.inject(MemoryCluster(), fault).effect == "applied"
    cluster = MemoryCluster()
    cluster.broken.add(verb)
    assert plan.nemesis.inject(cluster, fault).effect == "ineffective"


def test_other_plans_of_the_page_cut_what_they_say() -> None:
    names = names_of_the_page()
    deaf = Rehearsal(names["deaf_leader"], seconds=8).invoked()[0].input
    assert deaf["grudge"] == {"n1": ["n2", "n3"]}
    odd = Rehearsal(names["odd"], seconds=8).invoked()[0].input
    assert odd["grudge"]["n3"] == ["n1", "n2"]
    assert odd["targets"] == ["n1", "n2"]


@pytest.mark.parametrize("name", sorted(NEMESES))
def test_the_page_names_every_nemesis_and_every_variant(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    for variant in NEMESES[name].variants:
        assert variant == "any" or f"`{variant}`" in PAGE or f"`{name}:{variant}`" in PAGE


def test_the_page_names_every_word_for_targets() -> None:
    assert all(f"`{word}`" in PAGE for word in WORDS)
