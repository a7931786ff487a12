from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from checker.history.columns import History
from checker.history.events import Event
from checker.history.notation import parse
from checker.invariants.set_elements import lives, sets
from checker.invariants.set_full import SetFull
from checker.quantiles import percentiles
from tests.checker.judging import context, judged, kinds, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checker.verdict import Verdict


def found(text: str, *claims: str) -> list[str]:
    return kinds(judged(SetFull(), text, claims=claims or SetFull().claims))


END = "\nnemesis: quiescent\np9: read node=n1 -> %s\np9: read node=n2 -> %s"


def test_finds_an_acknowledged_element_that_is_missing_at_the_end() -> None:
    text = "p1: add 1 node=n3 -> ok\np2: add 2 -> ok\np3: read -> [1, 2]"
    verdict = judged(SetFull(), text + END % ("[2]", "[2]"), claims=["lost-element"])
    assert kinds(verdict) == ["lost-element"]
    assert sentence(verdict) == (
        "Process 1 added 1 to the set through n3 and was told at 2 ns that it is in; but it is"
        " lost: at the end, after healing, no read has it (asked at 8 ns, answered at 9 ns through"
        " n1 and asked at 10 ns, answered at 11 ns through n2). It was last seen by process 3"
        " (asked at 5 ns, answered at 6 ns)."
    )


@pytest.mark.parametrize("end", ["[1, 2]", "[2]"])
def test_an_unanswered_add_may_be_there_or_not(end: str) -> None:
    assert not found("p1: add 1 -> info\np2: add 2 -> ok" + END % (end, end))


def test_an_add_that_overlaps_the_final_reads_may_be_missing() -> None:
    assert not found(
        "p1: add 0 @0 -> ok @0\np1: add 1 @1"
        + END.replace("p9: read node=n2 -> %s", "p1: -> ok") % "[0]"
    )


def test_an_element_that_one_of_the_final_reads_has_is_not_lost_but_stale() -> None:
    text = "p1: add 1 -> ok" + END % ("[]", "[1]")
    assert found(text) == ["stale-element"]
    assert not found(text, "lost-element")


def test_only_the_last_final_read_through_each_node_counts() -> None:
    text = "p1: add 1 -> ok" + END % ("[]", "[]")
    assert found(text, "lost-element") == ["lost-element"]
    assert not found(text + "\np9: read node=n1 -> [1]", "lost-element")


def test_without_a_read_at_rest_losses_are_unknown() -> None:
    for text in ("p1: add 1 -> ok\np1: read -> [1]", "p1: add 1 -> ok\nnemesis: quiescent"):
        assert judged(SetFull(), text, claims=["lost-element"]).status == "unknown"
    assert not found("p1: add 1 -> ok\np1: read -> [1]", "stale-element")


def test_the_last_reads_may_be_declared_final() -> None:
    text = "p1: add 1 -> ok\np1: read -> [%s]"
    for shown, kind in (("1", []), ("", ["lost-element"])):
        verdict = judged(SetFull(last_reads_are_final=True), text % shown, claims=["lost-element"])
        assert kinds(verdict) == kind
    overlapping = "p1: add 1 @1\np2: read @2 -> []\np1: -> ok @5"
    verdict = judged(SetFull(last_reads_are_final=True), overlapping, claims=["lost-element"])
    assert verdict.status == "unknown"


def test_a_read_called_at_the_stamp_at_which_the_last_add_was_over_is_not_final() -> None:
    text = "p1: add 1 @1 -> ok @5\np2: read @%d -> [] @9"
    judge = SetFull(last_reads_are_final=True)
    assert judged(judge, text % 5, claims=["lost-element"]).status == "unknown"
    assert kinds(judged(judge, text % 6, claims=["lost-element"])) == ["lost-element"]


STALE = "p1: add 1 @1 -> ok @10\np2: read node=n2 @%d -> [] @30\np3: read @%d -> [1] @50"


def test_finds_an_acknowledged_element_that_a_later_read_misses() -> None:
    verdict = judged(SetFull(), STALE % (11, 40), claims=["stale-element"])
    assert kinds(verdict) == ["stale-element"]
    assert sentence(verdict) == (
        "Process 1 added 1 to the set and was told at 10 ns that it is in; process 2 read the set"
        " afterwards through n2 (asked at 11 ns, answered at 30 ns), and it was missing. A read by"
        " process 3 (asked at 40 ns, answered at 50 ns) had it again."
    )


def test_a_read_called_at_the_stamp_of_the_acknowledgement_may_miss_the_element() -> None:
    assert not found(STALE % (10, 40), "stale-element")


