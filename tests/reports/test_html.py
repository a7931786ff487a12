"""The HTML report: it says what was found, needs nothing but itself, and stays small."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest

from checker.claims import Promises
from checker.history.columns import History
from checker.history.notation import parse
from checker.judgement import Judgement
from checker.verdict import Finding, Verdict
from reports import faults, numbers, timeline
from reports.html import DRAWN_OF_KIND_MAX, TOLD_MAX, render
from tests.reports.samples import META, MS, SECOND, Recording, invalid, recorded, valid

VOID = {"meta", "link", "br", "hr", "img", "input"}
SCRIPT = "<script>alert(1)</script>"
EVIL = f"\"'>{SCRIPT}<img src=x onerror=alert(2)>]]>--></style></svg>&amp;{{{{7*7}}}}"


class Page(HTMLParser):
    """Reads a page; fails where tags are not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.words: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in ("script", "style"):
            self.text += data

    def of(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def history() -> History:
    return recorded().history()


@pytest.fixture(scope="module")
def page(history: History) -> Page:
    return Page(render(history, invalid(history), META))


def test_the_verdict_the_findings_and_their_kinds_stand_in_words(page: Page) -> None:
    assert "invalid" in page.text
    assert "4 violations found in 1\u00a0000 operations over 21 s" in page.text
    assert "it is lost: at the end the key was read" in page.text
    assert "an acknowledged write is gone and nothing that replaced it knew of it" in page.text
    assert "Process 9 did not see what it had written itself" in page.text


def test_promises_are_broken_held_or_withdrawn_with_their_sentences(page: Page) -> None:
    assert "no acknowledged write is lost once the cluster has healed" in page.text
    assert "broken" in page.text
    assert "reads do not write back what they repair before they answer" in page.text


def test_the_command_the_seed_and_the_environment_are_there(page: Page) -> None:
    assert META["command"] in page.text
    for fact in (
        "4711",
        "drop-siblings",
        "2026-11-21T10:15:00.123+00:00",
        "e08354a2b117",
        "3.11.9",
    ):
        assert fact in page.text


def test_faults_have_their_effect_and_evidence_and_an_ineffective_one_stands_out(
    page: Page,
) -> None:
    assert "pause was injected 1 time and never took effect" in page.text
    assert ("tr", "id", "fault-3") in page.attributes
    assert ("tr", "class", "bad") in page.attributes
    assert page.of("class").count("bad") == 1
    assert '{"cut":12,"uncut":[]}' in page.text
    assert "#fault-1" in page.of("href")


def test_how_long_the_cluster_took_to_be_well_again_is_told() -> None:
    history = parse("""
        p1: read x node=n1 @0 -> 1 @5
        nemesis: partition {} fault=1 @10 -> applied @11
        nemesis: heal fault=1 @20 -> healed @21
        p1: read x node=n1 @2000021 -> 1 @3000021
        nemesis: kill {} fault=2 @4000000 -> applied @4000001
        nemesis: heal fault=2 @5000000 -> healed @5000001
        p1: read x node=n1 @5000002 -> fail @5000003
        nemesis: recovered {"after_ns": 7000000} @6000000
    """)
    first, second = faults.rows(history)
    assert first.answered == "all answered after 3 ms"
    assert second.answered == "n1 not seen to answer"
    told = faults.recoveries(history)
    assert told.startswith("After 1 of 2 healings that left no fault open every node was seen")
    assert "the median is 3 ms, the longest 3 ms." in told


def test_counts_latencies_and_errors_are_there(page: Page, history: History) -> None:
    ok = sum(1 for _ in history.operations("get", outcome="ok"))
    assert str(ok) in page.text
    assert "503 W not reached" in page.text
    assert page.tags["svg"] == 4  # Definitions, two timelines, the run over time.


def test_availability_is_told_by_windows(history: History, page: Page) -> None:
    told = numbers.by_window(history)
    assert len(told) == 10
    assert all(row.share in page.text and row.start in page.text for row in told)
    assert "succeeded" in page.text


def test_what_was_measured_and_not_judged_is_observed(page: Page) -> None:
    assert '"staleness"' in page.text
    assert "2 further violations of lost-update" in page.text


def test_the_page_loads_nothing_and_runs_its_own_script_alone(history: History) -> None:
    text = render(history, invalid(history), META)
    assert "http://" not in text
    assert "https://" not in text
    page = Page(text)
    assert not page.of("src")
    assert not [value for value in page.of("href") if not value.startswith("#")]
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_every_link_leads_somewhere(page: Page) -> None:
    ids = page.of("id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in page.of("href")} <= set(ids)


def test_a_valid_run_says_what_was_judged(history: History) -> None:
    page = Page(render(history, valid(history), META))
    assert "Nothing contradicts what was promised: 2 promises judged on 1\u00a0000" in page.text
    assert "held" in page.text
    assert page.tags["svg"] == 2


def test_an_unknown_run_says_why_and_calls_no_promise_held(history: History) -> None:
    verdict = Verdict.unknown("too little observed: no put ever succeeded")
    claims = Promises(frozenset({"lost-update"}))
    judgement = Judgement("unknown", "statistics: too little", (("statistics", verdict),), claims)
    page = Page(render(history, judgement, META))
    assert "Not decided" in page.text
    assert "statistics: too little" in page.text
    assert "nothing found" in page.text
    assert "held" not in page.text


def test_an_empty_history_and_an_empty_meta_still_make_a_page() -> None:
    judgement = Judgement("unknown", "nothing was observed", (), Promises(frozenset()))
    page = Page(render(History.of([]), judgement, {}))
    assert "Nothing happened." in page.text
    assert "no command that repeats it" in page.text
    assert "No fault was injected." in page.text


def hostile() -> Recording:
    recording = Recording()
    recording.fault(1, EVIL, MS, 9 * MS, variant=EVIL, targets=[EVIL])
    recording.note(95 * MS, "quiescent", output={"after_ns": EVIL})
    for i in range(4):
        recording.operation(
            i, i * MS, i * MS + 30 * MS, ("ok", "fail", "info", "ok")[i],
            f=EVIL, key=EVIL, node=EVIL, input=EVIL, output={EVIL: EVIL}, error=EVIL,
        )  # fmt: skip
    return recording


def test_values_from_outside_never_become_markup() -> None:
    history = hostile().history()
    finding = Finding("lost-update", EVIL, tuple(history), (1,))
    verdict = Verdict("invalid", findings=(finding,), observed={EVIL: EVIL})
    promises = Promises(frozenset(), {"monotonic-reads": EVIL})
    unknown = Verdict.unknown(EVIL)
    judgement = Judgement("invalid", None, ((EVIL, verdict), (EVIL, unknown)), promises)
    meta: dict[str, Any] = dict.fromkeys(META, EVIL)
    text = render(
        history, judgement, meta | {"options": {EVIL: EVIL}, "limits": {}, "nodes": [EVIL]}
    )
    page = Page(text)
    assert page.tags["script"] == 1
    assert page.tags["style"] == 1
    assert page.tags["img"] == 0
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "{{7*7}}" in page.text
    assert SCRIPT in page.text


def test_a_history_of_100_000_operations_gives_a_small_page() -> None:
    history = recorded(100_000, seconds=300).history()
    text = render(history, invalid(history), META)
    assert len(text) < 1_000_000
    assert "100\u00a0000 operations" in Page(text).text


def test_a_thousand_faults_and_findings_give_a_small_page_that_says_what_it_leaves_out() -> None:
    recording = Recording()
    for i in range(1_000):
        effect = "ineffective" if i == 700 else "applied"
        start = i * 20 * MS
        recording.fault(i, "kill", start, start + 60 * MS, effect=effect, targets=["n1"])
    for i in range(400):
        recording.operation(
            i, i * 50 * MS, i * 50 * MS + MS, "ok", f="put", key="k", input="x" * 9_000
        )
    history = recording.history()
    everything = tuple(history)
    found = tuple(
        Finding("lost-update", f"number {i}", everything, (1, 700, 999)) for i in range(1_000)
    )
    judgement = Judgement(
        "invalid", None, (("siblings", Verdict("invalid", findings=found)),), Promises(frozenset())
    )
    text = render(history, judgement, META)
    page = Page(text)
    assert {href.removeprefix("#") for href in page.of("href")} <= set(page.of("id"))
    assert len(text) < 5_000_000
    assert f"{1_000 - TOLD_MAX} further findings" in page.text
    assert f"{400 - timeline.ROWS_MAX} further operations" in page.text
    assert f"{1_000 - faults.ROWS_MAX} further faults" in page.text
    assert ("tr", "id", "fault-700") in page.attributes
    assert page.tags["svg"] == 2 + DRAWN_OF_KIND_MAX


def test_a_fault_that_never_healed_is_told() -> None:
    recording = Recording()
    recording.fault(1, "kill", SECOND, 2 * SECOND, targets=["n1"])
    recording.lines = recording.lines[:2]
    recording.operation(0, 0, 3 * SECOND, "ok", f="get")
    history = recording.history()
    page = Page(render(history, valid(history), META))
    assert "1 fault never healed: kill 1." in page.text
    assert "not healed" in page.text


def test_the_same_run_gives_the_same_page(history: History) -> None:
    assert render(history, invalid(history), META) == render(history, invalid(history), META)
