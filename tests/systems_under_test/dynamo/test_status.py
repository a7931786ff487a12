"""What a node shows of its own work: quantiles, histograms, load, counters, a page for people."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from systems_under_test.dynamo.counters import SENTENCES, Counters
from systems_under_test.dynamo.latency import Latencies, bucket_of, greatest_of
from systems_under_test.dynamo.load import SAMPLE_MIN, Load
from systems_under_test.rng import Rng
from tests.systems_under_test.dynamo.driving import Drive, put
from workloads.client import Request

PAGE = Path(__file__).parents[3] / "docs/systems/dynamo.md"


def test_a_bucket_ends_where_the_next_begins_and_is_narrow() -> None:
    for value in [*range(5_000), *(1 << n for n in range(13, 50))]:
        bucket, greatest = bucket_of(value), greatest_of(bucket_of(value))
        assert bucket_of(greatest) == bucket
        assert bucket_of(greatest + 1) == bucket + 1
        assert value <= greatest <= value + value // 16


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_those_of_the_sorted_durations_or_little_more(seed: int) -> None:
    rng, latencies = Rng(f"latency/{seed}"), Latencies()
    durations = [rng.below(1 << rng.between(10, 34)) for _ in range(rng.between(1, 3000))]
    for duration in durations:
        latencies.add(duration)
    for thousandths in (500, 990, 999, 1000):
        rank = max(1, -(-len(durations) * thousandths // 1000))
        exact = sorted(durations)[rank - 1]
        shown = latencies.quantile(thousandths)
        assert shown is not None
        assert exact // 1000 * 1000 <= shown <= exact + exact // 16 + 1000


def test_without_a_request_there_is_no_quantile() -> None:
    assert Latencies().shown() == {"count": 0, "p50_ms": None, "p99_ms": None, "p99.9_ms": None}


def test_a_node_is_out_of_balance_beyond_fifteen_percent_of_its_share() -> None:
    load = Load()
    tokens = {"n1": 16, "n2": 16, "n3": 32}
    load.asked = {"n1": 1000, "n2": 1140, "n3": 1860}
    assert load.out_of_balance(tokens) == []
    load.asked = {"n1": 840, "n2": 1200, "n3": 1960}
    assert load.out_of_balance(tokens) == ["n1", "n2"]


def test_of_a_small_sample_nothing_is_said() -> None:
    load = Load()
    load.ask(["n1"] * (SAMPLE_MIN - 1))
    assert load.out_of_balance({"n1": 1, "n2": 1}) == []
    load.ask(["n1"])
    assert load.out_of_balance({"n1": 1, "n2": 1}) == ["n1", "n2"]


def test_the_status_tells_how_long_requests_took_and_what_reads_returned() -> None:
    drive = Drive()
    drive.put("n1", "k", "1")
    drive.put("n1", "k", "2")
    drive.wait(100)
    for _ in range(5):
        drive.get("n1", "k")
    drive.get("n1", "absent")
    measured = drive.page("n1", "status")["measured"]
    latency: dict[str, Any] = measured["latency"]
    assert latency["reads"]["count"] == 6
    assert latency["writes"]["count"] == 2
    assert 0 < latency["reads"]["p50_ms"] <= latency["reads"]["p99.9_ms"] < 50
    assert measured["versions_per_read"] == {"0": 1, "2": 5}
    assert sum(measured["requests_asked_of"].values()) == 3 * 8


def test_a_failed_request_counts_with_the_time_that_it_took() -> None:
    drive = Drive({"quorum": "strict", "request_timeout_ms": 700})
    home, _ = drive.home("k")
    drive.isolate(home[0])
    assert drive.ask(home[0], put("k", "v")).status == 503
    writes = drive.page(home[0], "status")["measured"]["latency"]["writes"]
    assert writes["count"] == 1
    assert writes["p50_ms"] >= 700


class Text(HTMLParser):
    """The words of a page, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(drive: Drive, node: str) -> str:
    reply = drive.ask(node, Request("GET", "/"))
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    text = Text()
    text.feed(reply.body.decode())
    assert text.open == []
    return " ".join(text.words)


def test_the_page_is_whole_and_says_what_the_status_says() -> None:
    drive = Drive()
    for n in range(30):
        drive.put("n1", f"k{n}", "v")
        drive.get("n1", f"k{n}")
    shown = page_of(drive, "n1")
    status = drive.page("n1", "status")
    for name in ("p99.9", "Versions returned by a read", "n5", "siblings read", "replica_timeout"):
        assert name in shown
    latency = status["measured"]["latency"]["writes"]["p50_ms"]
    assert f"{latency:.2f} ms" in shown
    assert "left out" not in shown.split("Counters")[0]


def test_the_page_warns_of_peers_that_are_left_out_and_of_bugs() -> None:
    drive = Drive(bug="quorum-lie")
    drive.cluster.nodes["n2"].kill()
    drive.wait(3000)
    drive.put("n1", "k", "v")
    shown = page_of(drive, "n1")
    assert "It has left out n2, which did not answer." in shown
    assert "bug quorum-lie" in shown


def test_looking_at_the_page_changes_nothing() -> None:
    drive = Drive()
    before = drive.page("n1", "status")["counters"]
    page_of(drive, "n1")
    after = drive.page("n1", "status")["counters"]
    moving = {"gossip_rounds", "digest_rounds_equal"}
    assert all(before[name] == after[name] for name in before if name not in moving)


def test_every_counter_has_a_sentence_and_stands_on_the_page_of_the_store() -> None:
    names = [field.name for field in msgspec.structs.fields(Counters)]
    assert list(SENTENCES) == names
    assert len(names) >= 15
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    assert {name: rows.get(name) for name in names} == SENTENCES
