"""The commands about the archive against real nodes: backup, restore, scrub, what is refused."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.cli.archive_command import milliseconds
from lineal.cli.main import main
from tests.systems_under_test.paxos.driving import THREE, put
from tests.systems_under_test.paxos.test_local import Live
from tests.systems_under_test.paxos.test_local import live as local
from workloads.client import Request

if TYPE_CHECKING:
    from pathlib import Path


def at(cluster: Live, node: str) -> str:
    host, port = cluster.cluster.client_address(node)
    return f"{host}:{port}"


@pytest.mark.live
def test_backup_restore_and_scrub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with local(tmp_path / "nodes", {"archive": "on"}) as cluster:
        leader = cluster.leader()
        other = next(node for node in THREE if node != leader)
        cluster.ask(leader, put("k", "before"))
        moment = time.time_ns() // 1_000_000
        time.sleep(0.02)
        cluster.ask(leader, put("k", "after"))
        assert main(["backup", at(cluster, leader)]) == exit_status.VALID
        assert "the archive holds the log up to slot" in capsys.readouterr().out
        output = tmp_path / "then.json"
        words = ["restore", at(cluster, other), str(moment), "--output", str(output)]
        assert main(words) == exit_status.VALID
        assert json.loads(output.read_text())["keys"]["k"] == "before"
        into = ["--into", str(tmp_path / "new"), "--nodes", ",".join(THREE)]
        assert main([*words[:3], *into]) == exit_status.VALID
        assert "start n1, n2, n3" in capsys.readouterr().out
        assert main([*words[:3], *into]) == exit_status.USAGE
        assert "exists: a new group begins" in capsys.readouterr().err
        assert main(["restore", at(cluster, leader), "2001-01-01"]) == exit_status.VALID
        assert json.loads(capsys.readouterr().out)["keys"] == {}
        assert main(["restore", at(cluster, leader), "2999-01-01"]) == exit_status.USAGE
        assert "the archive cannot show" in capsys.readouterr().err
        assert main(["scrub", at(cluster, leader)]) == exit_status.VALID
        assert '"archive": "compared"' in capsys.readouterr().out
        assert main(["scrub", at(cluster, other)]) == exit_status.USAGE
        assert f"{leader} does: give that address" in capsys.readouterr().err
        segment = min((tmp_path / "nodes" / "objects" / "segments").iterdir())
        spoilt = bytearray(segment.read_bytes())
        spoilt[9] ^= 2
        segment.write_bytes(spoilt)
        assert main(["scrub", at(cluster, leader)]) == exit_status.INVALID
        assert segment.name in capsys.readouterr().out
    for node in THREE:
        (tmp_path / "group" / node).mkdir(parents=True)
        (tmp_path / "new" / node).rename(tmp_path / "group" / node / "data")
    with local(tmp_path / "group", {"archive": "on"}) as restored:
        for node in THREE:
            reply = restored.ask(node, Request("GET", "/kv/k"))
            assert reply is not None
            assert json.loads(reply.body)["value"] == "before"


@pytest.mark.live
def test_without_an_archive_a_backup_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with local(tmp_path) as cluster:
        leader = cluster.leader()
        assert main(["backup", at(cluster, leader)]) == exit_status.USAGE
        assert "archive=on" in capsys.readouterr().err
        assert main(["scrub", at(cluster, leader)]) == exit_status.VALID


def test_a_moment_is_said_in_either_way() -> None:
    assert milliseconds("1767225600000") == 1_767_225_600_000
    assert milliseconds("2026-01-01T00:00:00Z") == 1_767_225_600_000
    assert milliseconds("2026-01-01") == 1_767_225_600_000
    assert milliseconds("2026-01-01T01:00:00.5+01:00") == 1_767_225_600_500
