from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checker.history.columns import History
from checker.invariants.statistics import Statistics
from checker.quantiles import percentiles
from tests.checker.judging import context, judged

if TYPE_CHECKING:
    from checker.verdict import Verdict


def verdict_of(text: str) -> Verdict:
    return judged(Statistics(), text)


def missing(text: str) -> str | None:
    """What was too little, None if it was enough."""
    verdict = verdict_of(text)
    assert verdict.status != "invalid"
    prefix = "too little observed: "
    assert verdict.cause is None or verdict.cause.startswith(prefix)
    return None if verdict.cause is None else verdict.cause.removeprefix(prefix)


def observed(text: str) -> dict[str, Any]:
    return dict(verdict_of(text).observed)


def test_an_empty_history_is_too_little() -> None:
    assert missing("") == "no client asked anything"
    assert missing("nemesis: quiescent\np0: dump -> {}") == "no client asked anything"
    assert Statistics().check(History.of([]), context()).status == "unknown"


def test_a_short_run_without_faults_is_enough() -> None:
    assert missing("p0: write 1 -> ok\np0: read -> 1") is None


def test_an_f_that_never_succeeded_is_too_little() -> None:
    assert missing("p0: write 1 -> ok\np0: read -> fail\np0: read -> fail") == (
        "no read ever succeeded (2 asked)"
    )


def test_an_f_that_never_succeeded_is_told_with_what_was_answered_most_often() -> None:
    text = 'p0: read -> fail "away"\np0: read -> info "no module"\np1: read -> fail "no module"'
    assert missing(text) == "no read ever succeeded (3 asked; 2 times: no module)"
    assert missing('p0: read -> fail {"code": 503}') == (
        'no read ever succeeded (1 asked; once: {"code":503})'
    )
    told = missing(f'p0: read -> fail "{"x" * 500}"')
    assert told is not None
    assert len(told) < 200


def test_an_f_that_never_succeeded_is_told_once_and_not_for_each_phase() -> None:
    text = BEFORE + "p3: cas [1, 2] -> fail\n" + CUT % "applied" + DURING
    assert missing(text) == "no cas ever succeeded (1 asked)"


BEFORE = "p0: write 1 -> ok\np0: read -> 1\n"
CUT = 'nemesis: partition {"grudge": {}} fault=1 -> %s\n'
DURING = "p0: write 2 -> ok\np0: read -> 2\n"
HEALED = "nemesis: heal fault=1 -> healed\n"
AFTER = "p0: write 3 -> ok\np0: read -> 3\n"


def test_a_run_that_succeeds_in_every_phase_is_enough() -> None:
    assert missing(BEFORE + CUT % "applied" + DURING + HEALED + AFTER) is None


@pytest.mark.parametrize("phase", ["before", "during", "after"])
def test_an_f_asked_in_a_phase_and_never_answered_there_is_too_little(phase: str) -> None:
    parts = {"before": BEFORE, "during": DURING, "after": AFTER}
    parts[phase] = parts[phase].replace("-> 1", "-> fail").replace("-> 2", "-> fail")
    parts[phase] = parts[phase].replace("-> 3", "-> fail")
    text = parts["before"] + CUT % "applied" + parts["during"] + HEALED + parts["after"]
    assert missing(text) == f"no read succeeded {phase} the faults (1 asked)"


def test_an_f_that_was_not_asked_in_a_phase_is_not_missed_there() -> None:
    assert missing("p0: write 1 -> ok\n" + CUT % "applied" + DURING + HEALED) is None


def test_a_brief_phase_need_not_see_every_f_succeed() -> None:
    tail = "p7: delete -> fail\n"
    enough = BEFORE + CUT % "applied" + DURING + "p0: delete -> ok\n"
    assert missing(enough + HEALED + tail) == "no delete succeeded after the faults (1 asked)"
    assert missing(enough + 3 * DURING + HEALED + tail) is None


def test_a_brief_outage_in_which_nothing_succeeded_is_too_little() -> None:
    outage = CUT % "applied" + "p7: read -> fail\n" + HEALED
    assert missing(20 * BEFORE + outage + 20 * AFTER) == (
        "nothing succeeded during the faults (1 asked)"
    )


def test_what_the_first_fault_cut_off_is_not_held_against_the_time_before() -> None:
    cut_off = "p5: delete\n" + CUT % "applied" + "p5: -> fail\n"
    text = cut_off + DURING + "p0: delete -> ok\n" + HEALED
    assert missing(text) is None


