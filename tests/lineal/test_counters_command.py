"""`lineal counters` shows the state counters of runs side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lineal.cli import exit_status
from lineal.cli.main import main
from tests.proof.sweeping import simulate

if TYPE_CHECKING:
    from pathlib import Path


def test_what_moved_in_one_run_only_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, counters in (("a", {"hints": 1200, "reads": 3}), ("b", {"hints": 0, "writes": 0})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counters.json").write_text(json.dumps({"total": counters}))
    assert main(["counters", str(tmp_path / "a"), str(tmp_path / "b")]) == exit_status.VALID
    rows = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["hints", "1,200", "0", "in some only"],
        ["reads", "3", "-", "in some only"],
        ["writes", "-", "0"],
    ]


def test_a_run_shows_what_its_nodes_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate("dynamo", 1, tmp_path)
    (run,) = (path.parent for path in tmp_path.rglob("counters.json"))
    assert main(["counters", str(run)]) == exit_status.VALID
    shown = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert int(shown["reads"].replace(",", "")) > 0
    assert shown["messages_not_understood"] == "0"


@pytest.mark.parametrize("content", [None, "{", "[]", '{"total": {"reads": "many"}}'])
def test_what_is_no_run_is_told(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "counters.json").write_text(content)
    assert main(["counters", str(tmp_path)]) == exit_status.USAGE
    assert "counters.json" in capsys.readouterr().err