def test_an_element_that_was_seen_but_never_acknowledged_may_be_missed() -> None:
    text = "p3: add 0 -> ok\np1: add 1 -> info\np2: read -> [1, 0]\np2: read -> [0]"
    verdict = judged(SetFull(), text, claims=["stale-element"])
    assert verdict.status == "valid"
    assert verdict.observed["seen_without_acknowledgement"] == {"lost": 1}


def test_each_stale_element_is_told_once() -> None:
    assert found("p1: add 1 -> ok" + 3 * "\np2: read -> []", "stale-element") == ["stale-element"]


def test_finds_an_element_that_nobody_added() -> None:
    verdict = judged(SetFull(), "p1: add 1 -> ok\np2: read -> [1, 7]", claims=["phantom-element"])
    assert kinds(verdict) == ["phantom-element"]
    assert "got 7: no client ever added it, or every attempt surely failed" in sentence(verdict)


def test_an_element_whose_add_surely_failed_is_a_phantom_and_one_without_answer_is_none() -> None:
    assert found("p1: add 1 -> fail\np3: add 2 -> ok\np2: read -> [1]", "phantom-element") == [
        "phantom-element"
    ]
    text = "p1: add 1 -> info\np3: add 2 -> ok\np2: read -> [1]"
    assert not found(text, "phantom-element")


def test_an_element_read_before_its_add_was_asked_is_a_phantom() -> None:
    text = "p2: read @1 -> [1] @5\np1: add 1 @%d -> ok @9"
    verdict = judged(SetFull(), text % 6, claims=["phantom-element"])
    assert kinds(verdict) == ["phantom-element"]
    assert "the first client that added it did so later, at 6 ns" in sentence(verdict)
    assert not found(text % 5, "phantom-element")


def test_finds_an_element_returned_twice() -> None:
    verdict = judged(SetFull(), "p1: add 1 -> ok\np2: read -> [1, 1, 1]", claims=["duplicate"])
    assert kinds(verdict) == ["duplicate"]
    assert sentence(verdict).endswith("and got 1 3 times.")


def test_equal_looking_elements_are_not_the_same() -> None:
    text = 'p1: add 1 -> ok\np1: add true -> ok\np1: add 1.0 -> ok\np1: add "1" -> ok'
    everything = '[true, "1", 1, 1.0]'
    assert not found(text + END % (everything, everything))
    assert found(text + END % ("[1, true, 1.0]", "[1, true, 1.0]")) == ["lost-element"]


def test_adding_an_element_again_is_no_duplicate() -> None:
    assert not found("p1: add 1 -> info\np2: add 1 -> ok" + END % ("[1]", "[1]"))


def test_each_key_is_a_set_of_its_own() -> None:
    text = 'p1: add 1 key="a" -> ok\np1: add 2 key="b" -> ok\nnemesis: quiescent\n'
    assert not found(text + 'p2: read key="a" -> [1]\np2: read key="b" -> [2]')
    assert found(text + 'p2: read key="a" -> [1]\np2: read key="b" -> [1]') == [
        "lost-element",
        "phantom-element",
    ]


def test_nothing_read_is_too_little() -> None:
    assert judged(SetFull(), "p1: add 1 -> ok", claims=["duplicate"]).cause == (
        "too little observed: no set was both added to and read"
    )


def test_without_an_acknowledged_add_nothing_is_owed_and_nothing_judged() -> None:
    text = "p1: add 1 -> info" + END
    verdict = judged(SetFull(), text % ("[1]", "[1]"))
    assert verdict.cause == "too little observed: no add was acknowledged"
    assert kinds(judged(SetFull(), text % ("[1, 7]", "[1]"), claims=["phantom-element"])) == [
        "phantom-element"
    ]


def test_each_claim_about_sets_needs_an_add_acknowledged_in_time() -> None:
    late = "nemesis: quiescent\np2: read -> []\np1: add 1 -> ok"
    assert judged(SetFull(), late, claims=["lost-element"]).cause == (
        "too little observed: no add was acknowledged before the cluster was at rest"
    )
    assert judged(SetFull(), late, claims=["stale-element"]).cause == (
        "too little observed: no set was read after an add to it was acknowledged"
    )


def test_a_read_of_no_list_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="the read at index 2 returned no list of elements"):
        judged(SetFull(), "p1: add 1 -> ok\np1: read -> 5")


def fate(text: str, element: int = 1) -> tuple[str, int]:
    (one,) = sets(parse(text))
    life = lives(one)[element]
    return life.fate, life.latency_ns


def test_an_element_in_every_read_after_it_was_known_is_stable_at_once() -> None:
    assert fate("p1: read @0 -> [] @1\np1: add 1 @2 -> ok @5\np1: read @6 -> [1] @9") == (
        "stable",
        0,
    )


