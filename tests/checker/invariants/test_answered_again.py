"""How long after a healing every node answered again."""

from __future__ import annotations

from checker.history.notation import parse
from checker.invariants.answered_again import answered_again
from checker.invariants.recovery import Recovery
from tests.checker.judging import judged

CUT_AND_KILL = """
    p1: read x node=n1 @0 -> 1 @5
    p2: read x node=n2 @6
    nemesis: partition {} fault=1 @10 -> applied @11
    nemesis: heal fault=1 @20 -> healed @21
    p2: -> 1 @22
    p1: read x node=n1 @23 -> 1 @24
    p2: read x node=n2 @30 -> 1 @35
    nemesis: kill {} fault=2 @40 -> applied @41
    p1: read x node=n1 @42 -> 1 @43
    nemesis: heal fault=2 @50 -> healed @51
    p1: read x node=n1 @52 -> 1 @53
    p2: read x node=n2 @54 -> fail @55
"""


def test_it_is_the_last_node_that_answers_what_it_was_asked_since() -> None:
    history = parse(CUT_AND_KILL)
    found = answered_again(history)
    assert found is not None
    assert found["healings"] == 2
    # The read of n2 that was asked before the healing says nothing of what came after it.
    assert (found["after_ns"]["min"], found["after_ns"]["max"]) == (14, 14)
    assert found["unseen"] == [{"fault": 2, "nodes": ["n2"]}]
    assert found["unseen_count"] == 1


def test_only_times_without_any_fault_count() -> None:
    overlapping = CUT_AND_KILL.replace(
        "    nemesis: heal fault=1",
        "    nemesis: pause {} fault=3 @15 -> applied\n    nemesis: heal fault=1",
    )
    assert answered_again(parse(overlapping)) is None, "the pause was never healed"
    idle = parse(CUT_AND_KILL.replace("-> applied @11", "-> ineffective @11"))
    assert answered_again(idle)["healings"] == 1  # type: ignore[index]


def test_what_was_answered_in_the_next_fault_is_not_of_the_healing() -> None:
    late = parse(CUT_AND_KILL.replace("node=n2 @30 -> 1 @35", "node=n2 @30 -> 1 @39"))
    assert answered_again(late)["after_ns"]["max"] == 18  # type: ignore[index]
    never = parse(CUT_AND_KILL.replace("    p2: read x node=n2 @30 -> 1 @35\n", ""))
    assert answered_again(never)["unseen_count"] == 2  # type: ignore[index]


def test_the_verdict_of_recovery_says_it() -> None:
    observed = judged(Recovery(), CUT_AND_KILL + "nemesis: quiescent @60").observed
    assert observed["answered_again"]["healings"] == 2
    assert "answered_again" not in judged(Recovery(), "nemesis: quiescent").observed
