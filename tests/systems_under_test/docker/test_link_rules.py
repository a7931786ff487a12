"""What `tc` and `nft` are told of links, and how their answers are read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import fields

import pytest

from nemesis.plans import parse
from systems_under_test.environments.cluster import LinkQuality
from systems_under_test.environments.docker import netem, options
from systems_under_test.environments.docker.link_rules import (
    NodeRules,
    Queue,
    Rule,
    kind_of_queue,
    netem_words,
    tbf_words,
)
from systems_under_test.environments.docker.options import KERNEL, PROXY, DockerOptions

MS = 1_000_000
RULES = NodeRules("ab", {"n1": "10.1.0.11", "n3": "10.1.0.13"})
UNKNOWN = "Specified qdisc kind is unknown"

NETEM_WORDS = {
    LinkQuality(delay_ns=100 * MS): "netem limit 10000 delay 100000us 0us",
    LinkQuality(delay_ns=100 * MS, jitter_ns=100 * MS): "netem limit 10000 delay 150000us 50000us",
    LinkQuality(duplicate_ppm=300_000): "netem limit 10000 duplicate 30.0000%",
    LinkQuality(reorder_ppm=300_000): "netem limit 10000 delay 50000us 0us reorder 70.0000%",
    LinkQuality(delay_ns=MS, rate_bytes_s=4_000): "netem limit 10000 delay 1000us 0us rate 4000bps",
}


@pytest.mark.parametrize("quality", NETEM_WORDS)
def test_netem_is_asked_for_what_only_it_can_do(quality: LinkQuality) -> None:
    assert kind_of_queue(quality) == "netem"
    assert netem_words(quality) == NETEM_WORDS[quality]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("tc") is None, reason="it takes root and tc")
@pytest.mark.parametrize("words", [*NETEM_WORDS.values(), tbf_words(4_000), tbf_words(1)])
def test_tc_understands_every_word(words: str) -> None:
    """A kernel without the discipline refuses it by name, after `tc` has read all its arguments."""
    line = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", *words.split()]
    tried = subprocess.run(line, capture_output=True, text=True, check=False)
    assert tried.returncode == 0 or UNKNOWN in tried.stderr, tried.stderr
    tried = subprocess.run([*line, "moon"], capture_output=True, text=True, check=False)
    assert "moon" in tried.stderr


def test_a_narrow_link_needs_no_netem_and_its_queue_is_two_seconds_long() -> None:
    assert kind_of_queue(LinkQuality(rate_bytes_s=64_000)) == "tbf"
    assert tbf_words(64_000) == "tbf rate 64000bps burst 2000 limit 128000"
    assert kind_of_queue(LinkQuality(loss_ppm=1, hold=True)) is None


def test_each_peer_has_a_queue_of_its_own() -> None:
    match = "u32 match ip dst 10.1.0.13/32 flowid 4c69:2"
    to = {"n3": LinkQuality(rate_bytes_s=4_000), "n1": LinkQuality(loss_ppm=5)}
    assert RULES.queues(to, over=True).splitlines() == [
        "qdisc del dev eth0 root handle 4c69:",
        "qdisc add dev eth0 root handle 4c69: htb default 0",
        "class add dev eth0 parent 4c69: classid 4c69:2 htb rate 10gbit quantum 60000",
        "qdisc add dev eth0 parent 4c69:2 tbf rate 4000bps burst 2000 limit 8000",
        f"filter add dev eth0 parent 4c69: protocol ip prio 1 {match}",
    ]
    assert RULES.queues({}, over=True) == "qdisc del dev eth0 root handle 4c69:\n"
    assert RULES.queues({}, over=False) == ""


def test_a_table_is_made_anew_in_one_transaction() -> None:
    lost, held = LinkQuality(loss_ppm=300_000), LinkQuality(hold=True, loss_ppm=5)
    program = RULES.drops({"n1": lost, "n3": held})
    assert program.startswith("table ip lineal_ab_links\ndelete table ip lineal_ab_links\n")
    assert (
        'ip saddr 10.1.0.11 numgen random mod 1000000 < 300000 counter name "lost_1" drop'
        in program
    )
    assert 'ip saddr 10.1.0.13 counter name "held_2" drop' in program
    assert RULES.drops({}).count("\n") == 2


def test_queues_are_read_as_the_kernel_tells_them() -> None:
    """The two answers of `tc -s -j`: the one of tbf was seen, the one of netem is as documented."""
    counts = {"bytes": 1, "packets": 48, "drops": 52, "overlimits": 195, "requeues": 0}
    told = [
        {"kind": "htb", "handle": "4c69:", "root": True, "options": {}, **counts},
        {"kind": "tbf", "handle": "1:", "parent": "4c69:1", "options": {"rate": 64000}, **counts},
        {
            "kind": "netem",
            "handle": "2:",
            "parent": "4c69:2",
            "options": {"limit": 10000, "delay": {"delay": 0.1, "jitter": 0, "correlation": 0}},
            **counts,
        },
    ]
    ours, queues = RULES.read_queues(json.dumps(told))
    assert ours
    assert queues == {
        "n1": Queue("tbf", 64_000, packets=48, dropped=52, waits=195),
        "n3": Queue("netem", 0, packets=48, dropped=52, waits=195),
    }
    assert RULES.read_queues("[]") == (False, {})
    assert RULES.read_queues(json.dumps(told[1:2] and [{**told[1], "parent": "1:1"}]))[1] == {}


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("nft") is None, reason="it takes root, nft")
def test_rules_are_read_back_from_the_kernel() -> None:
    of = {"n1": LinkQuality(loss_ppm=300_000), "n3": LinkQuality(hold=True)}
    script = "nft -f - && nft -j list ruleset ip"
    seen = subprocess.run(
        ["unshare", "--net", "sh", "-c", script],
        input="table ip others { }\n" + RULES.drops(of),
        capture_output=True,
        text=True,
        check=True,
    )
    assert RULES.read_drops(seen.stdout) == {
        "n1": Rule(hold=False, loss_ppm=300_000, dropped=0),
        "n3": Rule(hold=True, loss_ppm=0, dropped=0),
    }


def test_what_only_netem_carries_is_told_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(netem.BY_NETEM) < {field.name for field in fields(LinkQuality)}
    monkeypatch.setattr(options, "why_no_netem", lambda: UNKNOWN)
    kernel = DockerOptions(links=KERNEL)
    for name in ("link", "link:slow", "link:duplicate", "link:lossy,link:reorder", "zone:slow"):
        (problem,) = kernel.problems({"link"}, parse(name).qualities)
        assert "no netem" in problem, name
        assert UNKNOWN in problem, name
    for name in ("link:lossy", "link:rate", "link:hold", "link:rate,kill", "zone:lost"):
        assert kernel.problems({"link"}, parse(name).qualities) == [], name
    assert DockerOptions().problems({"link"}, parse("link").qualities) == []
    assert DockerOptions().problems({"link"}, {"delay_ns"}, foreign=True)
    monkeypatch.setattr(options, "why_no_netem", lambda: None)
    assert kernel.problems({"link"}, parse("link").qualities) == []


def test_foreign_systems_have_the_kernels_links_and_no_proxy() -> None:
    assert DockerOptions().resolved({"link"}).links == PROXY
    assert DockerOptions().resolved({"link"}, foreign=True).links == KERNEL
    (problem,) = DockerOptions(links=PROXY).problems((), foreign=True)
    assert "not for foreign systems" in problem


def test_the_trial_of_netem_says_what_tc_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {"true": 0, "tc": 2}

    def run(line: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        program = next(word for word in line if word in ends)
        return subprocess.CompletedProcess(line, ends[program], "", f"Error: {UNKNOWN}.\n")

    trial = netem.why_no_netem.__wrapped__
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    assert trial() == f"Error: {UNKNOWN}."
    ends["tc"] = 0
    assert trial() is None
    ends.update(true=1, tc=2)  # Nobody may try: it is tried in a node's network.
    assert trial() is None