def test_an_element_is_stable_after_the_last_read_that_misses_it() -> None:
    assert fate(
        "p1: add 1 @0 -> ok @5\np2: read @8 -> [] @9\np2: read @15 -> [] @16\np2: read @20 -> [1]"
    ) == ("stable", 10)


def test_an_element_is_known_by_the_first_read_that_shows_it() -> None:
    assert fate(
        "p1: add 1 @0\np2: read @1 -> [1] @3\np3: read @9 -> [] @10\np3: read @20 -> [1]"
    ) == (
        "stable",
        6,
    )


def test_an_element_is_lost_after_the_last_read_that_has_it() -> None:
    assert fate("p1: add 1 @0 -> ok @5\np2: read @8 -> [1] @9\np2: read @15 -> [] @16") == (
        "lost",
        3,
    )
    assert fate("p1: add 1 @0 -> ok @5\np2: read @8 -> [] @9") == ("lost", 0)


def test_an_element_that_no_read_decides_is_never_read() -> None:
    assert fate("p1: add 1 @0 -> ok @5\np2: read @5 -> [] @9") == ("never-read", 0)
    overlapping = "p1: add 1 @0 -> ok @5\np2: read @8\np3: read @9 -> [] @10\np2: -> [1] @20"
    assert fate(overlapping) == ("never-read", 0)


def test_latencies_are_nearest_rank_percentiles() -> None:
    text = """
        p1: add 1 @0 -> ok @5
        p2: add 2 @0 -> ok @7
        p3: read @9 -> [2] @10
        p3: read @20 -> [1, 2]
    """
    observed = judged(SetFull(), text, claims=["duplicate"]).observed
    assert (observed["stable"], observed["lost"], observed["acknowledged"]) == (2, 0, 2)
    assert observed["stable_latency_ns"] == percentiles([4, 0])
    assert observed["lost_latency_ns"] == {}


def grow_only_set(seed: int, bug: str | None) -> History:
    """A single set; adds take effect between call and return, or later if nobody was answered."""
    rng = random.Random(seed)
    elements: list[int] = []
    events: list[Event] = []
    time = 0
    running: dict[int, Iterator[None]] = {}

    def event(process: int, type: str, f: str, **fields: object) -> None:
        line = {"index": len(events), "time": time, "process": process, "type": type, "f": f}
        events.append(Event(**line, **fields))  # type: ignore[arg-type]

    def add(process: int, element: int) -> Iterator[None]:
        event(process, "invoke", "add", input=element)
        yield
        given_up = rng.random() < 0.2
        if given_up:
            event(process, "info", "add")
            yield
        happens = rng.random() < 0.5 if given_up else bug != "loses" or rng.random() < 0.7
        elements.extend([element] if happens else [])
        yield
        if not given_up:
            event(process, "ok", "add")

    def read(process: int, input: object = None) -> Iterator[None]:
        event(process, "invoke", "read", input=input)
        yield
        shown = list(elements)
        if bug == "stale" and shown and rng.random() < 0.3:
            shown = shown[: len(shown) // 2]
        if bug == "doubles" and shown:
            shown.append(shown[0])
        if bug == "makes up":
            shown.append(-1)
        yield
        event(process, "ok", "read", output=shown)

    for process in range(40):
        running[process] = add(process, process) if rng.random() < 0.6 else read(process)
        while running and rng.random() < 0.75:
            time += rng.choice((0, 1))
            chosen = rng.choice(sorted(running))
            if next(running[chosen], running) is running:
                del running[chosen]
    for steps in running.values():
        time += 1
        list(steps)
    time += 1
    note = Event(index=len(events), time=time, process="nemesis", type="info", f="quiescent")
    events.append(note)
    time += 1
    list(read(100, {"r": "all"}))
    return History.of(events)


BUGS = {
    "loses": "lost-element",
    "stale": "stale-element",
    "doubles": "duplicate",
    "makes up": "phantom-element",
}


def verdict_of(seed: int, bug: str | None) -> Verdict:
    return SetFull().check(grow_only_set(seed, bug), context(SetFull().claims))


def test_a_correct_set_is_never_accused() -> None:
    for seed in range(300):
        verdict = verdict_of(seed, None)
        assert verdict.status == "valid", f"seed {seed}: {verdict.explain()}"


@pytest.mark.parametrize("bug", BUGS)
def test_each_bug_of_a_set_is_found(bug: str) -> None:
    for seed in range(100):
        if BUGS[bug] in kinds(verdict_of(seed, bug)):
            return
    pytest.fail(f"{bug} was not found")
