from __future__ import annotations

from checker.history.notation import parse
from checker.invariants.recovery import Recovery, ineffective_faults
from tests.checker.judging import judged, kinds, sentence


def test_finds_a_cluster_that_did_not_come_to_rest() -> None:
    verdict = judged(
        Recovery(),
        'nemesis: not-quiescent {"reasons": ["n1 holds 3 hints", "n2 is silent"]} @5000000',
    )
    assert kinds(verdict) == ["did-not-recover"]
    assert sentence(verdict) == (
        "All faults were healed, and the cluster had still not come to rest at 0.005 s, when its"
        " time was up: n1 holds 3 hints and n2 is silent."
    )


def test_finds_a_node_that_died_and_names_the_faults_that_were_open() -> None:
    verdict = judged(
        Recovery(),
        """
        nemesis: partition {} fault=4 -> applied
        nemesis: kill {} fault=5 -> applied
        nemesis: heal fault=5 -> healed
        nemesis: node-died {"node": "n3"}
        nemesis: quiescent
        """,
    )
    assert kinds(verdict) == ["node-died"]
    assert sentence(verdict) == (
        "Node n3 was found dead at 7 ns although nobody had killed it; open at that time: partition"
        " (fault 4)."
    )
    assert verdict.findings[0].faults == (4,)


def test_a_cluster_that_came_to_rest_recovered() -> None:
    verdict = judged(
        Recovery(), 'nemesis: recovered {"after_ns": 7}\nnemesis: quiescent {"after_ns": 9}'
    )
    assert verdict.status == "valid"
    assert verdict.observed == {"recovered_after_ns": 7, "quiescent_after_ns": 9, "deaths": 0}


def test_a_history_that_does_not_say_so_is_unknown_where_recovery_is_claimed() -> None:
    assert judged(Recovery(), "p0: read -> 1").status == "unknown"
    assert judged(Recovery(), "p0: read -> 1", claims=["node-died"]).status == "valid"


def test_what_is_not_claimed_is_counted() -> None:
    text = 'nemesis: node-died {"node": "n1"}\nnemesis: not-quiescent {}'
    verdict = judged(Recovery(), text, claims=["linearizable"])
    assert verdict.status == "valid"
    assert {name: n["count"] for name, n in verdict.observed["counted"].items()} == {
        "node-died": 1,
        "did-not-recover": 1,
    }


def test_a_fault_that_never_took_effect_is_said() -> None:
    text = """
        nemesis: partition {} fault=1 -> ineffective
        nemesis: partition {} fault=2 -> ineffective
        nemesis: kill {} fault=3 -> ineffective
        nemesis: kill {} fault=4 -> partly
        nemesis: pause {} fault=5
        nemesis: quiescent
    """
    assert ineffective_faults(parse(text)) == {"partition": 2}
    verdict = judged(Recovery(), text)
    assert verdict.status == "valid"
    assert verdict.observed["ineffective_faults"] == {"partition": 2}


def test_a_plan_that_never_took_effect_is_said_beside_one_of_its_family_that_did() -> None:
    text = """
        nemesis: disk {} fault=1 -> ineffective
        nemesis: disk {} fault=2 -> applied
        nemesis: disk {} fault=3 -> ineffective
        nemesis: kill {} fault=4 -> ineffective
        nemesis: asked {"plans": {"disk:full": [2], "disk:slow": [1, 3], "kill@one": [4]}}
        nemesis: quiescent
    """
    verdict = judged(Recovery(), text)
    assert verdict.status == "valid"
    assert verdict.observed["ineffective_faults"] == {"kill": 1}
    assert verdict.observed["ineffective_plans"] == {"disk:slow": 2}
    assert "ineffective_plans" not in judged(Recovery(), text.replace("1, 3", "1, 2")).observed


def test_power_that_never_took_a_write_is_said() -> None:
    def taken(*lost: str) -> str:
        lines = []
        for number, evidence in enumerate(lost, start=1):
            output = f'{{"effect": "partly", "evidence": {{"n1": {evidence}}}}}'
            lines.append(f"nemesis: power {{}} fault={number} -> {output}")
        return "\n".join([*lines, "nemesis: quiescent"])

    verdict = judged(Recovery(), taken('{"lost": 0}', '{"lost": 0}'))
    assert verdict.status == "valid"
    assert verdict.observed["power_lost_nothing"] == 2
    for noted in ('{"lost": 1}', "{}", "null"):
        assert "power_lost_nothing" not in judged(Recovery(), taken('{"lost": 0}', noted)).observed
    assert "power_lost_nothing" not in judged(Recovery(), taken()).observed


def test_an_empty_history_says_nothing_about_deaths() -> None:
    verdict = judged(Recovery(), "", claims=["node-died"])
    assert verdict.cause == "too little observed: nobody asked the cluster anything"
    assert judged(Recovery(), "nemesis: quiescent", claims=["node-died"]).status == "valid"


def test_a_run_that_ended_with_other_members_says_by_whose_word() -> None:
    note = '{"at_first": ["n1", "n2"], "at_the_end": {"n1": ["n2", "n1"], "n2": ["n1"]}}'
    observed = judged(Recovery(), f"nemesis: quiescent\nnemesis: members {note}").observed
    assert observed["other_members"] == {"n2": ["n1"]}