def test_an_answer_counts_in_every_phase_that_the_operation_was_open_in() -> None:
    running = "p1: read\np1: -> 1\n".replace("\n", "\n" + CUT % "applied", 1)
    text = "p0: write 1 -> ok\n" + running + "p2: read -> fail\np0: write 2 -> ok\n" + HEALED
    assert missing(text) is None


def test_what_the_first_fault_cut_off_says_nothing_of_the_time_before() -> None:
    asked_before = BEFORE + "p1: cas [1, 2]\n" + CUT % "applied" + "p1: -> fail\n"
    later = DURING + "p2: cas [2, 4] -> true\n"
    assert missing(asked_before + later) is None
    assert missing(BEFORE + "p1: cas [1, 2] -> fail\n" + CUT % "applied" + later) is not None


def test_nothing_asked_during_the_faults_is_too_little() -> None:
    assert missing(BEFORE + CUT % "applied" + HEALED + AFTER) == (
        "nothing succeeded during the faults (0 asked)"
    )


def test_a_fault_that_never_took_effect_makes_no_phase() -> None:
    assert missing(BEFORE + CUT % "ineffective" + HEALED) is None
    assert observed(BEFORE + CUT % "ineffective")["phases"] == {}


def test_clients_that_end_with_the_faults_are_no_reason_for_doubt() -> None:
    """The last fault is healed once the clients are done: then there is nothing after it."""
    assert missing(BEFORE + CUT % "applied" + DURING + HEALED) is None
    assert missing(BEFORE + CUT % "applied" + DURING) is None


def test_an_outage_in_the_middle_is_no_reason_for_doubt() -> None:
    """During the faults means from the first to the last: what succeeds between them is enough."""
    again = (CUT % "applied" + "p5: read -> fail\n" + HEALED).replace("fault=1", "fault=2")
    again = again.replace("-> healed", "-> healed")
    text = BEFORE + CUT % "applied" + "p4: write 7 -> fail\n" + HEALED + DURING + again
    assert missing(text) is None


FINAL = "nemesis: quiescent\np8: get x -> %s\np8: get x -> %s\np8: get y -> {}\np8: put x 1 -> ok"


def test_a_final_read_that_never_succeeded_is_too_little() -> None:
    assert missing(FINAL % ("fail", "fail")) == 'at the end get of key "x" never succeeded'
    assert missing(FINAL % ("fail", "{}")) is None


def test_final_reads_are_not_asked_after_the_faults() -> None:
    text = BEFORE + CUT % "applied" + DURING + HEALED + "nemesis: quiescent\n"
    assert missing(text + "p8: read -> fail\np8: read -> 2") is None
    assert observed(text + "p8: read -> 2")["phases"]["after"]["read"] == {"asked": 0, "ok": 1}


def test_counts_by_f_node_and_outcome_with_latencies() -> None:
    found = observed("""
        p0: write 1 node=n1 @0 -> ok @10
        p1: write 2 node=n2 @10 -> info @50
        p0: read node=n1 @500000000 -> 1 @1000000000
        p2: read @60 -> fail @70
        p9: dump node=n1 -> {}
    """)
    assert found["operations"] == 4
    assert found["by_f"]["write"] == {
        "ok": 1,
        "fail": 0,
        "info": 1,
        "latency_ns": percentiles([10]),
    }
    assert found["by_f"]["read"]["latency_ns"]["max"] == 500_000_000
    assert found["by_node"] == {
        "n1": {"ok": 2, "fail": 0, "info": 0},
        "n2": {"ok": 0, "fail": 0, "info": 1},
    }
    assert found["ok_per_second"] == 2.0


def test_counts_faults_by_effect() -> None:
    text = BEFORE + CUT % "applied" + CUT.replace("=1", "=2") % "ineffective"
    text += 'nemesis: kill {"node": "n1"} fault=3\n' + DURING
    assert observed(text)["faults"] == {
        "kill": {"not known": 1},
        "partition": {"applied": 1, "ineffective": 1},
    }


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles([]) == {}
    assert percentiles([7]) == dict.fromkeys(("min", "p50", "p90", "p99", "p999", "max"), 7)
    found = percentiles(range(1, 101))
    assert found == {"min": 1, "p50": 50, "p90": 90, "p99": 99, "p999": 100, "max": 100}
    assert percentiles([1, 2])["p50"] == 1
